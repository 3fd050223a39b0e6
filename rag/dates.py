"""Days named in a question, also relative ones, resolved against the digests' dates.

"Yesterday" counts back from the newest digest, not from today: a reader of last
week's digests means theirs.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from contextlib import suppress
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


def _weekday(day: date, number: int, back: int | None = None) -> tuple[date, date]:
    """Return the latest such weekday up to `day`, or that of the week `back` weeks ago."""
    if back is None:
        return _back(day, (day.weekday() - number) % 7)
    found = _week(day, back)[0] + timedelta(days=number)
    return found, found


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
            r"的?摘要)"
            # Of a topic, "latest" is no day.
            r"|\b(?:latest|newest|most recent) (?:papers|articles|entries)(?=\W*$)"
            r"|最新的?(?:论文|文章)(?=(?:有?哪些|是什么|有什么)?\W*$)",
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
_WEEKDAYS = {name.casefold(): n for n, name in enumerate(calendar.day_name)}
_HAN_WEEKDAYS = {"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6}
_WEEKDAY = re.compile(
    r"\b(?:(?P<last>last|previous) week['’]?s? |(?:on |last |this )?)"
    rf"(?P<en>{'|'.join(_WEEKDAYS)})\b"
    r"|(?<![一每])(?P<back>上个?|这|本)?(?:周|星期|礼拜)(?P<zh>[一二三四五六日天])(?![共起直样般定些])",
    re.IGNORECASE,
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
_TO = re.compile(r"\s*(?:to|and|until|till|through|[-–—~～]|到|至|和)\s*", re.IGNORECASE)
_SAME_MONTH = re.compile(
    r"\s*(?:to|through|until|[-–—~～]|到|至)\s*(?P<d>\d{1,2})(?:st|nd|rd|th|日|号)?(?![\d.-])"
)
_SINCE = re.compile(r"\b(?:since|from|starting)\s*$|自从?\s*$|从\s*$", re.IGNORECASE)
_SINCE_HAN = re.compile(r"\s*(?:以来|之后|以后|起|开始)|\s*(?:onwards?|or later)\b", re.IGNORECASE)
_UNTIL = re.compile(r"\b(?:until|till|up to|before)\s*$|截至\s*$|截止到?\s*$", re.IGNORECASE)
_UNTIL_HAN = re.compile(r"\s*(?:之前|以前|为止)|\s*or earlier\b", re.IGNORECASE)
_MONTHLY = (
    re.compile(rf"\b(?P<mn>{_MONTH})\.?,?\s+(?P<y>{_YEAR})\b", re.IGNORECASE),
    re.compile(rf"(?P<y>{_YEAR})\s*年\s*(?P<m>\d{{1,2}})\s*月"),
)


def find_days(question: str, newest: date) -> Days | None:
    """Return the days that the question names, or None.

    `newest` is the newest digest's date; a date without a year is the latest
    such day that is not after it.
    """
    days = sorted(_whole_days(question, newest), key=lambda found: found.start)
    if days:
        return _range(question, days, newest)
    for pattern in _MONTHLY:
        if (match := pattern.search(question)) and 1 <= (month := _month_of(match)) <= 12:
            return Days(*_month(int(match["y"]), month), match.start(), match.end())
    if match := _WEEKDAY.search(question):
        return Days(*_weekday_of(match, newest), *match.span())
    for pattern, resolve in _RELATIVE:
        if match := pattern.search(question):
            end = match.end() + (2 if _POSSESSIVE.match(question, match.end()) else 0)
            return Days(*resolve(newest), match.start(), end)
    return None


def _weekday_of(match: re.Match[str], newest: date) -> tuple[date, date]:
    if match["en"]:
        return _weekday(newest, _WEEKDAYS[match["en"].casefold()], 1 if match["last"] else None)
    back = {"上": 1, "上个": 1, "这": 0, "本": 0}.get(match["back"] or "")
    return _weekday(newest, _HAN_WEEKDAYS[match["zh"]], back)


def _whole_days(question: str, newest: date) -> list[Days]:
    found: list[Days] = []
    for pattern in _FULL:
        for match in pattern.finditer(question):
            start, end = match.span()
            apart = all(end <= other.start or other.end <= start for other in found)
            if apart and (day := _day(match, newest)):
                found.append(Days(day, day, start, end))
    return found


def _range(question: str, days: list[Days], newest: date) -> Days:
    """Return the range that one day, or the first two, bound by the words around them."""
    first, *others = days
    if others and _TO.fullmatch(question[first.end : others[0].start]):
        low, high = sorted((first.since, others[0].since))
        return Days(low, high, first.start, others[0].end)
    if match := _SAME_MONTH.match(question, first.end):
        with suppress(ValueError):
            last = first.since.replace(day=int(match["d"]))
            if last >= first.since:
                return Days(first.since, last, first.start, match.end())
    before = _SINCE.search(question[: first.start])
    after = _SINCE_HAN.match(question, first.end)
    if before or after:
        start = before.start() if before else first.start
        return Days(
            first.since, max(newest, first.since), start, after.end() if after else first.end
        )
    before = _UNTIL.search(question[: first.start])
    after = _UNTIL_HAN.match(question, first.end)
    if before or after:
        strictly = (before and "before" in before[0].casefold()) or (after and "前" in after[0])
        last = first.since - timedelta(days=bool(strictly))
        start = before.start() if before else first.start
        return Days(date.min, last, start, after.end() if after else first.end)
    return first


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


def span(since: date | None, until: date | None) -> str:
    """Return an inclusive range of days as it is shown; "" when both ends are open."""
    if since == until:
        return f"{since}" if since else ""
    return f"{since or '…'} – {until or '…'}"
