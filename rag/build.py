"""Build the index: what is new in a fresh segment, verified, then swapped in whole."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from rag.cache import encode_cached, known_sentences
from rag.calibrate import calibrated
from rag.digests import Parsed, account, named_files
from rag.durable import forget, held, write_whole
from rag.embed import Encoder, Vectors, load_encoder
from rag.errors import (
    IndexBusy,
    IndexDamaged,
    IndexFailure,
    IndexMissing,
    IndexStale,
    IndexUnwritable,
    NoPapers,
    ServiceDown,
    SettingError,
)
from rag.index import (
    CURRENT,
    GENERATIONS,
    READERS,
    Index,
    current_manifest,
    known_sources,
    open_index,
    where_vectors,
)
from rag.library import Library
from rag.manifest import Manifest, Stats, fingerprints, misfit, read_manifest, staleness
from rag.plan import Plan, plan_update, plan_whole
from rag.segment import SEGMENTS, check_segment, drop_segment, write_segment
from rag.sentences import Sentences
from rag.settings import Settings
from rag.types import Ledger
from rag.verify import verify

Progress = Callable[[str, int, int], None]

LIBRARY, VECTORS, _LOCK = "library.sqlite", "vectors.sqlite", "build.lock"
_NAME_FORMAT = "%Y%m%dT%H%M%S%f"
_WAIT_FOR_BUILD = 600.0
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


def build_index(
    paths: Sequence[Path | str] | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    whole: bool = False,
) -> Ledger:
    """Bring the index up to date with the digests, and make that the current one.

    `paths` are files or folders (default: the setting's, else those of the last
    build, else seeds/). `progress` is called with (stage, done, total). Only what
    is new or changed is written, unless `whole` is set or the index was made by
    another encoder or version; vectors of unchanged passages are taken from the
    cache in any case. Until the last step the old index answers, and it stays in
    place when anything fails.

    Raises `NoPapers` when no paper could be read, `DigestError` for a path that
    does not exist, `SettingError` when the index's folder can't be made,
    `IndexUnwritable` when it can't be written, `IndexBusy` when another build does
    not end in ten minutes, and `IndexDamaged` when `paths` are needed because the
    index no longer says what it was built from.
    """
    settings = settings or Settings.from_env()
    report = progress or (lambda stage, done, total: None)
    _make_folder(settings.index_dir)
    with _telling_of_the_disk(settings), _build_lock(settings, report):
        before = current_manifest(settings)
        given = tuple(Path(p).resolve() for p in paths) if paths else None
        wanted = given or known_sources(settings)
        report("reading", 0, 1)
        named = named_files(wanted)
        digests, stats = fingerprints(named, before)
        work = _Build(settings, wanted, named, digests, stats, report)
        return work.run(None if whole else before)


def ensure_index(settings: Settings, progress: Progress | None = None) -> Ledger | None:
    """Build the index if it is missing, stale or damaged; return the ledger if so.

    Unlike `open_index` it looks at the digests also when the index is open.
    """
    try:
        index = open_index(settings)
        _ = index.store, index.lexical, index.dense, index.encoder
        usable = not staleness(index.manifest, settings)
    except (IndexMissing, IndexStale, IndexDamaged):
        usable = False
    return None if usable else build_index(settings=settings, progress=progress)


@dataclass(frozen=True, slots=True)
class _Build:
    """One build: plan, write a segment, verify, swap, tidy up."""

    settings: Settings
    wanted: tuple[Path, ...]
    named: list[tuple[str, Path]]
    digests: dict[str, str]
    stats: Stats
    report: Progress

    def run(self, before: Manifest | None) -> Ledger:
        name = datetime.now(UTC).strftime(_NAME_FORMAT)
        segment = self.settings.index_dir / SEGMENTS / name
        folder = self.settings.index_dir / GENERATIONS / name
        encoder = load_encoder(self.settings)
        parsed, plan = self._plan(before, encoder)
        try:
            passages, embedded = self._write(segment, plan, encoder)
            manifest = self._manifest(name, plan, passages, parsed, encoder)
            folder.mkdir(parents=True)
            # In another process first: a damaged graph ends the one that opens it.
            self.report("verifying", 0, 1)
            verify([segment] if plan.papers else [], where_vectors(self.settings))
            self.report("verifying", 1, 1)
            known = before.calibration if before and plan.kept else {}
            found = calibrated(Index(folder, manifest, self.settings), known, self.report)
            manifest = replace(manifest, calibration=found)
            manifest.write(folder)
            last = current_manifest(self.settings)
            write_whole(self.settings.index_dir / CURRENT, name + "\n")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            drop_segment(segment, where_vectors(self.settings))
            raise
        tidy(self.settings, {name, last.generation if last else name})
        self._forget(last)
        return self._ledger(parsed, manifest, embedded)

    def _plan(self, before: Manifest | None, encoder: Encoder) -> tuple[dict[str, Parsed], Plan]:
        """Read what is new in the digests and say what to write; read all if damaged."""
        path = self.settings.index_dir / LIBRARY
        try:
            return self._plan_with(path, before, encoder)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            forget(path)
            return self._plan_with(path, None, encoder)

    def _plan_with(
        self, path: Path, before: Manifest | None, encoder: Encoder
    ) -> tuple[dict[str, Parsed], Plan]:
        with Library(path) as library:
            parsed = library.read(self.named, self.digests, partial(self.report, "reading"))
            if not any(p.count for p in parsed.values()):
                raise NoPapers(account(self.named, parsed, ()).failed)
            base = self._base(before, encoder)
            if base is None:
                return parsed, plan_whole(library, self.digests)
            return parsed, plan_update(base, library, self.digests)

    def _base(self, before: Manifest | None, encoder: Encoder) -> Index | None:
        """Return the generation to update, None when there is none that fits and is sound."""
        if before is None or before.encoder_fingerprint != encoder.fingerprint:
            return None
        if misfit(before, self.settings):
            return None
        folder = self.settings.index_dir / GENERATIONS / before.generation
        try:
            index = Index(folder, before, self.settings)
            for segment in index.segments:
                check_segment(segment.folder)
                _ = segment.nearest.count
            return index
        except ServiceDown:
            # What is only out of reach is not made anew.
            raise
        except IndexFailure:
            return None

    def _write(self, segment: Path, plan: Plan, encoder: Encoder) -> tuple[int, int]:
        """Write the new segment; return its passages and how many of them were encoded."""
        embedded = 0
        cache = self.settings.index_dir / VECTORS

        def encode(texts: Sequence[str]) -> tuple[Vectors, Iterator[Sentences]]:
            nonlocal embedded
            vectors, embedded = encode_cached(
                cache, encoder, texts, partial(self.report, "embedding")
            )
            return vectors, known_sentences(cache, encoder, texts)

        self.report("embedding", 0, 0)
        if not plan.papers:
            return 0, 0
        progress = partial(self.report, "writing")
        where = where_vectors(self.settings)
        return write_segment(segment, plan.papers, encode, progress, where), embedded

    def _manifest(
        self,
        name: str,
        plan: Plan,
        passages: int,
        parsed: Mapping[str, Parsed],
        encoder: Encoder,
    ) -> Manifest:
        return Manifest(
            generation=name,
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            sources=tuple(map(str, self.wanted)),
            digests=self.digests,
            encoder=self.settings.encoder,
            encoder_fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            truncate_dim=self.settings.truncate_dim,
            entries=sum(p.count for p in parsed.values()),
            papers=plan.kept_papers + len(plan.papers),
            passages=plan.kept_passages + passages,
            incomplete=sum(len(p.incomplete) for p in parsed.values()),
            failed=sum(len(p.failed) for p in parsed.values()),
            segments=(*plan.kept, *([name] if plan.papers else [])),
            dead=plan.dead,
            stats=self.stats,
            chroma=self.settings.chroma_url,
        )

    def _ledger(self, parsed: Mapping[str, Parsed], manifest: Manifest, embedded: int) -> Ledger:
        reading = account(self.named, parsed, ())
        return Ledger(
            files=len(reading.files),
            entries=reading.entries,
            papers=manifest.papers,
            passages=manifest.passages,
            embedded=embedded,
            incomplete=reading.incomplete,
            failed=reading.failed,
            generation=manifest.generation,
        )

    def _forget(self, last: Manifest | None) -> None:
        """Drop what was read from digests that are gone; of no consequence if it fails."""
        kept = [self.digests, last.digests if last else {}]
        with suppress(sqlite3.Error), Library(self.settings.index_dir / LIBRARY) as library:
            library.forget(kept)


def tidy(settings: Settings, keep: set[str]) -> None:
    """Delete what no generation in use needs: `keep`, and those that a reader has open.

    What a killed build left goes too.
    """
    generations = settings.index_dir / GENERATIONS
    for folder in generations.iterdir():
        if folder.name not in keep and not held(folder / READERS):
            shutil.rmtree(folder, ignore_errors=True)
    needed = set[str]()
    for folder in generations.iterdir():
        with suppress(IndexDamaged):
            needed.update(read_manifest(folder).segments)
    segments = settings.index_dir / SEGMENTS
    for folder in segments.iterdir() if segments.is_dir() else ():
        if folder.name not in needed:
            drop_segment(folder, where_vectors(settings))


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


@contextmanager
def _telling_of_the_disk(settings: Settings) -> Iterator[None]:
    """Turn a full or protected disk into a message."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise _unwritable(settings, error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        raise _unwritable(settings, str(error)) from error


def _unwritable(settings: Settings, reason: str) -> IndexUnwritable:
    return IndexUnwritable(
        f"The index in '{settings.index_dir}' can't be written ({reason}).",
        "What was indexed before still answers; make room or give the right to write, "
        "then run 'digest-rag index' again.",
    )


def _make_folder(index_dir: Path) -> None:
    try:
        index_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"The index folder '{index_dir}' can't be made ({error.strerror}).",
            "Set RAG_INDEX to a folder that you may write to.",
        ) from error
