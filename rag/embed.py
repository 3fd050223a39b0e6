"""Text into vectors: the one seam between the product and any embedding model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.settings import DEFAULT_ENCODER, Settings

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]


class Encoder(Protocol):
    """Anything that turns queries and passages into comparable unit vectors.

    `fingerprint` is the same in every process and changes whenever the vectors
    would: with the weights, the pooling, the prompts or `truncate_dim`.
    """

    @property
    def name(self) -> str:
        """The model as the user knows it."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for everything the vectors depend on."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per query: (len(texts), dimension)."""

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return one L2-normalised row per passage: (len(texts), dimension).

        `progress` is called with how many passages are done so far, rising to
        `len(texts)`.
        """

    def encode_sentences(self, texts: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
        """Return the rows of `encode_passages`, and for each passage its sentences' rows.

        Every passage has one at least: (sentences, dimension), each of length 1. An
        encoder that knows passages only gives none for any: (0, dimension).
        """


def well_formed(text: str) -> str:
    """Return `text` with half surrogate pairs, which no tokenizer takes, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unit_rows(rows: Vectors) -> Vectors:
    """Return `rows` each divided by its length; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


_loaded: dict[tuple[str, int, Path], Encoder] = {}
_lock = threading.Lock()


def load_encoder(settings: Settings) -> Encoder:
    """Return the encoder that `settings.encoder` names, loaded once per process.

    Raises `EncoderError` where the model is missing, damaged or unknown.
    """
    key = (settings.encoder, settings.truncate_dim, settings.index_dir.absolute())
    with _lock:
        if key not in _loaded:
            _loaded[key] = _load(settings)
        return _loaded[key]


def _load(settings: Settings) -> Encoder:
    if settings.encoder == DEFAULT_ENCODER:
        from rag.onnx_encoder import open_default

        return open_default(settings.index_dir, settings.truncate_dim)
    from rag.sentence_encoder import SentenceEncoder

    return SentenceEncoder.load(settings.encoder, settings.truncate_dim)
