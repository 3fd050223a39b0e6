from dataclasses import FrozenInstanceError, fields, replace
from datetime import date

import pytest

from rag.types import Appearance, Filters, Ledger, Paper, Passage

PAPER = Paper(
    "2506.05739",
    "Title",
    "Abstract",
    appearances=(
        Appearance("b", 1, 1, date=date(2025, 6, 10), announce="replace"),
        Appearance("a", 1, 1),
        Appearance("b", 9, 9, date=date(2025, 6, 9), announce="new"),
        Appearance("c", 1, 1, date=date(2025, 6, 9), announce="replace"),
    ),
)


def test_a_paper_derives_its_page_days_digests_and_kinds() -> None:
    assert PAPER.url == "https://arxiv.org/abs/2506.05739"
    assert PAPER.dates == (date(2025, 6, 9), date(2025, 6, 10))
    assert PAPER.digests == ("b", "a", "c")
    assert PAPER.announce == ("replace", "new")


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        PAPER.title = "Other"  # type: ignore[misc]


@pytest.mark.parametrize("name", [f.name for f in fields(Filters)])
def test_any_filled_field_makes_filters_true(name: str) -> None:
    value = date(2025, 6, 9) if name in {"since", "until"} else ("x",)
    assert replace(Filters(), **{name: value})
    assert not Filters()


def test_merged_is_what_entries_have_over_papers() -> None:
    assert Ledger(entries=175, papers=166).merged == 9


def test_the_searched_text_is_title_and_text() -> None:
    assert Passage("i", "a", "abstract", "en", "Title", "Text.").indexed_text == "Title\nText."
