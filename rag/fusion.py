"""How meaning and words become one score: who tells of a paper, and what the legs weigh."""

from __future__ import annotations

from collections.abc import Mapping

# An abstract counts three times as much as the summaries of it: the best share on
# questions held out of the encoder's training, among thousands of papers.
_AUTHOR = 0.75
# A share of the words counts as much as this many times itself in cosine: good on
# held-out questions and on SciFact alike.
_SHARE_TO_COSINE = 1.25


def likeness(author: float | None, digest: float | None) -> float:
    """Return how like a question a paper is, from how like its tellings are.

    `author` is the best cosine similarity of the abstract, `digest` that of the
    summaries: two tellings of one paper err apart. None is a telling that the
    paper does not have; where it has none the likeness is 0.
    """
    if author is None or digest is None:
        return author or digest or 0.0
    return _AUTHOR * author + (1 - _AUTHOR) * digest


def weight_for(
    dense: Mapping[str, float],
    lexical: Mapping[str, float],
    possible: float,
    dense_weight: float,
) -> float:
    """Return the weight that the dense leg gets for one question, in [0, 1].

    `possible` is the highest BM25 score that a text could have for the question:
    what the best one has of it is the share of the question that words account
    for, whatever the length of the question and the size of the index.
    `dense_weight` is what the dense leg gets when the cosines range over 1.25
    times that share. The leg that sets papers apart further gets more: rare words
    of the question in a paper speak for the lexical leg.
    """
    near = dense_weight * (max(dense.values()) - min(dense.values())) if dense else 0.0
    share = max(lexical.values(), default=0.0) / possible if possible > 0 else 0.0
    words = (1 - dense_weight) * _SHARE_TO_COSINE * share
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
