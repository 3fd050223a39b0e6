"""What the public functions are called with."""

from __future__ import annotations

from datetime import date, datetime

import pytest

import rag
from rag.arguments import check_filters, check_history, check_without
from rag.errors import QuestionError, SettingError
from rag.types import Answer, Filters, Turn

TURN = Turn("What?", Answer("What?", "", "en"))


@pytest.mark.parametrize(
    "filters",
    [
        None,
        Filters(),
        Filters(categories=("cs.CL",), since=date(2025, 6, 1), announce=("new",)),
        Filters(authors=["Ju Wu"]),  # type: ignore[arg-type]
    ],
)
def test_filters_of_the_right_types_pass(filters: Filters | None) -> None:
    check_filters(filters)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (Filters(since="2025-06-01"), "since"),  # type: ignore[arg-type]
        (Filters(until=datetime(2025, 6, 1)), "until"),
        (Filters(categories="cs.CL"), "categories"),  # type: ignore[arg-type]
        (Filters(authors=(1,)), "authors"),  # type: ignore[arg-type]
        (Filters(digests=None), "digests"),  # type: ignore[arg-type]
        (Filters(arxiv_ids=2506), "arxiv_ids"),  # type: ignore[arg-type]
        (Filters(announce=("newest",)), "'newest' is no announce kind"),  # type: ignore[arg-type]
        ({"since": date(2025, 6, 1)}, "no rag.Filters"),
    ],
)
def test_filters_of_a_wrong_type_are_a_sentence_wherever_they_are_given(
    filters: Filters, said: str
) -> None:
    for call in (
        lambda: rag.search("anything", filters=filters),
        lambda: rag.answer("anything", filters=filters),
        lambda: rag.papers(filters=filters),
        lambda: rag.as_retriever(filters=filters),
        lambda: rag.as_query_engine(filters=filters),
    ):
        with pytest.raises(SettingError, match=said) as error:
            call()
        assert error.value.hint


def test_a_history_is_turns() -> None:
    for history in ((), [TURN], (TURN, TURN)):
        check_history(history)
    for bad in (["hi"], "hi", [TURN, None], None, 3):
        with pytest.raises(SettingError, match=r"rag\.Turn"):
            rag.answer("anything", history=bad)  # type: ignore[arg-type]


def test_without_names_fields_of_chips() -> None:
    for without in ((), ["days"], {"about", "spelling"}):
        check_without(without)
    with pytest.raises(SettingError, match="'foo' is no thing"):
        rag.answer("anything", without=("foo",))  # type: ignore[arg-type]
    for bad in ("days", None, (1,)):
        with pytest.raises(SettingError, match="'without'"):
            rag.answer("anything", without=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("question", [None, 3, b"bytes", ["What?"]])
def test_a_question_is_text(question: str) -> None:
    for ask in (rag.answer, rag.search):
        with pytest.raises(QuestionError, match="no text"):
            ask(question)


def test_a_long_value_is_not_shown() -> None:
    with pytest.raises(SettingError) as error:
        check_filters(Filters(since="9" * 1000))  # type: ignore[arg-type]
    assert len(str(error.value)) < 200
