"""What was read out of the digests is kept by content."""

import sqlite3
from pathlib import Path

import pytest
from digest_files import entry, titled
from hypothesis import given
from hypothesis import strategies as st

from rag.digests import Placed, fingerprint, named_files
from rag.layouts import Entry
from rag.library import Library, decode_entry, encode_entry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ENTRIES = st.builds(
    Entry,
    line=st.integers(1, 99),
    raw=TEXT,
    title=TEXT,
    arxiv_id=TEXT,
    version=st.none() | st.integers(1, 9),
    abstract=TEXT,
    authors=st.lists(TEXT, max_size=3).map(tuple),
    category=st.none() | TEXT,
    date=st.none() | st.dates(),
    announce=st.none() | st.just("new"),
    parts=st.lists(st.tuples(st.just("tldr"), TEXT), max_size=2).map(tuple),
)
ONE = titled([entry("2501.00001", "Cats"), entry("2501.00002", "Dogs")])
TWO = titled([entry("2501.00002", "Dogs again"), entry("2501.00003", "Fish")])


@given(ENTRIES)
def test_an_entry_survives_json(given_: Entry) -> None:
    assert decode_entry(encode_entry(given_)) == given_


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.md").write_text(ONE)
    (tmp_path / "in" / "b.md").write_text(TWO)
    return tmp_path


def prints(folder: Path) -> dict[str, str]:
    return {name: fingerprint(path) for name, path in named_files([folder / "in"])}


def read(folder: Path) -> dict[str, int]:
    with Library(folder / "library.sqlite") as library:
        parsed = library.read(named_files([folder / "in"]), prints(folder))
    return {name: p.count for name, p in parsed.items()}


def placed(folder: Path, *ids: str) -> list[Placed]:
    with Library(folder / "library.sqlite") as library:
        return list(library.placed(prints(folder), ids or None))


def test_entries_come_in_the_order_of_digests_and_positions(folder: Path) -> None:
    assert read(folder) == {"a": 2, "b": 2}
    whole = placed(folder)
    assert [(name, at, e.arxiv_id) for name, at, e in whole] == [
        ("a", 1, "2501.00001"),
        ("a", 2, "2501.00002"),
        ("b", 1, "2501.00002"),
        ("b", 2, "2501.00003"),
    ]
    assert placed(folder, "2501.00002") == whole[1:3]


def test_two_digests_of_the_same_bytes_are_both_there(folder: Path) -> None:
    (folder / "in" / "c.md").write_text(ONE)
    read(folder)
    assert [name for name, _, _ in placed(folder, "2501.00001")] == ["a", "c"]


def test_a_file_that_is_no_digest_is_looked_at_again(folder: Path) -> None:
    (folder / "in" / "c.md").write_text("nothing yet")
    assert read(folder)["c"] == 0
    assert read(folder)["c"] == 0


def test_what_is_not_named_is_forgotten(folder: Path) -> None:
    read(folder)
    kept = {"a": prints(folder)["a"]}
    with Library(folder / "library.sqlite") as library:
        library.forget([kept])
        assert [name for name, _, _ in library.placed(prints(folder))] == ["a", "a"]


def test_a_damaged_row_is_noticed_and_read_again(folder: Path) -> None:
    read(folder)
    db = sqlite3.connect(folder / "library.sqlite")
    db.execute("UPDATE entries SET body = replace(body, 'Cats', 'Bats')")
    db.commit()
    db.close()
    with pytest.raises(sqlite3.DatabaseError, match="checksum"):
        placed(folder)
    with Library(folder / "library.sqlite") as library:
        assert len(library.damaged()) == 1
        library.check()
        assert library.damaged() == set()
    read(folder)
    assert next(e.title for _, _, e in placed(folder)) == "Cats"
