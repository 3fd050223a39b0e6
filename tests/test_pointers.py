"""The words that point at the turns before."""

from __future__ import annotations

import pytest

from rag import pointers

LISTED = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("the second one", ("b",)),
        ("the first and the third one", ("a", "c")),
        ("compare the first two", ("a", "b")),
        ("the top three", ("a", "b", "c")),
        ("the last two", ("c", "d")),
        ("前三篇", ("a", "b", "c")),
        ("后两篇", ("c", "d")),
        ("第二篇和最后一篇", ("b", "d")),
        ("the first two layers of it", ()),
        ("the fifth one", ()),
        ("what is it?", ()),
    ],
)
def test_what_is_counted_out_of_a_list(question: str, found: tuple[str, ...]) -> None:
    assert pointers.counted_out(question, LISTED) == found


def test_nothing_is_counted_out_of_less_than_a_list() -> None:
    assert pointers.counted_out("the first one", ("a",)) == ()


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("which of those are about safety?", True),
        ("其中哪些保护隐私？", True),
        ("这几篇里有没有讲安全的？", True),
        ("which of those datasets is larger?", False),
        ("which papers are about safety?", False),
        ("哪些论文讲安全？", False),
    ],
)
def test_some_of_a_list(question: str, meant: bool) -> None:
    assert bool(pointers.OF_THEM.search(question)) is meant
