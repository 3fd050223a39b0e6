import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WordEncoder, write_files
from digest_files import entry, sections, titled

from rag import build, index
from rag.build import build_index, ensure_index
from rag.errors import (
    DigestError,
    IndexBusy,
    IndexDamaged,
    IndexMissing,
    IndexStale,
    NoPapers,
    SettingError,
)
from rag.index import current_folder, current_manifest, open_index
from rag.search import search
from rag.settings import Settings
from rag.types import Failure

Tiny = Callable[..., Settings]

ONE = titled([entry("2501.00001", "Cats on mats"), entry("2501.00002", "Dogs in fog")])
TWO = titled([entry("2501.00003", "Fish in dishes")])


def first(question: str, settings: Settings) -> str:
    return search(question, settings=settings)[0].paper.arxiv_id


def generations(settings: Settings) -> set[str]:
    return {p.name for p in (settings.index_dir / "generations").iterdir()}


class TestBuild:
    def test_the_ledger_accounts_for_everything(self, tiny_settings: Tiny) -> None:
        no_id = entry(None, "Nameless", authors=("A",), category="cs.AI", parts=(("tldr", "短。"),))
        settings = tiny_settings(
            {"a.md": ONE, "b.md": ONE, "c.md": b"", "d.md": sections([no_id, entry("2501.00001")])}
        )
        ledger = build_index(settings=settings)
        folder = settings.digests[0]
        assert (ledger.files, ledger.entries, ledger.papers, ledger.merged) == (3, 5, 2, 3)
        assert (ledger.passages, ledger.embedded) == (2, 2)
        assert {i.missing for i in ledger.incomplete if i.digest == "a"} == {("translation",)}
        assert [(Path(f.path).name, f.line > 0) for f in ledger.failed] == [
            ("c.md", False),
            ("d.md", True),
        ]
        assert ledger.failed[0] == Failure(str(folder / "c.md"), 0, "it is empty")
        assert ledger.generation == current_folder(settings).name

    def test_what_was_built_answers(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        assert first("a cat", settings) == "2501.00001"
        assert first("dogs", settings) == "2501.00002"

    def test_the_manifest_says_what_it_was_built_from(
        self, tiny_settings: Tiny, word_encoder: WordEncoder
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        ledger = build_index(settings=settings)
        manifest = current_manifest(settings)
        assert manifest is not None
        assert manifest.generation == ledger.generation
        assert (manifest.entries, manifest.papers, manifest.passages) == (2, 2, 2)
        assert (manifest.encoder_fingerprint, manifest.dimension) == ("words-1", 64)
        assert manifest.sources == (str(settings.digests[0]),)

    def test_stages_are_reported_from_start_to_end(self, tiny_settings: Tiny) -> None:
        seen: list[tuple[str, int, int]] = []
        build_index(settings=tiny_settings({"a.md": ONE}), progress=lambda *s: seen.append(s))
        stages = list(dict.fromkeys(stage for stage, _, _ in seen))
        assert stages == ["reading", "embedding", "writing", "verifying", "calibrating"]
        assert all(0 <= done <= total for _, done, total in seen)
        for stage in stages[1:]:
            done, total = [s[1:] for s in seen if s[0] == stage][-1]
            assert done == total

    def test_paths_may_be_named_and_are_remembered(
        self, tiny_settings: Tiny, tmp_path: Path
    ) -> None:
        settings = replace(tiny_settings({"a.md": ONE}), digests=())
        write_files(tmp_path / "other", {"b.md": TWO})
        build_index([str(tmp_path / "other" / "b.md")], settings=settings)
        assert first("cat", settings) == "2501.00003"
        write_files(tmp_path / "other", {"b.md": TWO + ONE.split("\n", 1)[1]})
        build_index(settings=settings)
        assert first("cat", settings) == "2501.00001"

    def test_only_new_passages_are_encoded(
        self, tiny_settings: Tiny, word_encoder: WordEncoder
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        assert build_index(settings=settings).embedded == 2
        tiny_settings({"b.md": TWO})
        assert build_index(settings=settings).embedded == 1
        assert word_encoder.encoded[2:] == ["Fish in dishes\nAbout Fish in dishes."]

    def test_a_paper_without_a_single_word_is_indexed(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled([entry(title="…", abstract="?!")])})
        assert build_index(settings=settings).papers == 1
        assert first("anything", settings) == "2501.00001"

    def test_an_index_folder_that_can_not_be_made_is_a_message(
        self, tiny_settings: Tiny, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        settings = tiny_settings({"a.md": ONE}, index_dir=tmp_path / "file")
        with pytest.raises(SettingError, match="RAG_INDEX"):
            build_index(settings=settings)


class TestSources:
    """Which digests are read when none are named."""

    def test_the_last_ones_are_known_from_an_older_generation(
        self, tiny_settings: Tiny, tmp_path: Path
    ) -> None:
        settings = replace(tiny_settings({"a.md": ONE}), digests=())
        build_index([tmp_path / "digests"], settings=settings)
        tiny_settings({"a.md": TWO})
        build_index(settings=settings)
        (current_folder(settings) / "manifest.json").unlink()
        assert build_index(settings=settings).papers == 1
        assert first("cat", settings) == "2501.00003"

    def test_a_damaged_index_is_not_replaced_by_the_seeds(
        self, tiny_settings: Tiny, tmp_path: Path
    ) -> None:
        settings = replace(tiny_settings({"a.md": ONE}), digests=())
        build_index([tmp_path / "digests"], settings=settings)
        (current_folder(settings) / "manifest.json").write_text("{}")
        for build_again in (build_index, ensure_index):
            with pytest.raises(IndexDamaged, match="digest-rag index FOLDER"):
                build_again(settings=settings)
        assert build_index([tmp_path / "digests"], settings=settings).papers == 2
        assert first("a cat", settings) == "2501.00001"


class TestSwap:
    def test_a_rebuild_replaces_the_answers(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        old = open_index(settings)
        tiny_settings({"a.md": TWO})
        build_index(settings=settings)
        assert first("cat", settings) == "2501.00003"
        # Whoever holds the old generation may go on reading it.
        assert old.store.paper_count == 2
        assert len(old.dense.near(old.encode(["dogs"])[0], 9)[0]) == 2
        assert old.segments[0].nearest.count == 2

    def test_the_previous_generation_is_kept_and_older_ones_go(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        names = [build_index(settings=settings).generation for _ in range(4)]
        assert generations(settings) == set(names[-2:])

    def test_what_a_killed_build_left_is_removed_not_kept(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        names = [build_index(settings=settings).generation]
        left = settings.index_dir / "generations" / "20991231T235959000000"
        left.mkdir()
        names.append(build_index(settings=settings).generation)
        assert generations(settings) == set(names)

    def test_a_generation_is_opened_once_per_process(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        opened = open_index(settings)
        assert open_index(replace(settings)) is opened
        build_index(settings=settings)
        assert open_index(settings) is not opened
        held = [key for key in index._open if key[0].is_relative_to(settings.index_dir)]
        assert len(held) == 1


class TestFailures:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "stage", ["reading", "embedding", "writing", "verifying", "calibrating"]
    )
    @pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
    def test_an_interrupted_build_leaves_the_old_index_answering(
        self, tiny_settings: Tiny, stage: str, error: type[BaseException]
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        name = build_index(settings=settings).generation
        tiny_settings({"a.md": TWO})

        def interrupt(seen: str, done: int, total: int) -> None:
            if seen == stage:
                raise error

        with pytest.raises(error):
            build_index(settings=settings, progress=interrupt)
        assert generations(settings) == {name}
        tiny_settings({"a.md": ONE})
        assert first("cat", settings) == "2501.00001"
        tiny_settings({"a.md": TWO})
        build_index(settings=settings)
        assert first("cat", settings) == "2501.00003"

    def test_nothing_readable_keeps_the_old_index(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        tiny_settings({"a.md": b"\0"})
        with pytest.raises(NoPapers) as raised:
            build_index(settings=settings)
        assert [f.reason for f in raised.value.failed] == ["it is a binary file, not text"]
        tiny_settings({"a.md": ONE})
        assert first("cat", settings) == "2501.00001"

    def test_an_empty_folder_holds_no_papers(self, tiny_settings: Tiny, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(NoPapers):
            build_index([tmp_path / "empty"], settings=tiny_settings({}))

    def test_a_path_that_does_not_exist_keeps_the_old_index(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        with pytest.raises(DigestError, match="nowhere"):
            build_index(["nowhere"], settings=settings)
        assert first("cat", settings) == "2501.00001"

    def test_no_index_says_what_to_run(self, tiny_settings: Tiny) -> None:
        with pytest.raises(IndexMissing, match="Run 'digest-rag index'"):
            open_index(tiny_settings({"a.md": ONE}))

    def test_a_stale_index_says_why_and_what_to_run(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        tiny_settings({"b.md": TWO})
        with pytest.raises(IndexStale, match=r"have changed \(1 new\)\. Run 'digest-rag index'"):
            open_index(settings)

    def test_another_model_under_the_same_name_is_stale(
        self, tiny_settings: Tiny, word_encoder: WordEncoder
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        word_encoder.fingerprint = "words-2"
        with pytest.raises(IndexStale, match="encoder 'words' is not the one it was built with"):
            search("cat", settings=settings)
        assert ensure_index(settings) is not None
        assert first("cat", settings) == "2501.00001"


class TestEnsure:
    def test_builds_when_missing_or_stale_and_only_then(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        assert ensure_index(settings) is not None
        assert ensure_index(settings) is None
        tiny_settings({"b.md": TWO})
        ledger = ensure_index(settings)
        assert ledger is not None
        assert ledger.papers == 3

    def test_no_digests_and_no_index_is_told(self, tiny_settings: Tiny) -> None:
        with pytest.raises(NoPapers):
            ensure_index(tiny_settings({"a.txt": "nothing"}))


POINTERS = [
    *(b"", b"\n", b".", b"..", b"../generations", b"/etc", b"20990101T000000000000"),
    *(b"x" * 5000, b"\xff\xfe\xff", b"a\0b", "２".encode() * 8),
]


@pytest.mark.slow
@pytest.mark.parametrize("content", POINTERS)
def test_rubbish_in_the_pointer_is_damage_and_is_mended(
    tiny_settings: Tiny, content: bytes
) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    shutil.copy(current_folder(settings) / "manifest.json", settings.index_dir)
    (settings.index_dir / "CURRENT").write_bytes(content)
    with pytest.raises(IndexDamaged, match="Run 'digest-rag index'"):
        open_index(settings)
    assert current_manifest(settings) is None
    assert ensure_index(settings) is not None
    assert first("cat", settings) == "2501.00001"


def test_a_folder_in_place_of_the_pointer_is_damage(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    (settings.index_dir / "CURRENT").mkdir(parents=True)
    with pytest.raises(IndexDamaged, match="'CURRENT' is missing or damaged"):
        open_index(settings)


PARTS = [
    *(
        "papers.sqlite",
        "ids.npy",
        "appearances.npy",
        "codes.json",
        "first_row.npy",
        "author_first.npy",
    ),
    *("spans.npy", "tellings.npy", "telling_scale.npy", "telling_paper.npy", "segment.json"),
    *("chroma", "chroma/chroma.sqlite3", "postings", "postings/rows.npy", "manifest.json"),
]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("damage", ["missing", "empty", "rubbish", "flipped"])
def test_a_damaged_part_is_named_and_mended(
    tiny_settings: Tiny, tmp_path: Path, part: str, damage: str
) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    # A copy, as of a disk that lost something: this process holds the original open.
    settings = replace(settings, index_dir=tmp_path / "copy")
    shutil.copytree(tmp_path / "index", settings.index_dir)
    (segment,) = (settings.index_dir / "segments").iterdir()
    path = (current_folder(settings) if part == "manifest.json" else segment) / part
    if path.is_dir():
        shutil.rmtree(path)
        if damage != "missing":
            path.write_bytes(b"rubbish" if damage == "rubbish" else b"")
    elif damage == "missing":
        path.unlink()
    elif damage == "flipped":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    else:
        path.write_bytes(b"rubbish" * 999 if damage == "rubbish" else b"")
    with pytest.raises(IndexDamaged, match=r"missing or damaged\. Run 'digest-rag index'"):
        search("cat", settings=settings)
    assert ensure_index(settings) is not None
    assert first("cat", settings) == "2501.00001"


def test_a_copied_index_answers_though_its_files_have_other_times(
    tiny_settings: Tiny, tmp_path: Path
) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    settings = replace(settings, index_dir=tmp_path / "copy")
    shutil.copytree(tmp_path / "index", settings.index_dir, copy_function=shutil.copyfile)
    assert first("cat", settings) == "2501.00001"


def test_an_index_that_can_not_be_written_is_read(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    for path in settings.index_dir.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    settings.index_dir.chmod(0o555)
    assert first("cat", settings) == "2501.00001"


def test_a_damaged_vector_cache_does_not_stop_a_build(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    (settings.index_dir / "vectors.sqlite").write_bytes(b"rubbish" * 999)
    assert build_index(settings=settings, whole=True).embedded == 2
    assert first("cat", settings) == "2501.00001"


class TestTwoAtOnce:
    def test_the_second_build_waits_for_the_first(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": ONE})
        entered, go_on = threading.Event(), threading.Event()

        def hold(stage: str, done: int, total: int) -> None:
            if stage == "verifying":
                entered.set()
                assert go_on.wait(30)

        def told(stage: str, done: int, total: int) -> None:
            stages.append(stage)
            if stage == "waiting for another build":
                go_on.set()

        stages: list[str] = []
        one = threading.Thread(target=build_index, kwargs={"settings": settings, "progress": hold})
        one.start()
        assert entered.wait(30)
        second = build_index(settings=settings, progress=told)
        one.join(30)
        assert stages[:2] == ["waiting for another build", "reading"]
        assert second.embedded == 0
        assert current_folder(settings).name == second.generation
        assert first("cat", settings) == "2501.00001"

    def test_a_build_that_does_not_end_is_told(
        self, tiny_settings: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        monkeypatch.setattr(build, "_WAIT_FOR_BUILD", 0.05)
        with (
            build._build_lock(settings, lambda *_: None),
            pytest.raises(IndexBusy, match="still building"),
        ):
            build_index(settings=settings)
        assert build_index(settings=settings).papers == 2

    def test_readers_always_find_one_whole_index_while_it_is_rebuilt(
        self, tiny_settings: Tiny
    ) -> None:
        settings = tiny_settings({"a.md": ONE})
        build_index(settings=settings)
        stop = threading.Event()
        found: list[str] = []
        errors: list[BaseException] = []

        def ask() -> None:
            while not stop.is_set():
                try:
                    found.append(first("cat", settings))
                except BaseException as error:
                    errors.append(error)
                    return

        readers = [threading.Thread(target=ask) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(4):
            build_index(settings=settings)
        stop.set()
        for reader in readers:
            reader.join(30)
        assert errors == []
        assert set(found) == {"2501.00001"}


def _build_forever(settings: Settings, started: str) -> None:
    build.load_encoder = index.load_encoder = lambda _: WordEncoder()

    def hold(stage: str, done: int, total: int) -> None:
        if stage == "verifying":
            Path(started).touch()
            time.sleep(60)

    build_index(settings=settings, progress=hold)


def test_a_killed_build_leaves_the_old_index_and_no_lock(
    tiny_settings: Tiny, tmp_path: Path
) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    started = tmp_path / "started"
    process = multiprocessing.get_context("spawn").Process(
        target=_build_forever, args=(settings, str(started))
    )
    process.start()
    deadline = time.monotonic() + 60
    while not started.exists():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(generations(settings)) == 2
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    assert first("cat", settings) == "2501.00001"
    name = build_index(settings=settings).generation
    assert name in generations(settings)
    assert len(generations(settings)) == 2
