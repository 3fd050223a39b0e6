"""Is what was found enough to answer? Which of the hits belong in a list?"""

from __future__ import annotations

from collections.abc import Sequence

from rag.index import Index
from rag.types import Hit, Language, Paper


def supports(index: Index, question: str, language: Language, hit: Hit) -> bool:
    """Return whether the best hit bears on the question at all."""
    return True


def states(index: Index, question: str, language: Language, paper: Paper) -> bool:
    """Return whether the paper's entry states what is asked of it."""
    return True


def relevant(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that belong in a list: those near enough to the best one."""
    return [hit for hit in hits if hit.score >= 0.6 * hits[0].score]
