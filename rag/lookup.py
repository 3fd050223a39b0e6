"""What the digests print of a paper, and what the library holds, told exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rag.compose import listed, phrase
from rag.cues import fields_of
from rag.index import Index
from rag.layouts.base import ARXIV_ID
from rag.types import Filters, Language, Paper

_MOST_NAMES = 12
# {column of the store: our sentence on digests that print no such thing}
_UNPRINTED = {"category": "no_category", "authors": "unsigned", "day": "undated"}


def all_printed(
    papers: Sequence[Paper], question: str, language: Language
) -> tuple[str, list[Paper]]:
    """Return what the digests print of each paper that is asked for, and for which any is.

    A sentence says so where they print none.
    """
    fields = fields_of(question)
    lines, told = [], list[Paper]()
    for paper in papers:
        said = [_printed(paper, field, language) for field in fields]
        lines.append(" ".join(sentence for sentence, _ in said))
        told += [paper] if any(known for _, known in said) else []
    return "\n".join(lines), told


def _printed(paper: Paper, field: str, language: Language) -> tuple[str, bool]:
    value = _value(paper, field)
    if field == "authors":
        name = "authors" if value else "no_authors"
    else:
        name = f"{field}_of" if value else f"no_{field}_of"
    given = {"title": paper.title, "id": paper.arxiv_id, "value": value, "names": value}
    return phrase(name, language, **given), bool(value)


def _value(paper: Paper, field: str) -> str:
    if field == "announce":
        kinds = dict.fromkeys((a.announce, a.date) for a in paper.appearances if a.announce)
        return ", ".join(f"{kind} ({day})" if day else str(kind) for kind, day in kinds)
    values: dict[str, Sequence[object]] = {
        "authors": paper.authors,
        "category": paper.categories,
        "date": paper.dates,
        "digest": paper.digests,
        "link": (paper.url,),
    }
    return ", ".join(map(str, values[field]))


def unprinted(
    index: Index, filters: Filters, unknown: Sequence[str], language: Language
) -> list[str]:
    """Return a sentence for each thing asked for that some digests do not print at all.

    `unknown` are the ids and authors asked for that no digest has.
    """
    nobody = any(not ARXIV_ID.fullmatch(name) for name in unknown)
    asked = {
        "category": bool(filters.categories),
        "authors": bool(filters.authors) or nobody,
        "day": bool(filters.since or filters.until),
    }
    said = (_without(index, column, language) for column, wanted in asked.items() if wanted)
    return [sentence for sentence in said if sentence]


def _without(index: Index, column: str, language: Language) -> str:
    names = index.store.digests_without(column)
    if not names:
        return ""
    shown = [*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])]
    return phrase(_UNPRINTED[column], language, names=", ".join(shown))


def library(index: Index, asked: str, language: Language) -> str:
    """Return what the library holds: its digests, with days and papers, and the days covered.

    `asked` is "digests" for all of them, "days" for the first and the last day,
    "newest" or "oldest" for the digests of that day.
    """
    store = index.store
    days, counts = store.days_of_digests, store.tally("digest")
    if asked in ("newest", "oldest"):
        edge = _edge(index, asked)
        chosen = [name for name in counts if edge and edge in days.get(name, ())]
        lines = [phrase(asked if edge else "no_days", language, day=edge)]
    else:
        chosen = sorted(counts, key=lambda name: (days.get(name, [""])[-1], name), reverse=True)
        name = "library_one" if len(counts) == 1 else "library"
        known = sorted({day for own in days.values() for day in own})
        about = {"n": len(counts), "papers": store.paper_count, "days": _covered(known, language)}
        lines = [phrase(name, language, **about)]
    if asked != "days":
        each = [_digest(name, days.get(name, []), counts[name], language) for name in chosen]
        lines += [listed(each, language)] if each else []
    undated = _without(index, "day", language)
    return "\n".join([*lines, *([undated] if undated and asked != "digests" else [])])


def of_day(index: Index, asked: str) -> Filters:
    """Return what allows the "newest" or "oldest" papers; filters nothing when no day is known."""
    edge = _edge(index, asked)
    day = date.fromisoformat(edge) if edge else None
    return Filters(since=day, until=day)


def _edge(index: Index, asked: str) -> str:
    days = index.store.tally("day")
    return (max(days) if asked == "newest" else min(days)) if days else ""


def _covered(days: Sequence[str], language: Language) -> str:
    if not days:
        return ""
    name = "one_day" if days[0] == days[-1] else "from_to"
    return phrase(name, language, first=days[0], last=days[-1])


def _digest(name: str, days: Sequence[str], papers: int, language: Language) -> str:
    covered = " – ".join(dict.fromkeys((days[0], days[-1]))) if days else ""
    said = "digest_one" if papers == 1 else "digest"
    day = covered or phrase("no_date", language)
    return phrase(said, language, name=name, day=day, n=papers)
