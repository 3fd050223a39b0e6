"""What a question asks for, by rules: look-ups, lists, comparisons, counts, facts.

Everything that the digests record exactly (ids, authors, categories, dates,
announce kinds, digests) is recognised here and answered from the paper store;
the rest is found by search. What was understood is kept as chips, so that the
reader sees it and can take it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import cast, get_args

from rag import cues
from rag.dates import Days, find_days, span
from rag.index import Index
from rag.layouts.base import ARXIV_ID
from rag.lexical import tokens
from rag.names import IN_TITLE, closest_name, name_key, title_parts
from rag.papers import author_key
from rag.question import question_language
from rag.types import Announce, Chip, ChipField, Filters, Kind, Language

# A made-up word in one paper's text names it; a shared one, or an acronym, does not.
# What stands in the title names it beyond doubt.
_NAMED, _SURE = 0.4, 0.75
# A shorter file name, such as "ai", is a word before it is a digest.
_TELLING = 6
# So many letters of a title are a part of it; so many names of one paper hold them.
_TELLING_PART, _FEW = 8, 4


@dataclass(frozen=True, slots=True)
class Understood:
    """A question taken apart. `named` are the papers it names, in its order.

    `surely` are those of them whose name leaves no doubt: an id or a title; a
    made-up word in the text only makes the paper likelier to be found.
    `unknown` are arXiv ids and authors that no digest has; `topic` is whether
    anything beyond the look-up is asked, so that search has work to do; `filtered`
    whether the question itself, not the reader's form, restricts the papers.
    """

    question: str
    language: Language
    kind: Kind
    filters: Filters
    named: tuple[str, ...] = ()
    surely: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    chips: tuple[Chip, ...] = ()
    topic: bool = True
    filtered: bool = False


def understand(
    question: str,
    index: Index,
    filters: Filters | None = None,
    without: Collection[ChipField] = (),
    language: Language | None = None,
) -> Understood:
    """Return what `question` asks for, with `filters` given from outside kept.

    `language` is the answer's where the reader wished for one, else the question's.
    The fields of chips in `without` are not looked for, though the words that named
    them stay no part of the topic.
    """
    respelled = list[Chip]()
    if "spelling" not in without:
        question, respelled = _respelled(question, index)
    ids, unknown_ids = _ids(question, index)
    authors, unknown_authors, author_spans = _authors(question, index)
    days = _days(question, index)
    categories, category_spans = _categories(question, index)
    announce, announce_spans = _announce(question)
    if cues.FIELDS["announce"].search(question):  # "new or replaced?" restricts nothing
        announce = ()
    digests, digest_spans = _digests(question, index)
    spans = [*author_spans, *category_spans, *announce_spans, *digest_spans]
    spans += [m.span() for m in ARXIV_ID.finditer(question)]
    if days:
        spans.append((days.start, days.end))
    if "authors" in without:
        authors, unknown_authors = (), ()
    found = _filters(
        authors,
        () if "categories" in without else categories,
        () if "announce" in without else announce,
        None if "days" in without else days,
        () if "digests" in without else digests,
    )
    strength = dict.fromkeys(ids, 1.0) or _named(question, index)
    if filters:  # what the reader filters away is not there to be named either
        allowed = set(index.store.select(filters))
        strength = {i: weight for i, weight in strength.items() if i in allowed}
    named = tuple(strength)
    if authors and cues.FIRST_AUTHOR.search(question):
        found = replace(found, arxiv_ids=_led_by(authors, index))
    topic = bool(_content(_without(question, spans)))
    return Understood(
        question=question,
        language=language or question_language(question),
        kind=_kind(question, named, bool(found)),
        filters=_joined(filters or Filters(), found),
        named=named,
        surely=tuple(arxiv_id for arxiv_id, s in strength.items() if s >= _SURE),
        unknown=(*unknown_ids, *unknown_authors),
        chips=(*respelled, *_chips(found)),
        topic=topic,
        filtered=bool(found),
    )


def _respelled(question: str, index: Index) -> tuple[str, list[Chip]]:
    """Return the question with misspelt names mended, and what was mended.

    A word is taken for a misspelt name when it looks like one, no passage has
    it, and a paper's name is very near.
    """
    chips = []
    for word in dict.fromkeys(cues.NAME_LIKE.findall(question)):
        if index.store.named([name_key(word)]) or any(map(_known(index), tokens(word))):
            continue
        if name := closest_name(word, index.name_keys):
            question = question.replace(word, name.capitalize())
            chips.append(Chip("spelling", f"{word} → {name.capitalize()}"))
    return question, chips


def _known(index: Index) -> Callable[[str], bool]:
    return lambda token: index.lexical.document_frequency(token) > 0


def _kind(question: str, named: tuple[str, ...], filtered: bool) -> Kind:
    if cues.COUNT.search(question):
        return "count"
    if cues.COMPARE.search(question) and len(named) > 1:
        return "comparison"
    if cues.FIELD.search(question) or (cues.fields_of(question) and (named or _bare(question))):
        return "field"
    if cues.LIST.search(question) and not named and not cues.SINGLE.search(question):
        return "list"
    return "list" if filtered and not named and not cues.SINGLE.search(question) else "fact"


def _bare(question: str) -> bool:
    """Return whether a question for what is printed of a paper says nothing of the paper."""
    return not _content(cues.FIELD_WORDS.sub(" ", question))


def _content(text: str) -> list[str]:
    plain = cues.HAN_FILLER.sub(" ", text)
    return [t for t in tokens(plain) if t not in cues.HOUSEKEEPING and not t.isdigit()]


def _without(question: str, spans: Iterable[tuple[int, int]]) -> str:
    text = question
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return re.sub(r"https?://\S*", " ", text)


def _ids(question: str, index: Index) -> tuple[tuple[str, ...], tuple[str, ...]]:
    asked = dict.fromkeys(m[1] for m in ARXIV_ID.finditer(question))
    known = tuple(i for i in asked if index.store.paper(i) is not None)
    return known, tuple(i for i in asked if i not in known)


def _named(question: str, index: Index) -> dict[str, float]:
    found = {i: weight for i, weight in index.mentions(question).items() if weight >= _NAMED}
    if len(found) < 2 and cues.COMPARE.search(question):
        found |= {i: w for i, w in _by_part_of_title(question, index).items() if i not in found}
    return found


def _by_part_of_title(question: str, index: Index) -> dict[str, float]:
    """Return the paper in whose title alone stands a part of it that the question writes.

    A comparison is between two papers, and the second often goes by a few words.
    """
    for _, _, part in title_parts(question):
        if len(part) < _TELLING_PART:
            continue
        keys = [key for key in index.name_keys if part in key]
        owners = {i for papers in index.store.named(keys[:_FEW]).values() for i in papers}
        if len(keys) <= _FEW and len(owners) == 1:
            return dict.fromkeys(owners, IN_TITLE)
    return {}


def _authors(
    question: str, index: Index
) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[int, int]]]:
    """Return the authors asked for, those that no digest has, and where they stand."""
    found = {author_key(name): name for name in index.store.authors_in(question)}
    spans = {key: _span_of(name, question) for key, name in found.items()}
    match = cues.AUTHOR.search(question)
    if match is None:
        return tuple(found), (), list(spans.values())
    name = next(g for g in match.groups() if g).strip(" .,'’?")
    key = author_key(name)
    # Those named beside the one that the words point out, as the question writes them.
    others = [question[slice(*spans[other])] for other in found if f" {other} " not in f" {key} "]
    places = [match.span(), *spans.values()]
    if index.store.has_author(key):
        ordered = sorted((name, *others), key=question.find)
        return tuple(ordered), (), places
    if len(key.split()) > 1 and not any(f" {other} " in f" {key} " for other in found):
        return tuple(others), (name,), places
    return tuple(found), (), list(spans.values())


def _led_by(authors: tuple[str, ...], index: Index) -> tuple[str, ...]:
    """Return the papers whose first author is one of `authors`; never empty."""
    keys = [f" {author_key(name)} " for name in authors]
    papers = index.store.papers(index.store.select(Filters(authors=authors)))
    first = (p.arxiv_id for p in papers if any(k in f" {author_key(p.authors[0])} " for k in keys))
    return tuple(first) or ("none",)


def _span_of(name: str, question: str) -> tuple[int, int]:
    pattern = r"[\W_]+".join(map(re.escape, name.split()))
    match = re.search(pattern, question, re.IGNORECASE)
    return match.span() if match else (0, 0)


def _days(question: str, index: Index) -> Days | None:
    newest = index.newest
    return find_days(question, newest) if newest else None


def _categories(question: str, index: Index) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    known = {name.casefold(): name for name in index.store.tally("category")}
    found: dict[str, tuple[int, int]] = {}
    for match in cues.CATEGORY.finditer(question):
        name = (
            f"{match['archive'].lower()}.{match['two'].upper()}"
            if match["two"]
            else match[0].lower()
        )
        found[known.get(name.casefold(), name)] = match.span()
    for lower, name in known.items():
        whole = rf"(?<![\w-]){re.escape(lower)}(?![\w-])"
        if "." not in lower and (m := re.search(whole, question, re.IGNORECASE | re.ASCII)):
            found[name] = m.span()
    return tuple(found), list(found.values())


def _digests(question: str, index: Index) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return the digests that the question names in full, and where they stand."""
    found = {
        name: match.span()
        for name in index.digest_names
        if len(name) >= _TELLING and (match := re.search(rf"(?<!\w){re.escape(name)}", question))
    }
    return tuple(found), list(found.values())


def _announce(question: str) -> tuple[tuple[Announce, ...], list[tuple[int, int]]]:
    """Return the announce kinds asked for, or all but those ruled out, and where they stand."""
    names = {"rc": "replace-cross", "cross": "cross", "rep": "replace", "new": "new"}
    kinds, ruled_out, spans = list[str](), list[str](), list[tuple[int, int]]()
    for match in cues.ANNOUNCE.finditer(question):
        denied = cues.NOT.search(question[: match.start()])
        spans.append((denied.start() if denied else match.start(), match.end()))
        (ruled_out if denied else kinds).append(names[match.lastgroup or ""])
    if ruled_out and not kinds:
        kinds = [kind for kind in get_args(Announce) if kind not in ruled_out]
    return tuple(cast(Announce, kind) for kind in dict.fromkeys(kinds)), spans


def _filters(
    authors: tuple[str, ...],
    categories: tuple[str, ...],
    announce: tuple[Announce, ...],
    days: Days | None,
    digests: tuple[str, ...],
) -> Filters:
    return Filters(
        authors=authors,
        categories=categories,
        announce=announce,
        since=days.since if days else None,
        until=days.until if days else None,
        digests=digests,
    )


def _joined(given: Filters, found: Filters) -> Filters:
    """Return `given` with the fields that it leaves open filled from `found`."""
    return replace(
        given,
        authors=given.authors or found.authors,
        categories=given.categories or found.categories,
        announce=given.announce or found.announce,
        since=given.since or found.since,
        until=given.until or found.until,
        digests=given.digests or found.digests,
        arxiv_ids=given.arxiv_ids or found.arxiv_ids,
    )


def _chips(found: Filters) -> Iterable[Chip]:
    fields: tuple[ChipField, ...] = ("authors", "categories", "announce", "digests")
    for field in fields:
        if values := getattr(found, field):
            yield Chip(field, ", ".join(values))
    if found.since and found.until:
        yield Chip("days", span(found.since, found.until))
