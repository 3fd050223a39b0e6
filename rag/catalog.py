"""What the index holds, listed exactly, and its state."""

from __future__ import annotations

from datetime import date, datetime

from rag.arguments import check_filters
from rag.errors import IndexDamaged, IndexMissing
from rag.index import Index, current_folder, open_index
from rag.manifest import Manifest, read_manifest, staleness
from rag.settings import Settings
from rag.types import Filters, Paper, Status


def papers(*, filters: Filters | None = None, settings: Settings | None = None) -> list[Paper]:
    """Return the papers that `filters` allow (default: all), in the digests' order.

    Raises an `IndexFailure` when there is no usable index, `SettingError` for filters
    of the wrong type.
    """
    check_filters(filters)
    index = open_index(settings or Settings.from_env())
    ids = index.store.select(filters) if filters else None
    return index.store.papers(ids)


def status(*, settings: Settings | None = None) -> Status:
    """Return the index's state; never raises for a missing, stale or damaged one."""
    settings = settings or Settings.from_env()
    try:
        folder = current_folder(settings)
        manifest = read_manifest(folder)
        index = Index(folder, manifest, settings)
        try:
            return _status(manifest, index, staleness(manifest, settings))
        finally:
            index.store.close()
    except (IndexMissing, IndexDamaged) as error:
        return Status(problem=str(error))


def _status(manifest: Manifest, index: Index, reason: str) -> Status:
    store = index.store
    return Status(
        usable=True,
        problem=f"The index is out of date: {reason}." if reason else "",
        generation=manifest.generation,
        built=datetime.fromisoformat(manifest.built),
        encoder=manifest.encoder,
        sources=manifest.sources,
        entries=manifest.entries,
        papers=manifest.papers,
        passages=manifest.passages,
        incomplete=manifest.incomplete,
        failed=manifest.failed,
        digests=store.tally("digest"),
        days={date.fromisoformat(day): n for day, n in store.tally("day").items()},
        categories=store.tally("category"),
        announce=store.tally("announce"),
    )
