"""Decide what kind of answer a question gets, and write it from the papers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag import compose, cues, extract
from rag.chat import Resolved
from rag.details import states
from rag.evidence import prefers_another, relevant, supports
from rag.framing import OF_NO_PAPER, about_chip, narrowed, unanswerable
from rag.index import Index
from rag.lookup import all_printed, library, of_day, unprinted
from rag.names import quotes_title
from rag.search import find
from rag.settings import Settings
from rag.types import Answer, Chip, Filters, Hit, Language, Paper, Quote
from rag.understand import Understood

_TOP = 10
BUDGET = 105.0
_LINE = 45.0
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer from the papers alone; `open` when a language model may write it better."""

    answer: Answer
    open: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    """What every way of answering needs."""

    index: Index
    understood: Understood
    settings: Settings
    question: str
    about: tuple[Chip, ...] = ()
    rough: bool = False

    @property
    def language(self) -> Language:
        return self.understood.language

    @property
    def asked(self) -> str:
        """The reader's own words, or what completes them where they name no topic."""
        return self.understood.question if self.understood.topic else self.question

    @property
    def facts(self) -> dict[str, Any]:
        """What every answer says of itself."""
        return {
            "kind": self.understood.kind,
            "chips": (*self.understood.chips, *self.about),
            "searched": self.question if self.question != self.understood.question else "",
            "generation": self.index.manifest.generation,
        }


def respond(
    index: Index,
    understood: Understood,
    resolved: Resolved,
    settings: Settings,
    *,
    rough: bool = False,
) -> Draft:
    """Return the extractive answer to a question taken apart and put in its conversation.

    A `rough` one rests on the same papers, but its sentences are chosen by words
    alone, and whether the paper states the detail asked for is left open. It takes
    a fraction of the time: enough to tell a model what to read.
    """
    if resolved.among:
        understood = narrowed(understood, resolved.among)
    reason = unanswerable(understood, resolved)
    about = () if reason in OF_NO_PAPER else about_chip(understood, resolved)
    case = _Case(index, understood, settings, resolved.question, about, rough)
    held = cues.library_of(understood.question)
    if held[0] and not (understood.named or understood.unknown):
        return _library(case, *held)
    if reason:
        return _refuse(case, (), compose.phrase(reason, case.language))
    if resolved.missing:
        what = ", ".join(resolved.missing)
        return _refuse(case, (), compose.phrase("unknown", case.language, what=what))
    if understood.unknown and not understood.named:
        what = ", ".join(understood.unknown)
        return _none(case, compose.phrase("unknown", case.language, what=what))
    if understood.filters and not understood.topic and not understood.named:
        return _look_up(case)
    papers = resolved.focus or understood.named
    bare = not understood.topic and resolved.question == understood.question
    if understood.kind in ("count", "list") and bare and not papers:
        return _look_up(case)
    surely = resolved.focus or understood.surely
    if understood.kind == "field" and papers:
        return _field(case, papers)
    if len(papers) > 1 and (resolved.compares or understood.kind == "comparison"):
        return _compare(case, papers)
    if surely:
        return _fact(case, _hits_of(case, surely), sure=True)
    return _searched(case, resolved)


def _searched(case: _Case, resolved: Resolved) -> Draft:
    asked = dict.fromkeys((case.asked, case.question))
    found = {question: _found(case, question) for question in asked}
    hits = _merged(list(found.values()))
    if not hits and case.understood.filters:
        return _none(case)
    before = resolved.lean[0] if resolved.lean else ""
    if before and not prefers_another(
        case.index, case.asked, hits, before, fragment=resolved.fragment
    ):
        leaning = replace(case, about=(Chip("about", before),))
        return _fact(leaning, _hits_of(case, resolved.lean), sure=True)
    share = case.settings.false_refusals
    sure = (h and supports(case.index, q, case.language, h, share) for q, h in found.items())
    if not any(sure):
        reason = compose.phrase("none_of_them", case.language) if resolved.among else ""
        return _refuse(case, hits, reason)
    if case.understood.kind in ("list", "count"):
        return _list(case, hits)
    paper = hits[0].paper
    meant = paper.arxiv_id in case.understood.named or quotes_title(case.question, paper)
    meant = meant or bool(case.understood.filters)
    return _fact(case, hits, sure=meant)


def _found(case: _Case, question: str) -> list[Hit]:
    filters = case.understood.filters or None
    return find(case.index, question, _TOP, filters, case.settings.dense_weight)


def _merged(searches: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return the papers of all searches, best first, each with its best score."""
    best: dict[str, Hit] = {}
    for hit in (hit for hits in searches for hit in hits):
        known = best.setdefault(hit.paper.arxiv_id, hit)
        if hit.score > known.score:
            best[hit.paper.arxiv_id] = hit
    return sorted(best.values(), key=lambda hit: -hit.score)[:_TOP]


def _hits_of(case: _Case, arxiv_ids: Sequence[str]) -> list[Hit]:
    only = Filters(arxiv_ids=tuple(arxiv_ids))
    found = find(case.index, case.question, len(arxiv_ids), only, case.settings.dense_weight)
    return sorted(found, key=lambda hit: arxiv_ids.index(hit.paper.arxiv_id))


def _fact(case: _Case, hits: Sequence[Hit], *, sure: bool) -> Draft:
    paper = hits[0].paper
    chosen = _quotes(case, paper, BUDGET)
    # A model reads the entry itself, and says what it does not state.
    doubtful = sure and not case.rough
    if doubtful and not states(case.index, case.question, paper, case.settings.false_refusals):
        reason = compose.phrase("no_detail", case.language, title=paper.title, id=paper.arxiv_id)
        said = compose.quoted(chosen[:1], paper.arxiv_id, case.language)
        text = f"{reason} {compose.phrase('does_say', case.language)} {said}"
        refusal = _refuse(case, hits, text, list_nearest=False)
        cited = (compose.cite(paper, chosen[:1]),)
        return replace(refusal, answer=replace(refusal.answer, citations=cited), open=True)
    text = compose.one_paper(paper, chosen, case.language)
    return Draft(_answer(case, text, hits, [(paper, chosen)]), open=True)


def _list(case: _Case, hits: Sequence[Hit]) -> Draft:
    kept = relevant(hits)[:_MOST_LISTED]
    items = [(hit.paper, _quotes(case, hit.paper, _LINE)[:1]) for hit in kept]
    text = compose.many_papers(items, case.language)
    if case.understood.kind == "count":
        text += "\n" + compose.phrase("by_search", case.language)
    return Draft(_answer(case, text, hits, items), open=True)


def _compare(case: _Case, arxiv_ids: Sequence[str]) -> Draft:
    hits = _hits_of(case, arxiv_ids[:3])
    papers = [hit.paper for hit in hits]
    used: dict[str, list[Quote]] = {paper.arxiv_id: [] for paper in papers}
    rows = []
    for name, asked in (
        ("row_asked", case.understood.question),
        ("row_what", "propose introduce 提出 what is it 是什么"),
        ("row_result", "how much results 多少 结果"),
    ):
        cells = []
        for paper in papers:
            best = _best(case, paper, asked)
            fresh = [quote for quote in best if quote not in used[paper.arxiv_id]]
            cells.append(fresh[: 2 if name == "row_asked" else 1])
            used[paper.arxiv_id] += cells[-1]
        rows.append((name, cells))
    text = compose.comparison(papers, rows, case.language)
    items = [(paper, used[paper.arxiv_id]) for paper in papers]
    return Draft(_answer(case, text, hits, items), open=True)


def _none(case: _Case, reason: str = "") -> Draft:
    """Say that no paper fits, and which digests do not print what was asked for."""
    understood = case.understood
    scope = compose.scope(understood.filters, case.language)
    said = reason or compose.phrase("none", case.language, scope=scope)
    holes = unprinted(case.index, understood.filters, understood.unknown, case.language)
    return _refuse(case, (), "\n".join([said, *holes]))


def _library(case: _Case, asked: str, edge: str) -> Draft:
    case = replace(case, about=())
    if asked == "paper" and (only := case.understood.filters or of_day(case.index, edge)):
        return _look_up(replace(case, understood=replace(case.understood, filters=only)))
    text = library(case.index, edge or asked, case.language)
    return Draft(replace(_answer(case, text, (), ()), mode="lookup"))


def _look_up(case: _Case) -> Draft:
    filters = case.understood.filters
    papers = case.index.store.papers(case.index.store.select(filters))
    scope = compose.scope(filters, case.language)
    if not papers:
        return _none(case)
    name = "count_one" if len(papers) == 1 else "count"
    lines = [compose.phrase(name, case.language, n=len(papers), scope=scope)]
    if case.understood.kind != "count":
        lines.append(compose.titles(papers, case.language))
    lines += unprinted(case.index, Filters(categories=filters.categories), (), case.language)
    cited = () if case.understood.kind == "count" else papers
    hits = [Hit(p, case.index.store.passages_of(p.arxiv_id)[0], 1.0) for p in cited]
    answer = _answer(case, "\n".join(lines), hits, [(p, ()) for p in cited])
    return Draft(replace(answer, mode="lookup"))


def _field(case: _Case, arxiv_ids: Sequence[str]) -> Draft:
    papers = case.index.store.papers(arxiv_ids[:_MOST_LISTED])
    text, told = all_printed(papers, case.understood.question, case.language)
    hits = _hits_of(case, arxiv_ids)
    if not told:
        return _refuse(case, hits, text, list_nearest=False)
    return Draft(replace(_answer(case, text, hits, [(p, ()) for p in told]), mode="lookup"))


def _refuse(
    case: _Case, hits: Sequence[Hit], reason: str = "", *, list_nearest: bool = True
) -> Draft:
    nearest = tuple(hit.paper for hit in hits[:3])
    text = compose.refusal(case.language, nearest if list_nearest else (), reason)
    answer = Answer(
        question=case.understood.question,
        text=text,
        language=case.language,
        is_refusal=True,
        hits=tuple(hits),
        nearest=nearest,
        **case.facts,
    )
    return Draft(answer)


def _quotes(case: _Case, paper: Paper, budget: float, asked: str | None = None) -> list[Quote]:
    question = asked or case.understood.question
    ranked = _ranked(case.index, question, case.language, paper, rough=case.rough)
    return [sentence.quote for sentence in extract.choose(ranked, budget)]


def _best(case: _Case, paper: Paper, asked: str) -> list[Quote]:
    """Return the paper's sentences, those that bear most on `asked` first."""
    ranked = _ranked(case.index, asked, case.language, paper, rough=case.rough)
    return [s.quote for s in sorted(ranked, key=lambda s: (-s.score, s.order))]


def quotes_for(
    index: Index, question: str, language: Language, paper: Paper, budget: float = BUDGET
) -> list[Quote]:
    """Return the paper's sentences that bear most on the question, within `budget` words."""
    ranked = _ranked(index, question, language, paper)
    return [sentence.quote for sentence in extract.choose(ranked, budget)]


def _ranked(
    index: Index, question: str, language: Language, paper: Paper, *, rough: bool = False
) -> list[extract.Sentence]:
    pool = extract.split(index.store.passages_of(paper.arxiv_id), language)
    return extract.rank(
        question,
        pool,
        title=paper.title,
        rarity=index.rarity,
        encode=None if rough else index.encode,
    )


def _answer(
    case: _Case,
    text: str,
    hits: Sequence[Hit],
    items: Sequence[tuple[Paper, Sequence[Quote]]],
) -> Answer:
    return Answer(
        question=case.understood.question,
        text=text,
        language=case.language,
        citations=tuple(compose.cite(paper, quotes) for paper, quotes in items),
        hits=tuple(hits),
        **case.facts,
    )
