"""Find papers: a lexical and a dense leg, fused by paper, under exact filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rag.errors import QuestionError
from rag.fusion import fuse, likeness, weight_for
from rag.index import Index, open_index
from rag.layouts.base import ARXIV_ID
from rag.names import mentions
from rag.passages import telling_of
from rag.question import plain_question
from rag.settings import Settings
from rag.text import strip_invisible
from rag.types import Filters, Hit

# How many passages each leg brings to the fusion.
_POOL = 200
# How far above the fused score, at most 1, a paper is lifted that is named by id.
_BY_ID = 3.0
# Names less sure than this are mostly terms of the trade (PPO, VLM), and lifting
# by them puts papers first that happen to use the acronym.
_SURE = 0.5


def search(
    question: str,
    *,
    top_k: int = 10,
    filters: Filters | None = None,
    settings: Settings | None = None,
) -> list[Hit]:
    """Return the `top_k` papers that fit the question best, best first, one hit each.

    Raises `QuestionError` for an empty or too long question and an `IndexFailure`
    when there is no usable index.
    """
    settings = settings or Settings.from_env()
    asked = checked(question, settings)
    index = open_index(settings)
    plain = plain_question(asked)
    return find(index, plain, top_k, filters, settings.dense_weight)


def checked(question: str, settings: Settings) -> str:
    """Return the question without control characters and outer white space.

    Raises `QuestionError` when nothing is left or it is too long.
    """
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
    allowed = index.store.select(filters) if filters else None
    if allowed is not None and not allowed:
        return []
    dense, dense_rows = dense_leg(index, question, allowed)
    lexical, lexical_rows = lexical_leg(index, question, allowed)
    possible = index.lexical.possible(question)
    fused = fuse(dense, lexical, weight_for(dense, lexical, possible, dense_weight))
    if names:
        fused = _with_names(index, question, fused, allowed)
    best = sorted(fused, key=lambda paper: (-fused[paper], paper))[: max(top_k, 0)]
    rows = {**lexical_rows, **dense_rows}
    chosen = {paper: rows[paper] if paper in rows else _first_row(index, paper) for paper in best}
    passages = index.store.passages(list(chosen.values()))
    return [
        Hit(
            paper=paper,
            passage=passages[chosen[paper.arxiv_id]],
            score=fused[paper.arxiv_id],
            dense=dense.get(paper.arxiv_id, 0.0),
            lexical=lexical.get(paper.arxiv_id, 0.0),
        )
        for paper in index.store.papers(best)
    ]


def _first_row(index: Index, arxiv_id: str) -> int:
    """Return the row of a paper's first passage; it has at least one."""
    return index.rows[index.store.passages_of(arxiv_id)[0].id]


def _with_names(
    index: Index, question: str, fused: dict[str, float], allowed: list[str] | None
) -> dict[str, float]:
    """Lift the papers that the question names, by id, title or name, above the rest.

    The scores are scaled back into [0, 1].
    """
    named = mentions(question, index.store.named)
    lift = {paper: weight for paper, weight in named.items() if weight >= _SURE}
    lift |= {m[1]: _BY_ID for m in ARXIV_ID.finditer(question) if index.store.paper(m[1])}
    if allowed is not None:
        kept = set(allowed)
        lift = {paper: weight for paper, weight in lift.items() if paper in kept}
    if not lift:
        return fused
    lifted = {p: fused.get(p, 0.0) + lift.get(p, 0.0) for p in {**fused, **lift}}
    most = max(1.0, *lifted.values())
    return {paper: score / most for paper, score in lifted.items()}


def dense_leg(
    index: Index, question: str, allowed: list[str] | None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return {arxiv id: likeness} and {arxiv id: row of the likest passage}.

    A telling that is not among the nearest passages counts as the least near.
    """
    vector = index.encoder.encode_queries([question])[0]
    ids = None
    if allowed is not None:
        ids = [p.id for arxiv_id in allowed for p in index.store.passages_of(arxiv_id)]
    near = index.vectors.nearest(vector, _POOL, ids)
    best: dict[str, dict[str, float]] = {}
    rows: dict[str, int] = {}
    for passage_id, similarity in near:
        arxiv_id, telling = telling_of(passage_id)
        best.setdefault(arxiv_id, {}).setdefault(telling, similarity)
        rows.setdefault(arxiv_id, index.rows[passage_id])
    scores = {
        paper: likeness(
            *(
                found.get(telling, near[-1][1]) if telling in index.tellings[paper] else None
                for telling in ("author", "digest")
            )
        )
        for paper, found in best.items()
    }
    return scores, rows


def lexical_leg(
    index: Index, question: str, allowed: list[str] | None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return {arxiv id: best BM25 score} of the papers with any, and those rows."""
    scores = index.lexical.scores(question)
    if allowed is not None:
        wanted = set(allowed)
        numbers = [n for n, arxiv_id in enumerate(index.paper_ids) if arxiv_id in wanted]
        scores = np.where(np.isin(index.owners, numbers), scores, 0.0)
    found: dict[str, float] = {}
    rows: dict[str, int] = {}
    for row in _best_rows(scores, _POOL):
        arxiv_id = index.paper_ids[index.owners[row]]
        if arxiv_id not in found:
            found[arxiv_id] = float(scores[row])
            rows[arxiv_id] = row
    return found, rows


def _best_rows(scores: NDArray[np.float32], count: int) -> list[int]:
    """Return the rows of the `count` highest positive scores, best first."""
    if len(scores) > count:
        top = np.argpartition(-scores, count)[:count]
    else:
        top = np.arange(len(scores))
    order = top[np.lexsort((top, -scores[top]))]
    return [int(row) for row in order if scores[row] > 0]
