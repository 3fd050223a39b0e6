"""Whether an entry states what is asked of its paper."""

from __future__ import annotations

import pytest

from rag.details import asked_of, score, states
from rag.index import Index, open_index
from rag.names import without_names
from rag.settings import Settings

SAFE, PPA, IMAGINE, T2L = "2505.20065", "2506.05739", "2505.10010", "2506.06105"


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


@pytest.mark.parametrize(
    ("arxiv_id", "question", "stated"),
    [
        (IMAGINE, "How far do offline RL methods fall behind on hard tasks?", True),
        (IMAGINE, "现有离线RL方法在困难任务上的成功率是多少？", True),
        (SAFE, "What is SafeDPO?", True),
        (SAFE, "SafeDPO怎么做的？", True),
        (SAFE, "Does SafeDPO need a reward model?", True),
        (PPA, "How much overhead does the polymorphic prompt add?", True),
        (PPA, "PPA 的开销有多大？", True),
        (SAFE, "How many GPUs did SafeDPO train on?", False),
        (SAFE, "SafeDPO用了多少块GPU？", False),
        (SAFE, "What learning rate does SafeDPO use?", False),
        (SAFE, "SafeDPO 的批大小是多少？", False),
        (SAFE, "Who funded SafeDPO?", False),
        (T2L, "Under which licence is Text-to-LoRA released?", False),
        (T2L, "Text-to-LoRA 训练花了多少钱？", False),
        (IMAGINE, "Which optimizer was used for ImagineBench?", False),
        (IMAGINE, "ImagineBench 发表在哪个会议上？", False),
        (PPA, "How many kilograms does it weigh?", False),
    ],
)
def test_whether_an_entry_can_state_what_is_asked(
    index: Index, arxiv_id: str, question: str, stated: bool
) -> None:
    paper = index.store.paper(arxiv_id)
    assert paper is not None
    assert states(index, question, paper, 0.05) is stated


def test_the_wish_to_refuse_nothing_is_kept(index: Index) -> None:
    paper = index.store.paper(SAFE)
    assert paper is not None
    assert states(index, "How many GPUs did SafeDPO train on?", paper, 0.0)


def test_the_more_may_be_refused_the_surer_it_must_be(index: Index) -> None:
    paper = index.store.paper(SAFE)
    assert paper is not None
    question = "What learning rate does SafeDPO use?"
    said = [states(index, question, paper, share) for share in (0.001, 0.05, 0.3, 0.5)]
    assert said == sorted(said, reverse=True)


def test_what_an_entry_bears_on_a_question_is_told_apart(index: Index) -> None:
    paper = index.store.paper(IMAGINE)
    assert paper is not None
    asked = without_names("Which GPU does ImagineBench need for nuScenes?", paper)
    found = asked_of(index, asked, paper)
    assert "ImagineBench" not in asked
    assert (found.unsigned, found.signed) == (1.0, 0.0)
    assert found.strange >= 1.0
    assert found.valueless == found.uncounted == 0.0
    counted = asked_of(index, "how many giraffes", paper)
    assert 0 < counted.uncounted <= 1
    assert score(counted) < score(asked_of(index, "offline reinforcement learning", paper))
