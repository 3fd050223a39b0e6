"""Find papers: a lexical and a dense leg, fused by paper, under exact filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rag.arguments import check_filters
from rag.columns import Mask
from rag.errors import QuestionError
from rag.fusion import fuse, share_of_words, weight_for
from rag.index import Index, open_index
from rag.layouts.base import ARXIV_ID
from rag.lexicon import english_of, shipped_lexicon
from rag.postings import Query
from rag.question import plain_question
from rag.settings import Settings
from rag.text import strip_invisible
from rag.types import Filters, Hit, Paper, Passage

# How many papers the dense leg, and how many passages the lexical leg brings.
_PAPERS = 100
_PASSAGES = 200
# How far above the fused score, at most 1, a paper is lifted that is named by id.
_BY_ID = 3.0
# Names less sure than this are mostly terms of the trade (PPO, VLM), and lifting
# by them puts papers first that happen to use the acronym.
_SURE = 0.5
# The encoder and Chroma leave Python to the other leg while they work.
_BESIDE = ThreadPoolExecutor(32, thread_name_prefix="dense")


def search(
    question: str,
    *,
    top_k: int = 10,
    filters: Filters | None = None,
    settings: Settings | None = None,
) -> list[Hit]:
    """Return the `top_k` papers that fit the question best, best first, one hit each.

    Raises `QuestionError` for an empty or too long question, `SettingError` for filters
    of the wrong type and an `IndexFailure` when there is no usable index.
    """
    settings = settings or Settings.from_env()
    check_filters(filters)
    asked = checked(question, settings)
    index = open_index(settings)
    plain = plain_question(asked)
    return find(index, plain, top_k, filters, settings.dense_weight)


def checked(question: str, settings: Settings) -> str:
    """Return the question without control characters and outer white space.

    Raises `QuestionError` when it is no text, nothing is left or it is too long.
    """
    if not isinstance(question, str):
        raise QuestionError("The question is no text.", "Ask in a str.")
    asked = strip_invisible(question).strip()
    if not asked:
        raise QuestionError("The question is empty.", "Ask something about the digests.")
    if len(asked) > settings.max_question:
        raise QuestionError(
            f"The question has {len(asked):,} characters, more than {settings.max_question:,}.",
            "Shorten it, or set RAG_MAX_QUESTION.",
        )
    return asked


def find(  # noqa: PLR0913 (each is the caller's to say)
    index: Index,
    question: str,
    top_k: int,
    filters: Filters | None,
    dense_weight: float,
    *,
    names: bool = True,
) -> list[Hit]:
    """Search an open index; see `search`. The fused score lies in [0, 1].

    `names` lifts the papers that the question names.
    """
    allowed = index.store.allowed(filters) if filters else None
    if allowed is not None and not allowed.any():
        return []
    meant = _BESIDE.submit(dense_leg, index, question, allowed)
    lexical, lexical_rows = lexical_leg(index, question, allowed)
    dense, dense_rows = meant.result()
    fused = fuse(dense, lexical, weight_for(dense, lexical, dense_weight))
    if names:
        fused = _with_names(index, question, fused, allowed)
    best = sorted(fused, key=lambda paper: (-fused[paper], paper))[: max(top_k, 0)]
    rows = {**lexical_rows, **dense_rows}
    return [
        Hit(
            paper=paper,
            passage=_passage(index, paper, rows.get(paper.arxiv_id)),
            score=fused[paper.arxiv_id],
            dense=dense.get(paper.arxiv_id, 0.0),
            lexical=lexical.get(paper.arxiv_id, 0.0),
        )
        for paper in index.store.papers(best)
    ]


def _passage(index: Index, paper: Paper, row: int | None) -> Passage:
    """Return the passage in that row, the paper's first if None."""
    passages = index.store.passages_of(paper.arxiv_id)
    if row is None:
        return passages[0]
    number = int(index.dense.paper_of(np.array([row]))[0])
    return passages[row - index.dense.first_row_of(number)]


def _with_names(
    index: Index, question: str, fused: dict[str, float], allowed: Mask | None
) -> dict[str, float]:
    """Lift the papers that the question names, by id, title or name, above the rest.

    The scores are scaled back into [0, 1].
    """
    named = index.mentions(question)
    lift = {paper: weight for paper, weight in named.items() if weight >= _SURE}
    lift |= {m[1]: _BY_ID for m in ARXIV_ID.finditer(question) if index.store.paper(m[1])}
    if allowed is not None:
        numbers = {paper: index.store.number(paper) for paper in lift}
        lift = {p: weight for p, weight in lift.items() if allowed[numbers[p]]}
    if not lift:
        return fused
    lifted = {p: fused.get(p, 0.0) + lift.get(p, 0.0) for p in {**fused, **lift}}
    most = max(1.0, *lifted.values())
    return {paper: score / most for paper, score in lifted.items()}


def dense_leg(
    index: Index, question: str, allowed: Mask | None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return {arxiv id: likeness} and {arxiv id: row of the likest passage}."""
    vector = index.encoder.encode_queries([question])[0]
    papers, likeness, rows = index.dense.near(vector, _PAPERS, allowed)
    ids = index.store.ids(papers)
    found = [ids[number] for number in papers.tolist()]
    return dict(zip(found, likeness.tolist(), strict=True)), dict(
        zip(found, rows.tolist(), strict=True)
    )


def lexical_leg(
    index: Index, question: str, allowed: Mask | None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return {arxiv id: share of the question's words}, all above 0, and the best rows.

    The words are looked for as they are asked, and Chinese ones also as the English
    words that they stand for.
    """
    mask = None if allowed is None else index.dense.rows_of(allowed)
    own, rows = _by_words(index, question, mask)
    english = english_of(question, shipped_lexicon(question))
    translated, other_rows = _by_words(index, english, mask) if english else ({}, {})
    possible, translatable = index.lexical.possible(question), index.lexical.possible(english)
    return share_of_words(own, possible, translated, translatable), {**other_rows, **rows}


def _by_words(
    index: Index, words: Query, mask: Mask | None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return {arxiv id: best BM25 score} of the papers with any, and those rows."""
    rows, scores = index.lexical.top(words, _PASSAGES, mask)
    papers = index.dense.paper_of(rows)
    ids = index.store.ids(papers)
    found: dict[str, float] = {}
    best: dict[str, int] = {}
    for number, row, score in zip(papers.tolist(), rows.tolist(), scores.tolist(), strict=True):
        found.setdefault(ids[number], score)
        best.setdefault(ids[number], row)
    return found, best
