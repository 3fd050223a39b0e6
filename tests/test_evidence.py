"""Judging what was found: does an entry state it, and what belongs in a list."""

from __future__ import annotations

import pytest

from rag.evidence import relevant, states
from rag.index import Index, open_index
from rag.settings import Settings
from rag.types import Hit, Paper, Passage

SAFE, PPA, IMAGINE = "2505.20065", "2506.05739", "2505.10010"


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


def hits(*scores: float) -> list[Hit]:
    passage = Passage("x/abstract", "x", "abstract", "en", "T", "Text.")
    return [Hit(Paper(str(n), "T", ""), passage, score) for n, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("arxiv_id", "question", "stated"),
    [
        (IMAGINE, "How far do offline RL methods fall behind on hard tasks?", True),
        (IMAGINE, "现有离线RL方法在困难任务上的成功率是多少？", True),
        (SAFE, "How many GPUs did SafeDPO train on?", False),
        (SAFE, "SafeDPO用了多少块GPU？", False),
        (PPA, "How many kilograms does it weigh?", False),
        (SAFE, "What is SafeDPO?", True),
        (SAFE, "SafeDPO怎么做的？", True),
    ],
)
def test_whether_an_entry_can_state_what_is_asked(
    index: Index, arxiv_id: str, question: str, stated: bool
) -> None:
    paper = index.store.paper(arxiv_id)
    assert paper is not None
    assert states(index, question, paper) is stated


def test_a_list_follows_the_evidence_and_not_a_constant() -> None:
    assert len(relevant(hits(1.0, 0.99, 0.98, 0.97, 0.1))) == 4
    assert len(relevant(hits(1.0, 0.1, 0.1))) == 1
    assert len(relevant(hits(0.5))) == 1


def test_a_list_keeps_the_order_and_the_best() -> None:
    kept = relevant(hits(0.9, 0.89, 0.2))
    assert [hit.paper.arxiv_id for hit in kept] == ["0", "1"]


def test_a_list_of_nothing() -> None:
    assert relevant([]) == []
