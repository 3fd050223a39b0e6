import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import IndexDamaged
from rag.passages import all_passages
from rag.store import PaperStore, author_key, decode_paper, encode_paper, write_store
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
    path = tmp_path_factory.mktemp("store") / "papers.sqlite"
    passages = all_passages(papers)
    store = written(path, papers)
    assert store.papers() == papers
    assert [store.paper(p.arxiv_id) for p in papers] == papers
    assert (store.paper_count, store.passage_count) == (len(papers), len(passages))
    assert store.owners() == [p.arxiv_id for p in passages]
    assert store.passage_ids() == [p.id for p in passages]
    assert store.passages(range(len(passages))) == dict(enumerate(passages))
    for paper in papers:
        assert list(store.passages_of(paper.arxiv_id)) == all_passages([paper])
    store.close()


def written(path: Path, papers: list[Paper]) -> PaperStore:
    write_store(path, papers, all_passages(papers))
    return PaperStore(path)


def paper(arxiv_id: str, *seen: Appearance, authors: tuple[str, ...] = ()) -> Paper:
    return Paper(arxiv_id, f"Title {arxiv_id}", "Abstract.", authors=authors, appearances=seen)


def seen(digest: str, **fields: object) -> Appearance:
    return Appearance(digest, 1, 1, **fields)  # type: ignore[arg-type]


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


@pytest.fixture
def store(tmp_path: Path) -> PaperStore:
    return written(tmp_path / "papers.sqlite", SHELF)


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


def test_days_are_iso_dates(tmp_path: Path, store: PaperStore) -> None:
    db = sqlite3.connect(tmp_path / "papers.sqlite")
    days = {day for (day,) in db.execute("SELECT day FROM appearances")}
    db.close()
    assert days == {None, "2025-06-09", "2025-06-10"}


def test_tallies_count_papers_not_appearances(store: PaperStore) -> None:
    assert store.tally("category") == {"cs.AI": 2, "cs.LG": 1}
    assert store.tally("digest") == {"000_a": 2, "004_b": 2, "005_c": 2}
    assert store.tally("day") == {"2025-06-09": 2, "2025-06-10": 2}
    assert store.tally("announce") == {"cross": 1, "new": 1, "replace": 1, "replace-cross": 1}
    with pytest.raises(ValueError, match="raw"):
        store.tally("raw")


def test_an_unknown_paper_is_none_and_left_out(store: PaperStore) -> None:
    assert store.paper("9999.99999") is None
    assert store.passages_of("9999.99999") == ()
    assert [p.arxiv_id for p in store.papers(["9999.99999", TWO, ONE])] == [TWO, ONE]
    assert store.passages([]) == {}
    assert store.passages([10**6]) == {}


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
    assert written(folder / "papers.sqlite", SHELF).paper_count == 4


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
    path = tmp_path / "papers.sqlite"
    written(path, SHELF).close()
    spoil(path)
    with pytest.raises(IndexDamaged, match=r"'papers\.sqlite' is missing or damaged"):
        PaperStore(path).papers()


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"arxiv_id": 1}', "null"])
def test_a_spoilt_record_is_damage(tmp_path: Path, body: str) -> None:
    path = tmp_path / "papers.sqlite"
    written(path, SHELF).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE papers SET body = ?", (body,))
    db.execute("UPDATE passages SET body = ?", (body,))
    db.commit()
    db.close()
    store = PaperStore(path)
    for read in (store.papers, lambda: store.paper(ONE), lambda: store.passages_of(ONE)):
        with pytest.raises(IndexDamaged):
            read()
    with pytest.raises(IndexDamaged):
        store.passages([0])
