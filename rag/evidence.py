"""Judge what was found: is it enough to answer, and which hits belong in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import fmean

import numpy as np

from rag.aspects import content
from rag.index import Index
from rag.types import Hit, Language

_CLEARLY_BETTER, _MOST = 0.35, 0.5
_NEAR_BEST = 0.55
# Fitted by benchmarks/refusal.py on described questions about papers that the
# encoder was not trained on; docs/decisions/005-refusal.md says how and how well.
_WEIGHTS: dict[Language, tuple[float, ...]] = {
    "en": (12.53, 1.33, 4.88, 1.01, 6.0, -7.33),
    "zh": (11.33, -1.42, 5.48, 7.08, 8.66, -7.85),
}
# The shares of answerable questions whose scores a build writes down.
LEVELS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
# Of the same for an index that is too small to say: the papers of seeds/.
_USUAL: dict[str, tuple[float, ...]] = {
    "en": (-5.3, -3.6, -3.2, -2.5, -2.2, -2.0, -1.4, -1.0, -0.5, 0.6),
    "zh": (-4.9, -4.5, -3.9, -3.8, -2.7, -2.0, -1.5, -0.8, 2.2, 7.2),
    "en short": (-2.1, -1.9, -1.7, -1.3, -1.1, -0.9, -0.1, 0.1, 0.9, 2.2),
    "zh short": (-4.4, -4.4, -4.4, -2.8, 1.0, 2.0, 2.5, 3.3, 3.8, 5.3),
}
# A question of so few tokens at most has no room to say a thing otherwise: a paper that
# is about it has its words, and it is measured against such questions.
_SHORT: dict[Language, int] = {"en": 4, "zh": 7}
FEWEST_HITS = 5
# How many papers after the best one its words are held against.
_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Bearing:
    """How the best paper bears on a question; each a number.

    `near` is its likeness in meaning, `margin` how much more that is than the other
    hits' mean, `shared` the share of the question's information that its words
    hold, `more` how much more that is than the next papers' mean, and `lead` its
    lead in the fused score over the second.
    """

    near: float
    margin: float
    shared: float
    more: float
    lead: float


def supports(
    index: Index,
    question: str,
    language: Language,
    hits: Sequence[Hit],
    false_refusals: float,
) -> bool:
    """Return whether the best of the hits bears on the question at all.

    A logistic score of `Bearing` that is no lower than all but the share
    `false_refusals` of the index's own questions score. Too few hits, under a narrow
    filter, say nothing.
    """
    if len(hits) < FEWEST_HITS:
        return bool(hits)
    kind = like(question, language)
    least = threshold(index.manifest.calibration.get(kind, ()), kind, false_refusals)
    return score(bearing(index, question, hits), language) >= least


def like(question: str, language: Language) -> str:
    """Return which of the index's own questions this one is measured against."""
    return short(language) if len(content(question)) <= _SHORT[language] else language


def short(language: Language) -> str:
    """Return the kind of the short questions of a language."""
    return f"{language} short"


def threshold(scores: Sequence[float], kind: str, false_refusals: float) -> float:
    """Return the score below which a question is refused.

    `scores` are those of `LEVELS` for questions of that `kind` (see `like`); between
    them it is interpolated. A share of 0 refuses nothing.
    """
    if not false_refusals:
        return float("-inf")
    usual = _USUAL[kind]
    return float(np.interp(false_refusals, LEVELS, scores if len(scores) == len(usual) else usual))


def score(found: Bearing, language: Language) -> float:
    """Return how probable it is that the digests answer the question, in log odds."""
    *weights, offset = _WEIGHTS[language]
    return float(np.dot(weights, astuple(found))) + offset


def bearing(index: Index, question: str, hits: Sequence[Hit]) -> Bearing:
    """Return how the best of at least two hits bears on the question."""
    best, *others = hits
    shared = coverage(index, question, best.paper.arxiv_id)
    return Bearing(
        near=best.dense,
        margin=best.dense - fmean(hit.dense for hit in others),
        shared=shared,
        more=shared
        - fmean(coverage(index, question, hit.paper.arxiv_id) for hit in others[:_OTHERS]),
        lead=best.score - others[0].score,
    )


def coverage(index: Index, question: str, arxiv_id: str) -> float:
    """Return the share of the question's information, by idf, that the paper's texts share."""
    weights = {token: index.rarity(token) for token in content(question)}
    have = index.words(arxiv_id)
    return sum(w for t, w in weights.items() if t in have) / (sum(weights.values()) or 1.0)


def prefers_another(
    index: Index, question: str, hits: Sequence[Hit], before: str, *, fragment: bool
) -> bool:
    """Return whether the search clearly prefers another paper to `before`, talked about so far.

    For a `fragment` of a few words, which is like any paper, that one also has to have
    most of them, and more than the other.
    """
    scores = {hit.paper.arxiv_id: hit.score for hit in hits}
    if not hits or hits[0].score - scores.get(before, 0.0) <= _CLEARLY_BETTER:
        return False
    if not fragment:
        return True
    found = coverage(index, question, hits[0].paper.arxiv_id)
    return found > max(_MOST, coverage(index, question, before))


def relevant(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that belong in a list: those near enough to the best one."""
    return [hit for hit in hits if hit.score >= _NEAR_BEST * hits[0].score]
