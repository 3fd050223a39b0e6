"""Index generations: built in a fresh folder, verified, then swapped in whole.

index_store/
    CURRENT                  the name of the current generation
    vectors.sqlite           vectors by content and encoder, kept over rebuilds
    generations/NAME/        papers.sqlite, chroma/, lexical/, manifest.json
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from rag.cache import encode_cached
from rag.digests import Reading, read_digests
from rag.embed import Encoder, load_encoder
from rag.errors import IndexBusy, IndexDamaged, IndexMissing, IndexStale, NoPapers, SettingError
from rag.lexical import LexicalIndex, tokens, write_lexical
from rag.manifest import Manifest, read_manifest, sources, staleness
from rag.passages import all_passages
from rag.settings import DEFAULT_ENCODER, Settings
from rag.store import PaperStore, write_store
from rag.types import Language, Ledger, Passage
from rag.vectors import VectorIndex, write_vectors

Progress = Callable[[str, int, int], None]

_CURRENT, _GENERATIONS, _VECTORS, _LOCK = "CURRENT", "generations", "vectors.sqlite", "build.lock"
_NAME, _NAME_FORMAT = re.compile(r"\d{8}T\d{12}", re.ASCII), "%Y%m%dT%H%M%S%f"
_WAIT_FOR_BUILD = 600.0
_SAMPLE = 16


class Index:
    """One open generation. Its parts are opened on first use and then shared."""

    def __init__(self, folder: Path, manifest: Manifest, settings: Settings) -> None:
        """Keep what to open; `open_index` is the way in."""
        self.folder = folder
        self.manifest = manifest
        self._settings = settings

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

    def understands(self, language: Language) -> bool:
        """Return whether the encoder knows the language."""
        return language == "en" or self._settings.encoder != DEFAULT_ENCODER

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors of questions and sentences, shape (len(texts), dimension)."""
        return self.encoder.encode_queries(texts)

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
        name = (settings.index_dir / _CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise IndexMissing(
            "There is no index yet.", "Run 'digest-rag index' to build it from the digests."
        ) from None
    except (OSError, ValueError) as error:
        raise IndexDamaged.of(settings.index_dir / _CURRENT) from error
    folder = settings.index_dir / _GENERATIONS / name
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


def build_index(
    paths: Sequence[Path | str] | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Ledger:
    """Build the index anew from digests and make it the current one.

    `paths` are files or folders (default: the setting's, else those of the last
    build, else seeds/). `progress` is called with (stage, done, total). Vectors
    of unchanged passages are taken from the cache. Until the last step the old
    index answers, and it stays in place when anything fails.

    Raises `NoPapers` when no paper could be read, `DigestError` for a path that
    does not exist, `SettingError` when the index's folder can't be made, and
    `IndexBusy` when another build does not end in ten minutes.
    """
    settings = settings or Settings.from_env()
    report = progress or (lambda stage, done, total: None)
    _make_folder(settings.index_dir)
    with _build_lock(settings, report):
        given = tuple(Path(p).resolve() for p in paths) if paths else None
        wanted = given or sources(settings, current_manifest(settings))
        report("reading", 0, 1)
        reading = read_digests(wanted)
        if not reading.papers:
            raise NoPapers(reading.failed)
        return _Build(settings, wanted, reading, report).run()


def ensure_index(settings: Settings, progress: Progress | None = None) -> Ledger | None:
    """Build the index if it is missing, stale or damaged; return the ledger if so.

    Unlike `open_index` it looks at the digests also when the index is open.
    """
    try:
        index = open_index(settings)
        _ = index.store, index.lexical, index.vectors, index.encoder
        usable = not staleness(index.manifest, settings)
    except (IndexMissing, IndexStale, IndexDamaged):
        usable = False
    return None if usable else build_index(settings=settings, progress=progress)


@dataclass(frozen=True, slots=True)
class _Build:
    """One build: write every part in a fresh folder, verify, swap, tidy up."""

    settings: Settings
    wanted: tuple[Path, ...]
    reading: Reading
    report: Progress

    def run(self) -> Ledger:
        name = datetime.now(UTC).strftime(_NAME_FORMAT)
        folder = self.settings.index_dir / _GENERATIONS / name
        folder.mkdir(parents=True)
        try:
            ledger = self._write(folder)
            before = current_manifest(self.settings)
            _swap(self.settings.index_dir, name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _tidy(folder.parent, {name, before.generation if before else name})
        return ledger

    def _write(self, folder: Path) -> Ledger:
        passages = all_passages(self.reading.papers)
        encoder = load_encoder(self.settings)
        vectors, embedded = self._write_parts(folder, passages, encoder)
        manifest = self._manifest(folder.name, len(passages), encoder)
        manifest.write(folder)
        self.report("verifying", 0, 1)
        _verify(Index(folder, manifest, self.settings), passages, vectors)
        self.report("verifying", 1, 1)
        return Ledger(
            files=len(self.reading.files),
            entries=self.reading.entries,
            papers=len(self.reading.papers),
            passages=len(passages),
            embedded=embedded,
            incomplete=self.reading.incomplete,
            failed=self.reading.failed,
            generation=folder.name,
        )

    def _write_parts(
        self, folder: Path, passages: Sequence[Passage], encoder: Encoder
    ) -> tuple[NDArray[np.float32], int]:
        """Write store, lexical index and vectors; return the vectors and how many are new."""
        texts = [passage.indexed_text for passage in passages]
        cache = self.settings.index_dir / _VECTORS
        vectors, embedded = encode_cached(cache, encoder, texts, partial(self.report, "embedding"))
        self.report("writing", 0, 3)
        write_store(folder / "papers.sqlite", self.reading.papers, passages)
        self.report("writing", 1, 3)
        write_lexical(folder / "lexical", texts)
        self.report("writing", 2, 3)
        write_vectors(folder / "chroma", [p.id for p in passages], vectors, _metadata(passages))
        self.report("writing", 3, 3)
        return vectors, embedded

    def _manifest(self, generation: str, passages: int, encoder: Encoder) -> Manifest:
        return Manifest(
            generation=generation,
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            sources=tuple(map(str, self.wanted)),
            digests=self.reading.fingerprints,
            encoder=self.settings.encoder,
            encoder_fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            truncate_dim=self.settings.truncate_dim,
            entries=self.reading.entries,
            papers=len(self.reading.papers),
            passages=passages,
            incomplete=len(self.reading.incomplete),
            failed=len(self.reading.failed),
        )


@contextmanager
def _build_lock(settings: Settings, report: Progress) -> Iterator[None]:
    """Hold the index for writing; wait for another build, then give up."""
    lock = FileLock(settings.index_dir / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("waiting for another build", 0, 1)
        try:
            lock.acquire(timeout=_WAIT_FOR_BUILD)
        except Timeout:
            raise IndexBusy(
                "Another process is still building the index.",
                "Wait for it to end, or stop it, and run the command again.",
            ) from None
    try:
        yield
    finally:
        lock.release()


def _metadata(passages: Sequence[Passage]) -> list[dict[str, str]]:
    return [
        {"arxiv_id": p.arxiv_id, "part": p.part, "language": p.language, "digest": p.digest}
        for p in passages
    ]


def _verify(index: Index, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
    """Raise `IndexDamaged` unless every part holds the passages it should."""
    sound = index.store.passage_count == index.vectors.count == len(passages)
    sound = sound and index.store.passage_ids() == [p.id for p in passages]
    step = max(1, len(passages) // _SAMPLE)
    for row in range(0, len(passages), step):
        nearest = index.vectors.nearest(vectors[row], 1)
        # Equal texts have equal vectors: the nearest need not be the same passage.
        sound = sound and bool(nearest) and nearest[0][1] > 0.999
        text = passages[row].indexed_text
        scores = index.lexical.scores(text)
        sound = sound and len(scores) == len(passages) and (scores[row] > 0 or not tokens(text))
    index.store.close()
    if not sound:
        raise IndexDamaged(
            "The index that was just built does not hold what it should.",
            "Check that the disk is not full, then run 'digest-rag index' again.",
        )


def _make_folder(index_dir: Path) -> None:
    try:
        index_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"The index folder '{index_dir}' can't be made ({error.strerror}).",
            "Set RAG_INDEX to a folder that you may write to.",
        ) from error


def _swap(index_dir: Path, name: str) -> None:
    pointer = index_dir / f"{_CURRENT}.new"
    with pointer.open("w", encoding="utf-8") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    pointer.replace(index_dir / _CURRENT)


def _tidy(generations: Path, keep: set[str]) -> None:
    """Delete all generations but those to keep: the current one and the one before.

    The one before may still be in use; what a killed build left goes too.
    """
    for folder in generations.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _stale(reason: str) -> IndexStale:
    return IndexStale(f"The index is out of date: {reason}.", "Run 'digest-rag index'.")
