"""What a question asks for, by rules: look-ups, lists, comparisons, counts, facts.

Everything that the digests record exactly (ids, authors, categories, dates,
announce kinds, digests) is recognised here and answered from the paper store;
the rest is found by search. What was understood is kept as chips, so that the
reader sees it and can take it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast, get_args

from rag.dates import Days, find_days
from rag.index import Index
from rag.layouts.base import ARXIV_ID
from rag.lexical import tokens
from rag.names import closest_name, mentions, name_key
from rag.papers import author_key
from rag.text import language_of
from rag.types import Announce, Chip, Filters, Kind, Language

_LIST = re.compile(
    r"\b(?:papers|works|articles|studies|results|entries|examples|approaches|methods|benchmarks|"
    r"everything|anything new|overview of)\b|\b(?:list|all (?:the|of)|who (?:is|are|else)|which "
    r"ones)\b|"
    r"哪些|哪几[篇个种]|几篇|有哪|都有|列出|列一下|汇总|盘点|梳理|所有|全部|分别有",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"\b(?:which|what|the|that|this|one|a) (?:paper|work|article|study|method|one)\b|哪一?篇|"
    r"那篇|这篇",
    re.IGNORECASE,
)
_COMPARE = re.compile(
    r"\b(?:differ\w*|compar\w+|versus|vs\.?|against|contrast|distinguish\w*)\b|"
    r"区别|差别|不同|不一样|对比|相比|比较|差在|差异|异同|分别",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\bhow many (?:\S+ ){0,3}(?:papers?|entries|articles|preprints)\b|\bnumber of (?:\S+ ){0,2}"
    r"(?:papers|entries)\b|多少篇|几篇|多少(?:个)?(?:论文|文章|条目)|论文数",
    re.IGNORECASE,
)
# The archives with subject classes: https://arxiv.org/category_taxonomy
_CATEGORY = re.compile(
    r"(?<![\w.-])(?:(?P<archive>cs|math|stat|eess|econ|nlin|q-bio|q-fin|"
    r"astro-ph)\.(?P<two>[a-z]{2})"
    r"|(?:physics|cond-mat)\.[a-z]{2,6}(?:-[a-z]{2,4})?)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_ANNOUNCE = re.compile(
    r"(?P<rc>replace-cross|replaced cross|cross.?replac\w+|替换交叉|交叉替换)"
    r"|(?P<cross>cross-?list\w*|\bcrosses\b|announced? (?:as )?(?:plain )?['‘“\"]?cross\b|"
    r"交叉(?:列表|提交|公告))"
    r"|(?P<rep>\breplacements\b(?! (?:for|of)\b)|\breplacement (?:papers|entries|"
    r"versions)\b|announced? (?:as )?(?:plain )?['‘“\"]?replaced?\b|"
    r"\bplain ['‘“\"]?replace\b|替换(?:版|稿|公告|类))"
    r"|(?P<new>newly announced|announced? (?:as )?(?:plain )?['‘“\"]?new\b|new (?:submissions|"
    r"announcements)|"
    r"新(?:提交|公告)|announce type:? new)",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"(?:\bnot\s+(?:an?\s+|any\s+|the\s+)?|n['’]t\s+|\bexcept\s+|\bwithout\s+|不是|不包括|除了|"
    r"非|不)$",
    re.IGNORECASE,
)
_AUTHOR = re.compile(
    r"\b(?:by|written by|authored by|co-?authored by|authors? (?:is|are|named)|from author)\s+"
    r"(?P<en>(?:[A-Z\u00c0-\u024f][\w.'’-]*\s?){1,4})"
    r"|(?:作者(?:是|为|叫|有)?|"
    r"第一作者是)\s*[:：]?\s*(?P<zh>[A-Za-z\u00c0-\u024f.'’-]+(?:\s+[A-Za-z\u00c0-\u024f.'’-]+)*)"
    r"|(?P<of>[A-Z][\w.'’-]+(?:\s+[A-Z\u00c0-\u024f][\w.'’-]+)+)\s*(?:的|写的|发表的|"
    r"参与的)\s*(?:论文|文章|那篇|工作|paper)"
)
_FIRST_AUTHOR = re.compile(r"\bfirst[- ]author|第一作者|一作", re.IGNORECASE)
_FIELD = re.compile(
    r"\bauthors? of\b|\bwho (?:wrote|are the authors|is the author|were the authors)|"
    r"\bauthors?\b.*\?|"
    r"\baffiliat\w+|"
    r"\bwhich (?:lab|university|institution)|作者(?:是谁|有哪些|都有谁)|谁写的|哪个(?:机构|学校|"
    r"团队|实验室)|哪家机构",
    re.IGNORECASE,
)
_HOUSEKEEPING = frozenset(
    tokens(
        "list lists entries entry digest digests announced announce kind plain category categories "
        "arxiv count number total date dated day today yesterday week month last latest appear "
        "appeared from author authors first written authored title called name named everything "
        "all "
        "anything many much summary summarise summarize explain describe about abstract link url "
        "abs pdf "
        "摘要 类别 分类 作者 第一作者 多少 几篇 列出 全部 所有 今天 昨天 上周 本周 最新 标题 "
        "名字 叫什么 "
        "收录 总共 一共 属于 日期 发布 公告 类型 讲的 讲的是 的是 是什么 是啥 说的 说了 内容 "
        "总结 概括 给我 看看"
    )
)


_NAME_LIKE = re.compile(r"(?<![\w./-])[A-Z][A-Za-z0-9-]{4,}(?![\w/])")
# Chinese that asks without saying about what; taken out before looking for a topic.
_HAN_FILLER = re.compile(
    r"所有|全部|请问|请|帮我|给我|一下|总共|一共|共有|都有|有没有|有|是|的|了|吗|呢|吧|里面?|中|"
    r"被|和|以及|与|哪些|哪几|"
    r"几|多少|什么|论文|文章|条目|摘要|日报|类别|分类|作者|第一|列出|看看|写|发表|参与|收录|叫|"
    r"名字|标题|篇|个|条|那|这"
)


# A made-up word in one paper's text names it; a shared one, or an acronym, does not.
# What stands in the title names it beyond doubt.
_NAMED, _SURE = 0.4, 0.75


@dataclass(frozen=True, slots=True)
class Understood:
    """A question taken apart. `named` are the papers it names, in its order.

    `surely` are those of them whose name leaves no doubt: an id or a title; a
    made-up word in the text only makes the paper likelier to be found.
    `unknown` are arXiv ids and authors that no digest has; `topic` is whether
    anything beyond the look-up is asked, so that search has work to do.
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


def understand(question: str, index: Index, filters: Filters | None = None) -> Understood:
    """Return what `question` asks for, with `filters` given from outside kept."""
    question, respelled = _respelled(question, index)
    ids, unknown_ids = _ids(question, index)
    authors, unknown_authors, author_spans = _authors(question, index)
    days = _days(question, index)
    categories, category_spans = _categories(question, index)
    announce, announce_spans = _announce(question)
    spans = [*author_spans, *category_spans, *announce_spans]
    spans += [m.span() for m in ARXIV_ID.finditer(question)]
    if days:
        spans.append((days.start, days.end))
    found = _filters(authors, categories, announce, days)
    strength = dict.fromkeys(ids, 1.0) or _named(question, index)
    if filters:  # what the reader filters away is not there to be named either
        allowed = set(index.store.select(filters))
        strength = {i: weight for i, weight in strength.items() if i in allowed}
    named = tuple(strength)
    if authors and _FIRST_AUTHOR.search(question):
        found = replace(found, arxiv_ids=_led_by(authors, index))
    topic = bool(_content(_without(question, spans)))
    return Understood(
        question=question,
        language=language_of(question),
        kind=_kind(question, named, bool(found)),
        filters=_joined(filters or Filters(), found),
        named=named,
        surely=tuple(arxiv_id for arxiv_id, s in strength.items() if s >= _SURE),
        unknown=(*unknown_ids, *unknown_authors),
        chips=(*respelled, *_chips(found)),
        topic=topic,
    )


def _respelled(question: str, index: Index) -> tuple[str, list[Chip]]:
    """Return the question with misspelt names mended, and what was mended.

    A word is taken for a misspelt name when it looks like one, no passage has
    it, and a paper's name is very near.
    """
    chips = []
    for word in dict.fromkeys(_NAME_LIKE.findall(question)):
        if index.store.named([name_key(word)]) or any(map(_known(index), tokens(word))):
            continue
        if name := closest_name(word, index.name_keys):
            question = question.replace(word, name.capitalize())
            chips.append(Chip("spelling", f"{word} → {name.capitalize()}"))
    return question, chips


def _known(index: Index) -> Callable[[str], bool]:
    return lambda token: index.lexical.document_frequency(token) > 0


def _kind(question: str, named: tuple[str, ...], filtered: bool) -> Kind:
    if _COUNT.search(question):
        return "count"
    if _COMPARE.search(question) and len(named) > 1:
        return "comparison"
    if _FIELD.search(question):
        return "field"
    if _LIST.search(question) and not named and not _SINGLE.search(question):
        return "list"
    return "list" if filtered and not named and not _SINGLE.search(question) else "fact"


def _content(text: str) -> list[str]:
    plain = _HAN_FILLER.sub(" ", text)
    return [t for t in tokens(plain) if t not in _HOUSEKEEPING and not t.isdigit()]


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
    strength = mentions(question, index.store.named)
    return {arxiv_id: s for arxiv_id, s in strength.items() if s >= _NAMED}


def _authors(
    question: str, index: Index
) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[int, int]]]:
    """Return the authors asked for, those that no digest has, and where they stand."""
    match = _AUTHOR.search(question)
    if match:
        name = next(g for g in match.groups() if g).strip(" .,'’?")
        key = author_key(name)
        if index.store.has_author(key):
            return (name,), (), [match.span()]
        if len(key.split()) > 1:
            return (), (name,), [match.span()]
    full = tuple(index.store.authors_in(question))
    return full, (), [_span_of(name, question) for name in full]


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
    for match in _CATEGORY.finditer(question):
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


def _announce(question: str) -> tuple[tuple[Announce, ...], list[tuple[int, int]]]:
    """Return the announce kinds asked for, or all but those ruled out, and where they stand."""
    names = {"rc": "replace-cross", "cross": "cross", "rep": "replace", "new": "new"}
    kinds, ruled_out, spans = list[str](), list[str](), list[tuple[int, int]]()
    for match in _ANNOUNCE.finditer(question):
        denied = _NOT.search(question[: match.start()])
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
) -> Filters:
    return Filters(
        authors=authors,
        categories=categories,
        announce=announce,
        since=days.since if days else None,
        until=days.until if days else None,
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
        arxiv_ids=given.arxiv_ids or found.arxiv_ids,
    )


def _chips(found: Filters) -> Iterable[Chip]:
    for field in ("authors", "categories", "announce"):
        if values := getattr(found, field):
            yield Chip(field, ", ".join(values))
    if found.since and found.until:
        same = found.since == found.until
        yield Chip("days", str(found.since) if same else f"{found.since} – {found.until}")
