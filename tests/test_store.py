import itertools
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import IndexDamaged
from rag.papers import author_key, decode_paper, encode_paper, write_papers
from rag.passages import all_passages
from rag.store import PaperStore
from rag.types import Announce, Appearance, Filters, Paper, Part, Rendition

# SQLite holds any text but lone surrogates, which cleaning removes.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
APPEARANCES = st.builds(
    Appearance,
    digest=TEXT,
    position=st.integers(1, 9),
    line=st.integers(1, 99),
    category=st.none() | TEXT,
    date=st.none() | st.dates(),
    announce=st.none() | st.sampled_from(get_args(Announce)),
    version=st.none() | st.integers(1, 9),
    raw=TEXT,
)
RENDITIONS = st.builds(
    Rendition, st.sampled_from(get_args(Part)), st.sampled_from(["en", "zh"]), TEXT, TEXT
)
PAPERS = st.builds(
    Paper,
    arxiv_id=st.from_regex(r"[0-9]{4}\.[0-9]{5}", fullmatch=True),
    title=TEXT,
    abstract=TEXT,
    authors=st.lists(TEXT, max_size=3).map(tuple),
    categories=st.lists(TEXT, max_size=3).map(tuple),
    appearances=st.lists(APPEARANCES, max_size=3).map(tuple),
    renditions=st.lists(RENDITIONS, max_size=3).map(tuple),
)


@given(PAPERS)
def test_a_paper_survives_json(paper: Paper) -> None:
    assert decode_paper(encode_paper(paper)) == paper


@given(st.lists(PAPERS, max_size=4, unique_by=lambda p: p.arxiv_id))
def test_papers_and_passages_survive_the_file(
    tmp_path_factory: pytest.TempPathFactory, papers: list[Paper]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = written(folder, papers)
    assert sorted(map(encode_paper, store.papers())) == sorted(map(encode_paper, papers))
    assert [store.paper(p.arxiv_id) for p in papers] == papers
    assert store.paper_count == store.size == len(papers)
    numbers = [store.number(p.arxiv_id) for p in papers]
    assert numbers == list(range(len(papers)))
    assert store.ids(range(len(papers))) == {n: p.arxiv_id for n, p in enumerate(papers)}
    for paper in papers:
        assert list(store.passages_of(paper.arxiv_id)) == all_passages([paper])
    store.close()


def written(folder: Path, papers: list[Paper]) -> PaperStore:
    folder.mkdir(exist_ok=True)
    write_papers(folder, papers)
    return PaperStore([folder], digests=["000_a", "004_b", "005_c"])


def paper(arxiv_id: str, *seen: Appearance, authors: tuple[str, ...] = ()) -> Paper:
    return Paper(arxiv_id, f"Title {arxiv_id}", "Abstract.", authors=authors, appearances=seen)


def seen(digest: str, **fields: object) -> Appearance:
    return Appearance(digest, next(_positions), 1, **fields)  # type: ignore[arg-type]


_positions = itertools.count(1)
ONE, TWO, THREE, FOUR = "2501.00001", "2501.00002", "2501.00003", "2501.00004"
SHELF = [
    paper(ONE, seen("000_a", category="cs.AI"), authors=("José Álvarez", "Wei Zhang")),
    paper(
        TWO,
        seen("000_a", category="cs.LG"),
        seen("004_b", date=date(2025, 6, 9), announce="new"),
        authors=("Zhang, Wei-Lin", "Łukasz Or"),
    ),
    paper(
        THREE,
        seen("004_b", date=date(2025, 6, 9), announce="cross"),
        seen("005_c", date=date(2025, 6, 10), announce="replace"),
    ),
    paper(FOUR, seen("005_c", date=date(2025, 6, 10), announce="replace-cross", category="cs.AI")),
]


def in_segments(folder: Path) -> PaperStore:
    """The shelf as an index that grew: a first copy of TWO and one of FOUR are superseded."""
    old_two, gone = paper(TWO, seen("000_a"), authors=("Han Or",)), paper("2501.00009", seen("x"))
    parts = [[SHELF[0], old_two, gone], [SHELF[2]], [SHELF[3], SHELF[1]]]
    for n, papers in enumerate(parts):
        (folder / str(n)).mkdir(parents=True)
        write_papers(folder / str(n), papers)
    return PaperStore(
        [folder / str(n) for n in range(3)], [[1, 2], [], []], ["000_a", "004_b", "005_c"]
    )


@pytest.fixture(params=["one segment", "several segments"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PaperStore:
    make = written if request.param == "one segment" else in_segments
    return make(tmp_path / "store") if make is in_segments else written(tmp_path / "store", SHELF)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [ONE, TWO, THREE, FOUR]),
        # each alone
        (Filters(categories=("cs.AI",)), [ONE, FOUR]),
        (Filters(categories=("CS.lg",)), [TWO]),
        (Filters(categories=("cs.AI", "cs.LG")), [ONE, TWO, FOUR]),
        (Filters(categories=("cs",)), []),
        (Filters(authors=("zhang",)), [ONE, TWO]),
        (Filters(authors=("wei zhang",)), [ONE]),
        (Filters(authors=("jose alvarez",)), [ONE]),
        (Filters(authors=("JOSÉ ÁLVAREZ",)), [ONE]),
        (Filters(authors=("lukasz",)), [TWO]),
        (Filters(authors=("wei-lin",)), [TWO]),
        (Filters(authors=("han",)), []),
        (Filters(authors=("or",)), [TWO]),
        (Filters(authors=("jose", "lukasz")), [ONE, TWO]),
        (Filters(authors=("%",)), []),
        (Filters(since=date(2025, 6, 9)), [TWO, THREE, FOUR]),
        (Filters(since=date(2025, 6, 10)), [THREE, FOUR]),
        (Filters(until=date(2025, 6, 9)), [TWO, THREE]),
        (Filters(since=date(2025, 6, 11)), []),
        (Filters(since=date(2025, 6, 9), until=date(2025, 6, 9)), [TWO, THREE]),
        (Filters(since=date(2025, 6, 10), until=date(2025, 6, 9)), []),
        (Filters(digests=("004_b",)), [TWO, THREE]),
        (Filters(digests=("00",)), [ONE, TWO, THREE, FOUR]),
        (Filters(digests=("004", "005")), [TWO, THREE, FOUR]),
        (Filters(digests=("004_b.txt",)), [TWO, THREE]),
        (Filters(digests=("4_b",)), []),
        (Filters(digests=("%",)), []),
        (Filters(announce=("new",)), [TWO]),
        (Filters(announce=("replace",)), [THREE]),
        (Filters(announce=("new", "replace-cross")), [TWO, FOUR]),
        (Filters(arxiv_ids=(THREE,)), [THREE]),
        (Filters(arxiv_ids=(THREE + "v2", "arXiv:" + ONE)), [ONE, THREE]),
        (Filters(arxiv_ids=("9999.99999",)), []),
        # combined: all must hold, those on an appearance for the same one
        (Filters(categories=("cs.AI",), since=date(2025, 6, 9)), [FOUR]),
        (Filters(categories=("cs.LG",), announce=("new",)), []),
        (Filters(announce=("cross",), since=date(2025, 6, 10)), []),
        (Filters(authors=("zhang",), announce=("new",)), [TWO]),
        (Filters(authors=("zhang",), arxiv_ids=(ONE,), digests=("000",)), [ONE]),
        (Filters(digests=("004",), announce=("cross",), until=date(2025, 6, 9)), [THREE]),
        # hostile values are data
        (Filters(categories=("' OR 1=1 --",), authors=("\udcff",)), []),
        (Filters(categories=("\udcff",)), []),
        (Filters(digests=("\udcff",), arxiv_ids=("\udcff",)), []),
    ],
)
def test_filters(store: PaperStore, filters: Filters, expected: list[str]) -> None:
    assert store.select(filters) == expected


def test_many_ids_are_no_problem(store: PaperStore) -> None:
    many = tuple(f"{n:04}.{m:05}" for n in range(1, 41) for m in range(1000))
    assert store.select(Filters(arxiv_ids=(*many, TWO))) == [TWO]


def test_tallies_count_papers_not_appearances(store: PaperStore) -> None:
    assert store.tally("category") == {"cs.AI": 2, "cs.LG": 1}
    assert store.tally("digest") == {"000_a": 2, "004_b": 2, "005_c": 2}
    assert store.tally("day") == {"2025-06-09": 2, "2025-06-10": 2}
    assert store.tally("announce") == {"cross": 1, "new": 1, "replace": 1, "replace-cross": 1}


def test_an_unknown_paper_is_none_and_left_out(store: PaperStore) -> None:
    assert store.paper("9999.99999") is None
    assert store.passages_of("9999.99999") == ()
    assert [p.arxiv_id for p in store.papers(["9999.99999", TWO, ONE])] == [TWO, ONE]
    assert store.number("9999.99999") is None
    assert store.ids([]) == {}
    assert store.allowed(Filters(arxiv_ids=("9999.99999",))).sum() == 0


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("José  Álvarez", "jose alvarez"),
        ("O'Neill, Shaun-Paul", "o neill shaun paul"),
        ("K. L. Or", "k l or"),
        ("张伟", "张伟"),
        ("a_b", "a b"),
        ("...", ""),
    ],
)
def test_author_key(name: str, key: str) -> None:
    assert author_key(name) == key


def test_a_name_of_nothing_but_signs_matches_no_one(store: PaperStore) -> None:
    assert store.select(Filters(authors=("...",))) == []


def test_the_store_can_be_read_from_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c %20 中"
    folder.mkdir()
    assert written(folder, SHELF).paper_count == 4


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"rubbish" * 999), id="rubbish"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:5000]), id="cut"),
    ],
)
def test_a_damaged_store_is_named(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    written(tmp_path, SHELF).close()
    spoil(tmp_path / "papers.sqlite")
    with pytest.raises(IndexDamaged, match=r"'papers\.sqlite' is missing or damaged"):
        PaperStore([tmp_path]).papers()


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"arxiv_id": 1}', "null"])
def test_a_spoilt_record_is_damage(tmp_path: Path, body: str) -> None:
    written(tmp_path, SHELF).close()
    db = sqlite3.connect(tmp_path / "papers.sqlite")
    db.execute("UPDATE papers SET body = ?", (body,))
    db.commit()
    db.close()
    store = PaperStore([tmp_path])
    for read in (store.papers, lambda: store.paper(ONE), lambda: store.passages_of(ONE)):
        with pytest.raises(IndexDamaged):
            read()
