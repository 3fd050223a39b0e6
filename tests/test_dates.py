"""Days in questions, absolute and relative to the newest digest, in both languages."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.dates import find_days

NEWEST = date(2025, 6, 9)  # a Monday
DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


def days(question: str, newest: date = NEWEST) -> tuple[str, str] | None:
    found = find_days(question, newest)
    return (str(found.since), str(found.until)) if found else None


@pytest.mark.parametrize(
    "question",
    [
        "papers of 2025-06-07",
        "papers of 2025/6/7",
        "papers of 2025.06.07",
        "papers of June 7, 2025",
        "papers of Jun. 7 2025",
        "papers of 7 June 2025",
        "papers of the 7th of June 2025",
        "papers of June 7th",
        "papers of 7 June",
        "2025年6月7日的论文",
        "2025年06月07号有哪些论文",
        "6月7日的论文",
        "6月7号有什么",
    ],
)
def test_one_day_in_many_forms(question: str) -> None:
    assert days(question) == ("2025-06-07", "2025-06-07")


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("papers of today", "2025-06-09", "2025-06-09"),
        ("today's papers", "2025-06-09", "2025-06-09"),
        ("what is in the latest digest?", "2025-06-09", "2025-06-09"),
        ("今天的论文", "2025-06-09", "2025-06-09"),
        ("最新一期有什么", "2025-06-09", "2025-06-09"),
        ("Show me the latest papers.", "2025-06-09", "2025-06-09"),
        ("最新的论文有哪些？", "2025-06-09", "2025-06-09"),
        ("yesterday's papers", "2025-06-08", "2025-06-08"),
        ("昨天的论文", "2025-06-08", "2025-06-08"),
        ("the day before yesterday", "2025-06-07", "2025-06-07"),
        ("前天的论文", "2025-06-07", "2025-06-07"),
        ("this week", "2025-06-09", "2025-06-15"),
        ("本周的论文", "2025-06-09", "2025-06-15"),
        ("LAST WEEK", "2025-06-02", "2025-06-08"),
        ("last week's papers", "2025-06-02", "2025-06-08"),
        ("上周的论文", "2025-06-02", "2025-06-08"),
        ("上个星期", "2025-06-02", "2025-06-08"),
        ("the last 7 days", "2025-06-03", "2025-06-09"),
        ("最近七天", "2025-06-03", "2025-06-09"),
        ("this month", "2025-06-01", "2025-06-30"),
        ("last month", "2025-05-01", "2025-05-31"),
        ("上个月的论文", "2025-05-01", "2025-05-31"),
        ("papers of February 2024", "2024-02-01", "2024-02-29"),
        ("2025年5月的论文", "2025-05-01", "2025-05-31"),
    ],
)
def test_ranges_and_relative_days(question: str, since: str, until: str) -> None:
    assert days(question) == (since, until)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Which paper uses GPT-4o?",
        "2506.05739",
        "arXiv:2506.05739v2",
        "a gain of 12.5 over 2024",
        "2025-13-45",
        "June 31, 2025",
        "2月30日",
        "How may we march on?",
        "第二篇",
        "the latest papers on reinforcement learning",
        "最新的论文里讲强化学习的",
        "😀",
    ],
)
def test_what_names_no_day(question: str) -> None:
    assert days(question) is None


def test_a_day_without_a_year_is_the_latest_such_day() -> None:
    assert days("June 10") == ("2024-06-10", "2024-06-10")
    assert days("December 24") == ("2024-12-24", "2024-12-24")
    assert days("12月24日") == ("2024-12-24", "2024-12-24")


def test_last_month_of_january_lies_in_the_year_before() -> None:
    assert days("last month", date(2025, 1, 15)) == ("2024-12-01", "2024-12-31")
    assert days("上周", date(2025, 1, 1)) == ("2024-12-23", "2024-12-29")


def test_a_leap_day_needs_a_leap_year() -> None:
    assert days("February 29") is None
    assert days("February 29", date(2024, 3, 1)) == ("2024-02-29", "2024-02-29")


@given(DAYS, DAYS)
def test_a_written_day_is_read_back(day: date, newest: date) -> None:
    for text in (
        day.isoformat(),
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day} {day:%b} {day.year}",
        f"{day.year}年{day.month}月{day.day}日",
    ):
        found = find_days(f"papers of {text}?", newest)
        assert found is not None, text
        assert (found.since, found.until) == (day, day)
        assert f"papers of {text}?"[found.start : found.end] == text


@given(st.text(max_size=100), DAYS)
def test_any_question_gives_a_sound_range_or_none(question: str, newest: date) -> None:
    found = find_days(question, newest)
    if found:
        assert found.since <= found.until
        assert 0 <= found.start < found.end <= len(question)


@given(DAYS)
def test_last_week_ends_before_this_week_begins(newest: date) -> None:
    last, this = find_days("last week", newest), find_days("this week", newest)
    assert last is not None
    assert this is not None
    assert last.until + timedelta(days=1) == this.since <= newest <= this.until
