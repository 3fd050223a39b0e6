"""From a question to a cited answer: retrieve, judge the evidence, write, cite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag import extract
from rag.index import Index, open_index
from rag.search import checked, find
from rag.settings import Settings
from rag.text import language_of
from rag.types import (
    Answer,
    Citation,
    Done,
    Event,
    Filters,
    Hit,
    Language,
    Paper,
    Quote,
    Retrieved,
    Token,
    Turn,
)

_TOP = 10
_BUDGET = 105.0


def answer(
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    llm: object = None,
    settings: Settings | None = None,
) -> Answer:
    events = stream(question, history=history, filters=filters, llm=llm, settings=settings)
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise AssertionError("a stream ends with Done")


def stream(
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    llm: object = None,
    settings: Settings | None = None,
) -> Iterator[Event]:
    settings = settings or Settings.from_env()
    asked = checked(question, settings)
    index = open_index(settings)
    language = language_of(asked)
    hits = find(index, asked, _TOP, filters, settings.dense_weight)
    yield Retrieved(tuple(hits))
    result = extractive(index, asked, language, hits)
    yield Token(result.text)
    yield Done(result)


def extractive(index: Index, question: str, language: Language, hits: list[Hit]) -> Answer:
    if not hits:
        return Answer(question, "-", language, is_refusal=True)
    paper = hits[0].paper
    chosen = quotes(index, question, language, paper)
    text = lead(paper, language) + "".join(
        (" " if language == "en" else "") + f"{q.text} [{paper.arxiv_id}]" for q in chosen
    )
    return Answer(
        question,
        text,
        language,
        citations=(Citation(paper.arxiv_id, paper.title, paper.url, tuple(chosen)),),
        hits=tuple(hits),
    )


def quotes(index: Index, question: str, language: Language, paper: Paper) -> list[Quote]:
    pool = extract.split(index.store.passages_of(paper.arxiv_id), language)
    ranked = extract.rank(
        question,
        pool,
        title=paper.title,
        frequency=index.lexical.document_frequency,
        total=index.store.passage_count,
        encode=index.encoder.encode_queries if language == "en" else None,
    )
    return [s.quote for s in extract.choose(ranked, _BUDGET)]


def lead(paper: Paper, language: Language) -> str:
    if language == "zh":
        return f"《{paper.title}》[{paper.arxiv_id}]："
    return f"“{paper.title}” [{paper.arxiv_id}]:"
