"""Keep the index up with folders of digests: what arrives is indexed once it is whole.

A digest that is still being written looks like any other. So the folders are
looked at until nothing in them, no size and no time of change, differs between
two looks some seconds apart. Events of the file system only make the next look
come sooner: network folders that send none are kept up with as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from rag.build import build_index
from rag.digests import named_files
from rag.errors import DigestError, DigestRagError, NoPapers
from rag.index import current_manifest, known_sources
from rag.manifest import staleness
from rag.settings import Settings
from rag.types import Ledger

# Seconds: how long the folders must stay as they are, and until what failed is tried again.
SETTLE, RETRY = 2.0, 30.0

_Look = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Update:
    """One update of the index: how many digests were new, changed and removed, and its ledger."""

    ledger: Ledger
    added: int
    changed: int
    removed: int
    seconds: float


Tell = Callable[[Update | DigestRagError], None]


def watch(
    paths: Sequence[Path | str] | None,
    *,
    settings: Settings,
    tell: Tell,
    stop: threading.Event,
    settle: float = SETTLE,
) -> None:
    """Update the index whenever the digests of `paths` have changed, until `stop` is set.

    `paths` are files or folders (default: the setting's, else those of the last
    build, else seeds/). `tell` is told of every update and of an error, once until
    it is another; what failed is tried again when the digests change, and every
    half minute unless no paper could be read. Raises `DigestError` at once for a
    path that does not exist.
    """
    given = tuple(Path(p).resolve() for p in paths) if paths else None
    wanted = given or known_sources(settings)
    named_files(wanted)
    state = _Watch(replace(settings, digests=wanted), tell, settle)
    for _ in _ticks(wanted, stop, settle):
        state.look()


@dataclass(slots=True)
class _Watch:
    """What was seen last and since when, what is dealt with, when to try again, what was told."""

    settings: Settings
    tell: Tell
    settle: float
    seen: _Look | None = None
    since: float = 0.0
    done: _Look | None = None
    retry_at: float = 0.0
    told: str = ""

    def look(self) -> None:
        """Look at the digests once, and update the index when they have settled."""
        now = monotonic()
        try:
            look = _sizes(self.settings.digests)
        except DigestError as error:
            # A folder that is gone may come back; till then what was indexed answers.
            self._tell(error)
            return
        if look != self.seen:
            self.seen, self.since, self.retry_at = look, now, 0.0
        elif look != self.done and now >= max(self.since + self.settle, self.retry_at):
            self._try_update(look)

    def _try_update(self, look: _Look) -> None:
        try:
            self._update()
        except NoPapers as error:
            # The same digests would fail again.
            self._tell(error)
        except DigestRagError as error:
            self._tell(error)
            self.retry_at = monotonic() + RETRY
            return
        else:
            self.told = ""
        self.done = look

    def _tell(self, error: DigestRagError) -> None:
        """Tell of an error, but not again and again of the same."""
        if str(error) != self.told:
            self.tell(error)
        self.told = str(error)

    def _update(self) -> None:
        before = current_manifest(self.settings)
        if before is not None and not staleness(before, self.settings):
            return
        start = monotonic()
        ledger = build_index(settings=self.settings)
        seconds = monotonic() - start
        old = before.digests if before else {}
        now = current_manifest(self.settings)
        new = now.digests if now else {}
        self.tell(
            Update(
                ledger,
                added=len(new.keys() - old.keys()),
                changed=sum(new[name] != old[name] for name in new.keys() & old.keys()),
                removed=len(old.keys() - new.keys()),
                seconds=seconds,
            )
        )


def _sizes(paths: Sequence[Path]) -> _Look:
    """Return the size and the time of change of every digest, by path."""
    look = {}
    for _, path in named_files(paths):
        # One that went between the two calls is missed next time.
        with suppress(FileNotFoundError):
            stat = path.stat()
            look[str(path)] = (stat.st_size, stat.st_mtime_ns)
    return look


def _ticks(paths: Sequence[Path], stop: threading.Event, pause: float) -> Iterator[None]:
    """Come back whenever something happens in `paths`, and after each pause."""
    from watchfiles import watch as changes

    pause_ms = max(1, int(pause * 1000))
    try:
        for _ in changes(
            *paths,
            watch_filter=None,
            stop_event=stop,
            debounce=pause_ms,
            rust_timeout=pause_ms,
            yield_on_timeout=True,
        ):
            yield
    except OSError:
        # More folders than the system lets one watch, or one of them went.
        while not stop.wait(pause):
            yield
