"""Papers kept out of the training, and how often their questions find them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.default_model import MAX_TOKENS
from rag.text import language_of
from rag.training.corpus import ParallelPaper
from rag.training.network import Cutter, Network, encode
from rag.types import Language

# What asks for a paper where nobody wrote a question for it.
_STAND_IN = "tldr"


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Papers that the training does not see, with their questions, among others."""

    papers: tuple[ParallelPaper, ...]
    others: tuple[ParallelPaper, ...]

    @property
    def questions(self) -> list[tuple[str, int]]:
        """Each question with the position of its paper."""
        return [(q, n) for n, paper in enumerate(self.papers) for q in _questions(paper)]


Recall = dict[Language, float]


def split(
    papers: Sequence[ParallelPaper], share: float, among: int
) -> tuple[list[ParallelPaper], HoldOut]:
    """Return the papers to train on, and about a `share` of those with questions held out.

    A paper's arXiv id alone decides, so that a paper stays held out when others
    come or go. Where no paper has questions, Chinese TL;DRs stand in for them.
    The held-out papers are to be found among all of them and `among` others.
    """
    asked = any(paper.questions for paper in papers)
    held: list[ParallelPaper] = []
    kept: list[ParallelPaper] = []
    for paper in papers:
        fit = bool(paper.questions) if asked else _STAND_IN in paper.chinese
        (held if fit and _place(paper.arxiv_id) < share else kept).append(paper)
    return kept, HoldOut(tuple(held), tuple(sorted(kept, key=_by_place)[:among]))


def recall_at_1(
    network: Network,
    cutter: Cutter,
    hold_out: HoldOut,
    longest: int,
    progress: Callable[[int], Any] | None = None,
) -> Recall:
    """Return R@1 by language: the share of the questions whose own paper is the nearest.

    Questions, cut to `longest` tokens, against titles with English abstracts:
    what a Chinese question finds there it finds by meaning. Empty where nothing
    is held out.
    """
    questions = hold_out.questions
    if not questions:
        return {}
    passages = [f"{p.title}\n{p.abstract}" for p in (*hold_out.papers, *hold_out.others)]
    asked = cutter([text for text, _ in questions], longest)
    vectors = encode(network, cutter(passages, MAX_TOKENS) + asked, progress)
    found = np.argmax(vectors[len(passages) :] @ vectors[: len(passages)].T, axis=1)
    hits: dict[Language, list[bool]] = {}
    for (text, paper), first in zip(questions, found.tolist(), strict=True):
        hits.setdefault(language_of(text), []).append(first == paper)
    return {language: sum(one) / len(one) for language, one in sorted(hits.items())}


def _questions(paper: ParallelPaper) -> tuple[str, ...]:
    return paper.questions or (paper.chinese[_STAND_IN],)


def _by_place(paper: ParallelPaper) -> float:
    return _place(paper.arxiv_id)


def _place(arxiv_id: str) -> float:
    """Return a number in [0, 1) that looks random but never changes."""
    return int.from_bytes(hashlib.sha256(arxiv_id.encode()).digest()[:6], "big") / 2**48
