"""An index that grew is the index that a build from scratch would make."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WordEncoder
from digest_files import entry, titled
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from rag.build import build_index
from rag.catalog import papers
from rag.index import Index, open_index
from rag.plan import _kept
from rag.search import search
from rag.settings import Settings
from rag.types import Filters

Tiny = Callable[..., Settings]
WORDS = "cat dog fish mat fog dish 猫 狗 鱼 model SafeDPO".split()


def digest(numbers: list[int], word: str) -> str:
    entries = [
        entry(f"2501.{n:05}", f"{WORDS[n]} and {word}", abstract=f"On {word} {WORDS[n]}.")
        for n in numbers
    ]
    return titled(entries)


DIGESTS = st.dictionaries(
    st.sampled_from(["a.md", "b.md", "c/a.md"]),
    st.builds(digest, st.lists(st.integers(0, 9), min_size=1, max_size=4), st.sampled_from(WORDS)),
    min_size=1,
)


def everything(settings: Settings) -> dict[str, object]:
    """What can be seen of an index."""
    index = open_index(settings)
    found = {
        word: [(h.paper.arxiv_id, h.passage.id, round(h.score, 5)) for h in hits]
        for word in WORDS
        for hits in (search(word, top_k=20, settings=settings),)
    }
    tallies = {c: index.store.tally(c) for c in ("category", "digest", "day", "announce")}
    counts = index.manifest.papers, index.manifest.passages, index.manifest.entries
    assert index.store.paper_count == index.manifest.papers
    assert index.lexical.live_rows == index.manifest.passages
    return {"papers": papers(settings=settings), "found": found, "tallies": tallies, "n": counts}


@pytest.mark.slow
@limits(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DIGESTS, min_size=2, max_size=4))
def test_an_updated_index_equals_a_rebuilt_one(
    word_encoder: WordEncoder,
    tmp_path_factory: pytest.TempPathFactory,
    states: list[dict[str, str]],
) -> None:
    folder = tmp_path_factory.mktemp("grown")
    settings = Settings(digests=(folder / "digests",), index_dir=folder / "index")
    for files in states:
        write_only(folder / "digests", files)
        build_index(settings=settings)
    grown = everything(settings)
    afresh = replace(settings, index_dir=folder / "afresh")
    build_index(settings=afresh)
    assert grown == everything(afresh)


def write_only(folder: Path, files: dict[str, str]) -> None:
    for old in folder.rglob("*.md"):
        old.unlink()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


MANY = [entry(f"2502.{n:05}", f"Paper number {n}") for n in range(40)]


def segments(settings: Settings) -> list[int]:
    return [segment.papers for segment in open_index(settings).segments]


class TestUpdates:
    def test_a_new_digest_makes_a_small_segment(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        before = open_index(settings).manifest.segments
        tiny_settings({"b.md": titled([entry("2501.00001", "Cats")])})
        build_index(settings=settings)
        assert segments(settings) == [40, 1]
        assert open_index(settings).manifest.segments[:1] == before
        assert search("cats", settings=settings)[0].paper.arxiv_id == "2501.00001"

    def test_nothing_new_writes_no_segment(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        before = open_index(settings).manifest
        build_index(settings=settings)
        assert open_index(settings).manifest.segments == before.segments
        assert open_index(settings).manifest.generation != before.generation

    def test_a_shared_segment_is_opened_once(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        before = open_index(settings)
        build_index(settings=settings)
        assert open_index(settings).segments[0] is before.segments[0]

    def test_a_build_from_scratch_may_be_asked_for(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        tiny_settings({"b.md": titled([entry("2501.00001", "Cats")])})
        build_index(settings=settings, whole=True)
        assert segments(settings) == [41]

    def test_only_what_changed_is_read(
        self, tiny_settings: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from rag import library

        read: list[str] = []
        parse = library.parse
        monkeypatch.setattr(library, "parse", lambda path: read.append(path.name) or parse(path))
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        tiny_settings({"b.md": titled([entry("2501.00001", "Cats")])})
        build_index(settings=settings)
        build_index(settings=settings, whole=True)
        assert read == ["a.md", "b.md"]

    def test_a_paper_that_comes_again_is_superseded(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        again = replace(MANY[3], version=2, title="Quite another title")
        tiny_settings({"b.md": titled([again])})
        build_index(settings=settings)
        index = open_index(settings)
        assert segments(settings) == [40, 1]
        assert index.manifest.dead == {index.manifest.segments[0]: [3]}
        (hit,) = search("2502.00003", top_k=1, settings=settings)
        assert hit.paper.title == "Quite another title"
        assert hit.paper.digests == ("a", "b")
        assert search("Paper number 3", top_k=50, settings=settings)[0].paper.title != MANY[3].title

    def test_a_removed_digest_takes_its_papers_along(self, tiny_settings: Tiny) -> None:
        settings = tiny_settings({"a.md": titled(MANY), "b.md": titled([entry("2501.00001")])})
        build_index(settings=settings)
        (settings.digests[0] / "b.md").unlink()
        build_index(settings=settings)
        assert [p.arxiv_id for p in papers(settings=settings)] == [e.arxiv_id for e in MANY]
        assert papers(filters=Filters(digests=("b",)), settings=settings) == []

    def test_another_encoder_encodes_anew_and_going_back_finds_the_old_vectors(
        self, tiny_settings: Tiny, word_encoder: WordEncoder
    ) -> None:
        settings = tiny_settings({"a.md": titled(MANY)})
        build_index(settings=settings)
        word_encoder.fingerprint = "words-2"
        assert build_index(settings=settings).embedded == 40
        word_encoder.fingerprint = "words-1"
        assert build_index(settings=settings).embedded == 0
        assert isinstance(open_index(settings), Index)


@pytest.mark.parametrize(
    ("live", "sizes", "fresh", "kept"),
    [
        ([80_000], [80_000], 150, 1),
        ([80_000, 150], [80_000, 150], 150, 1),
        ([80_000, 450], [80_000, 450], 150, 2),
        ([80_000, 450, 150], [80_000, 450, 150], 150, 1),
        ([80_000], [80_000], 40_000, 0),
        ([30_000], [80_000], 1, 0),
        ([80_000, 10], [80_000, 80], 0, 1),
        ([80_000, 450], [80_000, 450], 0, 2),
        ([3**n for n in range(12, 4, -1)], [3**n for n in range(12, 4, -1)], 1, 7),
        ([], [], 5, 0),
    ],
)
def test_small_segments_are_merged(
    live: list[int], sizes: list[int], fresh: int, kept: int
) -> None:
    assert _kept(live, sizes, fresh) == kept


def test_the_number_of_segments_grows_with_the_logarithm() -> None:
    live: list[int] = []
    rewritten = 0
    for _ in range(2000):
        keep = _kept(live, live, 150)
        rewritten += sum(live[keep:]) + 150
        live = [*live[:keep], sum(live[keep:]) + 150]
        assert len(live) <= 9
    assert sum(live) == 2000 * 150
    assert rewritten < 12 * sum(live)
