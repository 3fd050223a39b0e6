"""Judge what was found: is it enough to answer, and which hits belong in a list."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from rag.index import Index
from rag.lexical import tokens
from rag.types import Hit, Language, Paper

_NEAR_BEST = 0.5
# Fitted by benchmarks/refusal.py on described questions about papers that the
# encoder was not trained on; docs/decisions/005-refusal.md says how and how well.
_WEIGHTS: dict[Language, tuple[float, float, float, float]] = {
    "en": (6.09, 5.63, 6.78, -4.93),
    "zh": (6.93, 5.98, 7.50, -5.20),
}
_LEAST: dict[Language, float] = {"en": -1.8, "zh": -2.5}
_FEWEST_HITS = 5


def supports(index: Index, question: str, language: Language, hits: Sequence[Hit]) -> bool:
    """Return whether the best of the hits bears on the question at all.

    A logistic score of three things: how near the best paper is in meaning, by
    how much it is nearer than the other hits, and how much of the question's
    information its texts share. Too few hits, under a narrow filter, say nothing.
    """
    if len(hits) < _FEWEST_HITS:
        return bool(hits)
    near, apart, shared, offset = _WEIGHTS[language]
    margin = hits[0].dense - fmean(hit.dense for hit in hits[1:])
    score = near * hits[0].dense + apart * margin
    score += shared * coverage(index, question, hits[0].paper) + offset
    return score >= _LEAST[language]


def coverage(index: Index, question: str, paper: Paper) -> float:
    """Return the share of the question's information, by idf, that the paper's texts share."""
    weights = {token: index.rarity(token) for token in tokens(question)}
    have: set[str] = set()
    for passage in index.store.passages_of(paper.arxiv_id):
        have.update(tokens(passage.indexed_text))
    return sum(w for t, w in weights.items() if t in have) / (sum(weights.values()) or 1.0)


def relevant(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that belong in a list: those near enough to the best one."""
    return [hit for hit in hits if hit.score >= _NEAR_BEST * hits[0].score]
