"""Every error that the product raises on purpose.

    DigestRagError
    ├── SettingError       a setting or an option that can't be used
    ├── QuestionError      a question that can't be asked (empty, too long)
    ├── DigestError        a path that does not exist
    │   └── NoPapers       no paper could be read from any of the files
    ├── EncoderError       the embedding model is missing, damaged or unknown
    ├── IndexFailure
    │   ├── IndexMissing   nothing was built yet
    │   ├── IndexStale     built from other digests, settings or model
    │   ├── IndexDamaged   a file of the index is missing or unreadable
    │   ├── IndexBusy      another process is building
    │   ├── IndexUnwritable  the disk is full or protected
    │   └── ServiceDown    the Chroma service does not answer, or not to us
    └── LLMError           the language model can't be reached or used

A message is a sentence, and `hint` what to do next. Only the command line and
the chat catch these; "not in the digests" is an answer and never an error.
"""

from __future__ import annotations

from pathlib import Path

from rag.types import Failure


class DigestRagError(Exception):
    """Base of the tree. `str(error)` is the sentence followed by the hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep the sentence `message` and what to do next, `hint`, apart."""
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence and, after a space, the hint."""
        return f"{self.message} {self.hint}".strip()


class SettingError(DigestRagError):
    """A setting or an option has a value that can't be used."""


class QuestionError(DigestRagError):
    """The question is empty, too long or not text."""


class DigestError(DigestRagError):
    """A digest that was asked for does not exist."""


class NoPapers(DigestError):
    """No paper could be read at all; `failed` says why, file by file."""

    def __init__(self, failed: tuple[Failure, ...]) -> None:
        """Keep the failures, for the ledger."""
        super().__init__(
            "No paper could be read.",
            "Name a folder of digests: digest-rag index PATH, or set RAG_DIGESTS.",
        )
        self.failed = failed

    def __reduce__(self) -> tuple[type[NoPapers], tuple[tuple[Failure, ...]]]:
        """Return how to make it again in another process."""
        return NoPapers, (self.failed,)


class EncoderError(DigestRagError):
    """The embedding model is missing, damaged or unknown."""


class IndexFailure(DigestRagError):
    """Base of the errors of the index."""


class IndexMissing(IndexFailure):
    """There is no index yet."""


class IndexStale(IndexFailure):
    """The index was built from other digests, settings or another model."""


class IndexDamaged(IndexFailure):
    """A file of the index is missing or can't be read."""

    @classmethod
    def of(cls, path: Path) -> IndexDamaged:
        """Return the error that says which file or folder is damaged."""
        return cls(
            f"The index file '{path.name}' is missing or damaged.",
            "Run 'digest-rag index' to build it again from the digests.",
        )


class IndexBusy(IndexFailure):
    """Another process holds the index for writing."""


class IndexUnwritable(IndexFailure):
    """The disk is full, or the index's folder may not be written."""


class ServiceDown(IndexFailure):
    """The Chroma service that holds the vectors does not answer, or refuses to."""


class LLMError(DigestRagError):
    """The language model can't be reached or gave nothing usable."""
