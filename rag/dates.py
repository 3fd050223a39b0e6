"""Days named in a question, also relative ones, resolved against the digests' dates.

"Yesterday" counts back from the newest digest, not from today: a reader of last
week's digests means theirs.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = {name.casefold(): n for n, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.casefold(): n for n, name in enumerate(calendar.month_abbr) if name}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:19|20)\d{2}"


@dataclass(frozen=True, slots=True)
class Days:
    """An inclusive range of days and the words of the question that named it."""

    since: date
    until: date
    start: int
    end: int


def _week(day: date, back: int) -> tuple[date, date]:
    monday = day - timedelta(days=day.weekday() + 7 * back)
    return monday, monday + timedelta(days=6)


def _month(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _last_month(day: date) -> tuple[date, date]:
    return _month(*((day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)))


def _back(day: date, count: int) -> tuple[date, date]:
    return day - timedelta(days=count), day - timedelta(days=count)


_Range = Callable[[date], tuple[date, date]]
_RELATIVE: tuple[tuple[re.Pattern[str], _Range], ...] = tuple(
    (re.compile(words, re.IGNORECASE), resolve)
    for words, resolve in (
        (r"\bday before yesterday\b|前天", lambda d: _back(d, 2)),
        (r"\byesterday\b|昨天|昨日", lambda d: _back(d, 1)),
        (
            r"\btoday\b|\b(?:latest|newest|most recent) digest\b|今天|今日|最新(?:一期|"
            r"的?摘要)",
            lambda d: _back(d, 0),
        ),
        (r"\bthis week\b|本周|这周|这一周|这个?星期", lambda d: _week(d, 0)),
        (r"\b(?:last|previous) week\b|上周|上一周|上个?星期", lambda d: _week(d, 1)),
        (
            r"\b(?:last|past) (?:7|seven) days\b|(?:最近|过去)(?:7|七)天",
            lambda d: (d - timedelta(6), d),
        ),
        (r"\bthis month\b|本月|这个月", lambda d: _month(d.year, d.month)),
        (r"\b(?:last|previous) month\b|上个?月", _last_month),
    )
)
_POSSESSIVE = re.compile(r"['’]s\b", re.IGNORECASE)
_FULL = (
    re.compile(
        rf"(?P<y>{_YEAR})[-/.年]\s*(?P<m>\d{{1,2}})[-/.月]\s*(?P<d>\d{{1,2}})日?号?(?![\d])"
    ),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<mn>{_MONTH})\.?,?(?:\s+(?P<y>{_YEAR}))?\b",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<mn>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<y>{_YEAR}))?\b",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*[日号]"),
)
_MONTHLY = (
    re.compile(rf"\b(?P<mn>{_MONTH})\.?,?\s+(?P<y>{_YEAR})\b", re.IGNORECASE),
    re.compile(rf"(?P<y>{_YEAR})\s*年\s*(?P<m>\d{{1,2}})\s*月"),
)


def find_days(question: str, newest: date) -> Days | None:
    """Return the days that the question names, or None.

    `newest` is the newest digest's date; a date without a year is the latest
    such day that is not after it.
    """
    for pattern in _FULL:
        if (match := pattern.search(question)) and (day := _day(match, newest)):
            return Days(day, day, match.start(), match.end())
    for pattern in _MONTHLY:
        if (match := pattern.search(question)) and 1 <= (month := _month_of(match)) <= 12:
            return Days(*_month(int(match["y"]), month), match.start(), match.end())
    for pattern, resolve in _RELATIVE:
        if match := pattern.search(question):
            end = match.end() + (2 if _POSSESSIVE.match(question, match.end()) else 0)
            return Days(*resolve(newest), match.start(), end)
    return None


def _month_of(match: re.Match[str]) -> int:
    groups = match.groupdict()
    return _MONTHS[groups["mn"].casefold()] if groups.get("mn") else int(groups["m"])


def _day(match: re.Match[str], newest: date) -> date | None:
    year = match.groupdict().get("y")
    try:
        day = date(int(year) if year else newest.year, _month_of(match), int(match["d"]))
        return day if year or day <= newest else day.replace(year=day.year - 1)
    except ValueError:
        return None
