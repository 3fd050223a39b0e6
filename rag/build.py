"""Build the index: every part in a fresh folder, verified, then swapped in whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from rag.cache import encode_cached
from rag.calibrate import calibrated
from rag.digests import Reading, read_digests
from rag.embed import Encoder, load_encoder
from rag.errors import IndexBusy, IndexDamaged, IndexMissing, IndexStale, NoPapers, SettingError
from rag.index import CURRENT, GENERATIONS, Index, current_manifest, open_index
from rag.lexical import tokens, write_lexical
from rag.manifest import Manifest, sources, staleness
from rag.passages import all_passages
from rag.settings import Settings
from rag.store import write_store
from rag.types import Ledger, Passage
from rag.vectors import write_vectors

Progress = Callable[[str, int, int], None]

_VECTORS, _LOCK = "vectors.sqlite", "build.lock"
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_WAIT_FOR_BUILD = 600.0
_SAMPLE = 16


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
        folder = self.settings.index_dir / GENERATIONS / name
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
        found = calibrated(Index(folder, manifest, self.settings), self.settings, self.report)
        manifest = replace(manifest, calibration=found)
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
    pointer = index_dir / f"{CURRENT}.new"
    with pointer.open("w", encoding="utf-8") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    pointer.replace(index_dir / CURRENT)


def _tidy(generations: Path, keep: set[str]) -> None:
    """Delete all generations but those to keep: the current one and the one before.

    The one before may still be in use; what a killed build left goes too.
    """
    for folder in generations.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
