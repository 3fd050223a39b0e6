"""One generation of the index, opened once per process; `rag.build` makes them.

index_store/
    CURRENT                  the name of the current generation
    library.sqlite           what was read out of every digest, by content
    vectors.sqlite           vectors by content and encoder
    segments/NAME/           papers, vectors and words; never changed (`rag.segment`)
    generations/NAME/        manifest.json: which segments, and what they were built from
"""

from __future__ import annotations

import math
import re
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rag.dense import Dense
from rag.durable import hold
from rag.embed import Encoder, load_encoder
from rag.errors import IndexDamaged, IndexFailure, IndexMissing, IndexStale
from rag.lexical import tokens
from rag.manifest import Manifest, misfit, read_manifest, sources, staleness
from rag.names import IN_TITLE, mentions
from rag.postings import Postings
from rag.segment import SEGMENTS, Segment, Where, check_segment
from rag.settings import Settings
from rag.store import PaperStore

CURRENT, GENERATIONS, READERS = "CURRENT", "generations", "readers.lock"
_NAME = re.compile(r"\d{8}T\d{12}", re.ASCII)
_TRIES = 3


class Index:
    """One open generation. Its parts are opened on first use and then shared.

    While it is open its generation is marked as in use, and is kept.
    """

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        """Open the segments; `open_index` is the way in.

        Raises `IndexDamaged` when a segment is not as it was written.
        """
        self.folder = folder
        self.manifest = manifest
        self._settings = settings
        release = hold(folder / READERS)
        weakref.finalize(self, release)
        base = folder.parent.parent / SEGMENTS
        self.segments = [_segment(base / name, settings) for name in manifest.segments]

    @property
    def dense_weight(self) -> float:
        """The weight of meaning against words that the settings ask for."""
        return self._settings.dense_weight

    @cached_property
    def store(self) -> PaperStore:
        """The papers."""
        manifest = self.manifest
        dead = [manifest.dead.get(name, []) for name in manifest.segments]
        store = PaperStore([s.folder for s in self.segments], dead, list(manifest.digests))
        weakref.finalize(self, store.close)
        return store

    @cached_property
    def dense(self) -> Dense:
        """The dense leg."""
        return Dense(self.segments, self.store.live)

    @cached_property
    def lexical(self) -> Postings:
        """The lexical leg."""
        live = [
            None if mask is None else np.repeat(mask, np.diff(segment.first_row))
            for segment, mask in zip(self.segments, self.store.live_parts, strict=True)
        ]
        return Postings([segment.folder / "postings" for segment in self.segments], live)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder whose vectors the generation holds; raises `IndexStale` if not."""
        encoder = load_encoder(self._settings)
        if encoder.fingerprint != self.manifest.encoder_fingerprint:
            raise _stale(f"the encoder '{encoder.name}' is not the one it was built with")
        return encoder

    @cached_property
    def words(self) -> Callable[[str], frozenset[str]]:
        """What gives the tokens of all of a paper's passages."""
        store = self.store

        @lru_cache(maxsize=512)
        def words(arxiv_id: str) -> frozenset[str]:
            passages = store.passages_of(arxiv_id)
            return frozenset(token for p in passages for token in tokens(p.indexed_text))

        return words

    @cached_property
    def mentions(self) -> Callable[[str], Mapping[str, float]]:
        """What gives {arXiv id: strength} of the papers that a question names."""
        store = self.store

        @lru_cache(maxsize=64)
        def mentioned(question: str) -> Mapping[str, float]:
            return MappingProxyType(mentions(question, store.named))

        return mentioned

    def rarity(self, token: str) -> float:
        """Return a token's inverse document frequency over the passages, > 0."""
        seen = self.lexical.document_frequency(token)
        return math.log(1 + self.manifest.passages / (1 + seen))

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
    def newest(self) -> date | None:
        """The newest digest's date, None when no digest carries one."""
        days = self.store.tally("day")
        return date.fromisoformat(max(days)) if days else None


_open: dict[tuple[Path, Settings], Index] = {}
_opening = threading.Lock()
_segments: weakref.WeakValueDictionary[tuple[Path, str], Segment] = weakref.WeakValueDictionary()


def open_index(settings: Settings) -> Index:
    """Return the current generation, opened, and compared with the digests, once per process.

    A new generation is noticed at the next call, and opens only what is new; the
    digests are compared with the first one that a process opens. Raises
    `IndexMissing` when nothing was built, `IndexStale` when what it was built from
    has changed, `IndexDamaged` when it can't be read.
    """
    for again in range(_TRIES):
        folder = current_folder(settings)
        try:
            return _opened(folder, settings)
        except IndexFailure:
            # It may have been replaced, and deleted, since its name was read.
            if again == _TRIES - 1 or current_folder(settings) == folder:
                raise
    raise AssertionError


def _opened(folder: Path, settings: Settings) -> Index:
    index = _open.get((folder, settings))
    if index is not None:
        return index
    with _opening:
        index = _open.get((folder, settings))
        if index is None:
            manifest = read_manifest(folder)
            # Who serves already goes on serving while the next digest arrives.
            serving = any(k[0].parent == folder.parent and k[1] == settings for k in _open)
            if reason := (misfit if serving else staleness)(manifest, settings):
                raise _stale(reason)
            index = Index(folder, manifest, settings)
            # Nobody asks for a replaced generation again; who still holds it may use it.
            for key in [k for k in _open if k[0] != folder and k[0].parent == folder.parent]:
                del _open[key]
            _open[(folder, settings)] = index
        return index


def _segment(folder: Path, settings: Settings) -> Segment:
    """Return a segment, opened once per process however many generations share it."""
    key = (folder, settings.chroma_url)
    segment = _segments.get(key)
    if segment is None:
        check_segment(folder)
        segment = Segment(folder, where_vectors(settings))
        _segments[key] = segment
    return segment


def where_vectors(settings: Settings) -> Where:
    """Return where the settings say that the segments' vectors are."""
    return settings.chroma_url, settings.chroma_token, settings.chroma_database


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


def known_sources(settings: Settings) -> tuple[Path, ...]:
    """Return what to read: the setting's digests, else the last ones, else seeds/.

    The last ones are those of the newest generation that can be read. Raises
    `IndexDamaged` when there is an index and no generation says what it was built
    from: to read seeds/ then would put other papers in its place.
    """
    if settings.digests:
        return sources(settings)
    manifest = current_manifest(settings) or _newest_manifest(settings)
    if manifest is None and (settings.index_dir / CURRENT).exists():
        raise IndexDamaged(
            "The index is damaged, and which digests it was built from is no longer known.",
            "Name them: digest-rag index FOLDER, or set RAG_DIGESTS.",
        )
    return sources(settings, manifest)


def _newest_manifest(settings: Settings) -> Manifest | None:
    folder = settings.index_dir / GENERATIONS
    for generation in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else ():
        with suppress(IndexDamaged):
            return read_manifest(generation)
    return None


def _stale(reason: str) -> IndexStale:
    return IndexStale(f"The index is out of date: {reason}.", "Run 'digest-rag index'.")
