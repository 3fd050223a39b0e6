"""Whether every file of the index is sound, read through; and mending what is not.

The digests are the origin; what was read out of them and the vectors are kept by
content with checksums; all else is derived. So whatever is damaged is dropped and
made again from what is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rag.build import LIBRARY, VECTORS, Progress, build_index
from rag.cache import check_vectors
from rag.check import Finding
from rag.durable import sound
from rag.errors import DigestRagError, IndexDamaged, IndexFailure, ServiceDown
from rag.index import current_folder, where_vectors
from rag.library import Library
from rag.manifest import read_manifest, staleness
from rag.segment import SEGMENTS, check_segment
from rag.settings import Settings
from rag.types import Ledger
from rag.verify import verify

_REPAIR = "Run 'digest-rag doctor --repair'."


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the state of each part of the index, every file of it read through.

    Raises nothing that the product raises on purpose: that is what the findings say.
    """
    parts: dict[str, Callable[[], str]] = {
        "generation": partial(_generation, settings),
        "segments": partial(_segments, settings),
        "digests read": partial(_library, settings),
        "vectors kept": partial(_vectors, settings),
        "up to date": partial(_fresh, settings),
        "disk": partial(_disk, settings),
    }
    for part, look in parts.items():
        try:
            yield Finding(part, True, look())
        except DigestRagError as error:
            todo = _REPAIR if isinstance(error, IndexDamaged) else error.hint
            yield Finding(part, False, error.message, todo)


def repair(settings: Settings, progress: Progress | None = None) -> Ledger:
    """Make again what is damaged or missing, and bring the index up to date.

    What the digests still hold is read from them, what is sound is kept. Raises
    as `build_index` does.
    """
    settings.index_dir.mkdir(parents=True, exist_ok=True)
    with Library(settings.index_dir / LIBRARY) as library:
        library.check()
    check_vectors(settings.index_dir / VECTORS)
    try:
        _segments(settings)
        whole = False
    except ServiceDown:
        # What is only out of reach is not made anew.
        raise
    except IndexFailure:
        whole = True
    return build_index(settings=settings, progress=progress, whole=whole)


def _generation(settings: Settings) -> str:
    manifest = read_manifest(current_folder(settings))
    return (
        f"{manifest.generation}: {manifest.papers:,} papers in {manifest.passages:,} passages, "
        f"{len(manifest.segments)} segments."
    )


def _segments(settings: Settings) -> str:
    """Read every file of the segments, and ask each in a process of its own."""
    manifest = read_manifest(current_folder(settings))
    folders = [settings.index_dir / SEGMENTS / name for name in manifest.segments]
    for folder in folders:
        check_segment(folder, deep=True)
    verify(folders, where_vectors(settings))
    return f"{len(folders)} of {len(folders)} hold what they should."


def _library(settings: Settings) -> str:
    path = settings.index_dir / LIBRARY
    _existing(path)
    with Library(path) as library:
        bad = library.damaged()
    if bad:
        raise IndexDamaged(f"{len(bad)} digests were kept with errors in '{path.name}'.")
    return "All checksums fit."


def _vectors(settings: Settings) -> str:
    path = settings.index_dir / VECTORS
    _existing(path)
    total, bad = check_vectors(path, drop=False)
    if bad:
        raise IndexDamaged(f"{bad:,} of {total:,} vectors are damaged in '{path.name}'.")
    return f"{total:,} vectors, all checksums fit."


def _existing(path: Path) -> None:
    if not path.is_file():
        raise IndexDamaged(f"'{path.name}' is missing.")
    if not sound(path):
        raise IndexDamaged(f"'{path.name}' is damaged.")


def _fresh(settings: Settings) -> str:
    reason = staleness(read_manifest(current_folder(settings)), settings)
    if reason:
        raise IndexFailure(f"The index is out of date: {reason}.", "Run 'digest-rag index'.")
    return "The digests are those that were indexed."


def _disk(settings: Settings) -> str:
    current_folder(settings)
    used = sum(p.stat().st_size for p in settings.index_dir.rglob("*") if p.is_file())
    free = shutil.disk_usage(settings.index_dir).free
    if free < used:
        raise IndexFailure(
            f"Only {free / 1e6:,.0f} MB are free, and the index takes {used / 1e6:,.0f} MB.",
            "Make room: a build from scratch needs as much again as the index takes.",
        )
    return f"The index takes {used / 1e6:,.0f} MB; {free / 1e9:,.0f} GB are free."
