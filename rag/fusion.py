"""How meaning and words become one score: who tells of a paper, and what the legs weigh."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# An abstract counts three times as much as the summaries of it: the best share on
# questions held out of the encoder's training, among thousands of papers.
_AUTHOR = 0.75
# A share of the words counts as much as this many times itself in cosine: good on
# held-out questions and on SciFact alike.
_SHARE_TO_COSINE = 1.25
# A word found by translation counts less than one found as it was asked: with more,
# papers that share common words pass those that a question names.
_TRANSLATED = 0.5
# Of a text's sentences those like the question count: with 0 all alike, without end
# the best one alone.
_SHARPNESS = 10.0


def attended(near: Floats, begins: NDArray[np.int64]) -> Floats:
    """Return each group's mean similarity, in which those most alike count most.

    `near` holds the cosine similarities of sentences, one group of neighbours after
    another; `begins` says where each group begins, the first at 0. The weights are
    the softmax of ten times the similarities, as in attention: a paper is asked for
    by what one or two of its sentences say, and a single one is chance.
    """
    weights = np.exp(_SHARPNESS * (near.astype(np.float64) - 1))
    total = np.add.reduceat(weights * near, begins)
    return np.asarray(total / np.add.reduceat(weights, begins), dtype=np.float32)


def weighted_likeness(author: Floats, digest: Floats) -> Floats:
    """Return how like a question papers are, from how like their tellings are.

    `author` holds the likeness of the abstracts, `digest` that of the summaries, both
    of shape (papers,): two tellings of one paper err apart.
    -inf is a telling that a paper does not have; each has one at least.
    """
    both = _AUTHOR * author + (1 - _AUTHOR) * digest
    return np.asarray(np.where(np.isfinite(both), both, np.maximum(author, digest)), np.float32)


def share_of_words(
    own: Mapping[str, float],
    possible: float,
    translated: Mapping[str, float],
    translatable: float,
) -> dict[str, float]:
    """Return what share of a question's words each paper accounts for, >= 0.

    `own` are the papers' BM25 scores for the question's words and `possible` the
    highest that a text could have: their ratio is the same scale whatever the
    length of the question and the size of the index. `translated` and
    `translatable` are the same for the English words that Chinese ones stand for,
    which count half.
    """
    shares = {paper: score / possible for paper, score in own.items()} if possible > 0 else {}
    if translatable > 0:
        for paper, score in translated.items():
            shares[paper] = shares.get(paper, 0.0) + _TRANSLATED * score / translatable
    return shares


def weight_for(
    dense: Mapping[str, float],
    lexical: Mapping[str, float],
    dense_weight: float,
) -> float:
    """Return the weight that the dense leg gets for one question, in [0, 1].

    `dense` holds cosines, `lexical` shares of the question's words. `dense_weight`
    is what the dense leg gets when the cosines range over 1.25 times the best
    share. The leg that sets papers apart further gets more: rare words
    of the question in a paper speak for the lexical leg.
    """
    near = dense_weight * (max(dense.values()) - min(dense.values())) if dense else 0.0
    words = (1 - dense_weight) * _SHARE_TO_COSINE * max(lexical.values(), default=0.0)
    return near / (near + words) if near + words > 0 else dense_weight


def fuse(
    dense: Mapping[str, float], lexical: Mapping[str, float], dense_weight: float
) -> dict[str, float]:
    """Return the weighted sum of the two legs' min-max normalised scores, by paper.

    A paper that a leg did not bring has that leg's lowest score. The lexical
    minimum is 0, no word in common, so that a lone lexical match counts fully.
    """
    near, words = _scaled(dense, None), _scaled(lexical, 0.0)
    return {
        paper: dense_weight * near.get(paper, 0.0) + (1 - dense_weight) * words.get(paper, 0.0)
        for paper in {**near, **words}
    }


def _scaled(scores: Mapping[str, float], floor: float | None) -> dict[str, float]:
    if not scores:
        return {}
    low = min(scores.values()) if floor is None else floor
    span = max(scores.values()) - low
    return {paper: (s - low) / span if span > 0 else 1.0 for paper, s in scores.items()}
