"""One generation of the index, opened once per process; `rag.build` makes them.

index_store/
    CURRENT                  the name of the current generation
    vectors.sqlite           vectors by content and encoder, kept over rebuilds
    generations/NAME/        papers.sqlite, chroma/, lexical/, manifest.json
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rag.embed import Encoder, load_encoder
from rag.errors import IndexDamaged, IndexMissing, IndexStale
from rag.lexical import LexicalIndex, tokens
from rag.manifest import Manifest, read_manifest, staleness
from rag.names import IN_TITLE, mentions
from rag.passages import telling_of
from rag.settings import Settings
from rag.store import PaperStore
from rag.vectors import VectorIndex

CURRENT, GENERATIONS = "CURRENT", "generations"
_NAME = re.compile(r"\d{8}T\d{12}", re.ASCII)


class Index:
    """One open generation. Its parts are opened on first use and then shared."""

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        """Keep what to open; `open_index` is the way in."""
        self.folder = folder
        self.manifest = manifest
        self._settings = settings
        self.words = lru_cache(maxsize=512)(self._words)
        self.mentions = lru_cache(maxsize=64)(self._mentions)

    @cached_property
    def store(self) -> PaperStore:
        """The papers and passages."""
        return PaperStore(self.folder / "papers.sqlite")

    @cached_property
    def vectors(self) -> VectorIndex:
        """The dense leg."""
        return VectorIndex(self.folder / "chroma")

    @cached_property
    def lexical(self) -> LexicalIndex:
        """The lexical leg."""
        return LexicalIndex(self.folder / "lexical")

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder whose vectors the generation holds; raises `IndexStale` if not."""
        encoder = load_encoder(self._settings)
        if encoder.fingerprint != self.manifest.encoder_fingerprint:
            raise _stale(f"the encoder '{encoder.name}' is not the one it was built with")
        return encoder

    @cached_property
    def author_names(self) -> dict[str, list[str]]:
        """{author's comparison key: arXiv ids}."""
        return self.store.author_names()

    def _mentions(self, question: str) -> Mapping[str, float]:
        """Return {arXiv id: strength} of the papers that the question names."""
        return MappingProxyType(mentions(question, self.store.named))

    def _words(self, arxiv_id: str) -> frozenset[str]:
        """Return the tokens of all of a paper's passages."""
        passages = self.store.passages_of(arxiv_id)
        return frozenset(token for p in passages for token in tokens(p.indexed_text))

    def rarity(self, token: str) -> float:
        """Return a token's inverse document frequency over the passages, > 0."""
        seen = self.lexical.document_frequency(token)
        return math.log(1 + self.store.passage_count / (1 + seen))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors of questions and sentences, shape (len(texts), dimension)."""
        return self.encoder.encode_queries(texts)

    @cached_property
    def name_keys(self) -> list[str]:
        """The names that papers go by in their titles, as comparison keys."""
        return self.store.name_keys(IN_TITLE)

    @cached_property
    def digest_names(self) -> list[str]:
        """The names of all digests."""
        return list(self.store.tally("digest"))

    @cached_property
    def digests_without_category(self) -> list[str]:
        """The names of the digests none of whose entries has a category."""
        return self.store.digests_without("category")

    @cached_property
    def newest(self) -> date | None:
        """The newest digest's date, None when no digest carries one."""
        days = self.store.tally("day")
        return date.fromisoformat(max(days)) if days else None

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """For each passage's row the number of its paper in `paper_ids`."""
        numbers = {arxiv_id: n for n, arxiv_id in enumerate(self.paper_ids)}
        return np.array([numbers[i] for i in self.store.owners()], dtype=np.int64)

    @cached_property
    def paper_ids(self) -> tuple[str, ...]:
        """The papers' arXiv ids, in the order of their first passages."""
        return tuple(dict.fromkeys(self.store.owners()))

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each passage id."""
        return {passage_id: row for row, passage_id in enumerate(self.store.passage_ids())}

    @cached_property
    def tellings(self) -> dict[str, set[str]]:
        """Who tells of each paper: its author, a digest, or both."""
        found: dict[str, set[str]] = {}
        for arxiv_id, telling in map(telling_of, self.rows):
            found.setdefault(arxiv_id, set()).add(telling)
        return found


_open: dict[tuple[Path, Settings], Index] = {}
_opening = threading.Lock()


def open_index(settings: Settings) -> Index:
    """Return the current generation, opened, and compared with the digests, once per process.

    Raises `IndexMissing` when nothing was built, `IndexStale` when what it was
    built from has changed, `IndexDamaged` when it can't be read.
    """
    folder = current_folder(settings)
    with _opening:
        index = _open.get((folder, settings))
        if index is None:
            manifest = read_manifest(folder)
            if reason := staleness(manifest, settings):
                raise _stale(reason)
            # Nobody asks for a replaced generation again; who still holds it may use it.
            for key in [k for k in _open if k[0] != folder and k[0].parent == folder.parent]:
                del _open[key]
            index = _open[(folder, settings)] = Index(folder, manifest, settings)
        return index


def current_folder(settings: Settings) -> Path:
    """Return the current generation's folder; raises `IndexMissing` or `IndexDamaged`."""
    try:
        name = (settings.index_dir / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise IndexMissing(
            "There is no index yet.", "Run 'digest-rag index' to build it from the digests."
        ) from None
    except (OSError, ValueError) as error:
        raise IndexDamaged.of(settings.index_dir / CURRENT) from error
    folder = settings.index_dir / GENERATIONS / name
    if not _NAME.fullmatch(name) or not folder.is_dir():
        raise IndexDamaged(
            "The index's current generation is gone.",
            "Run 'digest-rag index' to build it again from the digests.",
        )
    return folder


def current_manifest(settings: Settings) -> Manifest | None:
    """Return the current generation's manifest, or None when there is no sound one."""
    try:
        return read_manifest(current_folder(settings))
    except (IndexMissing, IndexDamaged):
        return None


def _stale(reason: str) -> IndexStale:
    return IndexStale(f"The index is out of date: {reason}.", "Run 'digest-rag index'.")
