"""Digests are picked up as they arrive, whole files only, whatever goes wrong meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT, write_files
from digest_files import entry, titled
from filelock import FileLock

from rag import build
from rag import watch as watching
from rag.console import print_update
from rag.errors import DigestError, DigestRagError, NoPapers
from rag.index import open_index
from rag.layouts import Entry
from rag.settings import Settings
from rag.types import Failure, Filters, Ledger
from rag.watch import Update, watch

Tiny = Callable[..., Settings]
SETTLE = 2.0


def paper(number: int, words: str = "on nothing") -> Entry:
    return entry(f"2506.{number:05}", f"Paper {number} {words}")


@dataclass
class Folder:
    """A watched folder, the clock, and what happens tick by tick."""

    settings: Settings
    ticks: list[Callable[[], object] | float] = field(default_factory=list)
    told: list[Update | DigestRagError] = field(default_factory=list)
    clock: float = 1000.0

    @property
    def path(self) -> Path:
        return self.settings.digests[0]

    def put(self, name: str, text: str) -> Callable[[], object]:
        return lambda: write_files(self.path, {name: text})

    def play(self, _paths: Sequence[Path], _stop: threading.Event, _pause: float) -> Iterator[None]:
        """Do what is due or let seconds pass, then have the folder looked at."""
        for tick in self.ticks:
            if callable(tick):
                tick()
            else:
                self.clock += tick
            yield

    def run(self, *ticks: Callable[[], object] | float) -> list[Update | DigestRagError]:
        """Watch while the ticks go by, and return what was told meanwhile."""
        self.ticks, self.told = list(ticks), []
        watch(
            None,
            settings=self.settings,
            tell=self.told.append,
            stop=threading.Event(),
            settle=SETTLE,
        )
        return self.told

    def papers(self) -> set[str]:
        store = open_index(self.settings).store
        return {p.arxiv_id for p in store.papers(store.select(Filters()))}


@pytest.fixture
def folder(tiny_settings: Tiny, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = Folder(tiny_settings({"a.md": titled([paper(1)])}))
    monkeypatch.setattr(watching, "_ticks", folder.play)
    monkeypatch.setattr(watching, "monotonic", lambda: folder.clock)
    return folder


def counts(told: Sequence[Update | DigestRagError]) -> list[tuple[int, int, int]]:
    assert all(isinstance(update, Update) for update in told), told
    return [(u.added, u.changed, u.removed) for u in told if isinstance(u, Update)]


def test_what_is_there_is_indexed_once(folder: Folder) -> None:
    told = folder.run(0.0, SETTLE, SETTLE, SETTLE)
    assert counts(told) == [(1, 0, 0)]
    assert folder.papers() == {"2506.00001"}
    assert folder.run(0.0, SETTLE, SETTLE) == []


def test_new_changed_and_removed_digests_are_picked_up(folder: Folder) -> None:
    told = folder.run(
        *(0.0, SETTLE),
        *(folder.put("b.md", titled([paper(2)])), SETTLE),
        *(folder.put("a.md", titled([paper(1, "on light"), paper(3)])), SETTLE),
        *((folder.path / "b.md").unlink, SETTLE, SETTLE),
    )
    assert counts(told) == [(1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert folder.papers() == {"2506.00001", "2506.00003"}


def test_a_slowly_written_digest_waits_until_it_is_whole(folder: Folder) -> None:
    text = titled([paper(n) for n in range(2, 12)])
    step = len(text) // 9
    target = folder.path / "slow.md"

    def grow() -> None:
        with target.open("a", encoding="utf-8") as file:
            file.write(text[target.stat().st_size :][:step])

    writing = [tick for _ in range(10) for tick in (grow, SETTLE * 0.9)]
    told = folder.run(0.0, SETTLE, *writing, SETTLE * 0.2, SETTLE)
    assert counts(told) == [(1, 0, 0), (1, 0, 0)]
    assert target.read_text(encoding="utf-8") == text
    last = told[-1]
    assert isinstance(last, Update)
    assert (last.ledger.papers, last.ledger.failed) == (11, ())


def test_a_file_of_the_same_size_that_is_written_again_is_not_whole(folder: Folder) -> None:
    folder.run(0.0, SETTLE)
    first, second = titled([paper(1, "on heat")]), titled([paper(1, "on cold")])
    assert len(first) == len(second)
    told = folder.run(0.0, folder.put("a.md", first), 1.0, folder.put("a.md", second), 1.0)
    assert told == []
    assert counts(folder.run(0.0, SETTLE)) == [(0, 1, 0)]


@pytest.mark.parametrize("name", [".a.md.X7Gd2", "b.md.part", "b.md~", ".hidden/b.md", "b.tmp"])
def test_names_of_unfinished_files_are_passed_over(folder: Folder, name: str) -> None:
    told = folder.run(0.0, SETTLE, folder.put(name, titled([paper(2)])), SETTLE, SETTLE)
    assert counts(told) == [(1, 0, 0)]


def test_a_file_that_was_only_touched_makes_no_update(folder: Folder) -> None:
    told = folder.run(0.0, SETTLE, (folder.path / "a.md").touch, SETTLE, SETTLE)
    assert counts(told) == [(1, 0, 0)]


def test_a_bad_digest_is_told_in_the_ledger_and_the_rest_is_indexed(folder: Folder) -> None:
    told = folder.run(0.0, SETTLE, folder.put("bad.md", "no digest at all"), SETTLE, SETTLE)
    assert counts(told) == [(1, 0, 0), (1, 0, 0)]
    last = told[-1]
    assert isinstance(last, Update)
    assert len(last.ledger.failed) == 1
    assert folder.papers() == {"2506.00001"}


def test_nothing_readable_is_told_once_and_what_comes_is_indexed(folder: Folder) -> None:
    told = folder.run(
        *(folder.put("a.md", "no digest at all"), SETTLE, SETTLE, 99.0),
        *(folder.put("b.md", titled([paper(2)])), SETTLE),
    )
    assert isinstance(told[0], DigestError)
    assert counts(told[1:]) == [(2, 0, 0)]


def test_a_busy_index_is_told_and_tried_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_WAIT_FOR_BUILD", 0.01)
    folder.settings.index_dir.mkdir()
    other = FileLock(folder.settings.index_dir / "build.lock")
    other.acquire()
    told = folder.run(0.0, SETTLE, SETTLE, 99.0, 99.0, other.release, 99.0)
    assert "still building" in str(told[0])
    assert counts(told[1:]) == [(1, 0, 0)]


def test_a_folder_that_goes_and_comes_back(folder: Folder) -> None:
    away = folder.path.with_name("away")
    told = folder.run(
        *(0.0, SETTLE),
        *(lambda: folder.path.rename(away), SETTLE, SETTLE),
        *(lambda: away.rename(folder.path), SETTLE, folder.put("b.md", titled([paper(2)])), SETTLE),
    )
    assert isinstance(told[1], DigestError)
    assert counts([told[0], *told[2:]]) == [(1, 0, 0), (1, 0, 0)]


def test_a_path_that_does_not_exist_is_an_error_at_once(folder: Folder) -> None:
    with pytest.raises(DigestError, match="nowhere"):
        watch(
            [folder.path / "nowhere"],
            settings=folder.settings,
            tell=folder.told.append,
            stop=threading.Event(),
        )


@pytest.mark.parametrize("limit", [False, True])
def test_real_ticks_come_with_events_and_without(
    tiny_settings: Tiny, monkeypatch: pytest.MonkeyPatch, limit: bool
) -> None:
    """Also where the system has no events to give."""
    if limit:

        def refuse(*_: object, **__: object) -> Iterator[None]:
            raise OSError("OS file watch limit reached")

        monkeypatch.setattr("watchfiles.watch", refuse)
    settings = tiny_settings({"a.md": titled([paper(1)])})
    stop, told = threading.Event(), list[Update | DigestRagError]()

    def tell(update: Update | DigestRagError) -> None:
        told.append(update)
        if len(told) == 1:
            write_files(settings.digests[0], {"b.md": titled([paper(2)])})
        else:
            stop.set()

    watch(None, settings=settings, tell=tell, stop=stop, settle=0.1)
    assert counts(told) == [(1, 0, 0), (1, 0, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_tells_a_line_for_each_update_and_stops(
    tmp_path: Path, end: signal.Signals
) -> None:
    digests = tmp_path / "digests"
    write_files(digests, {"a.md": titled([paper(1)])})
    command = [sys.executable, "-m", "rag.cli", "watch", str(digests), "--settle", "1", "--json"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"RAG_INDEX": str(tmp_path / "index"), "PATH": "", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with this signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["added"] == 1
    text = titled([paper(n) for n in range(2, 9)])
    with (digests / "b.md").open("w", encoding="utf-8") as slow:
        for start in range(0, len(text), 200):
            slow.write(text[start : start + 200])
            slow.flush()
            time.sleep(0.2)
    update = json.loads(process.stdout.readline())
    assert (update["added"], update["ledger"]["papers"]) == (1, 8)
    process.send_signal(end)
    out, talk = process.communicate(timeout=60)
    assert out == ""
    assert "Stopped watching." in talk
    assert process.returncode == 0


def test_an_update_is_a_line_and_an_error_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(files=3, papers=40, embedded=7, failed=(Failure("x.md", 0, "no"),))
    print_update(Update(ledger, added=2, changed=0, removed=1, seconds=1.25), as_json=False)
    print_update(DigestRagError("It is so.", "Do this."), as_json=False)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    for part in ("2 new, 1 removed;", "40 papers from 3 digests", "1 failed", "7 texts", "1.2 s"):
        assert part in out
    assert err == "digest-rag: x.md: no.\ndigest-rag: It is so. Do this.\n"


def test_where_no_paper_could_be_read_each_file_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_update(NoPapers((Failure("x.md", 7, "no"),)), as_json=False)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "digest-rag: x.md, line 7: no."
    assert last.startswith("digest-rag: No paper could be read.")
