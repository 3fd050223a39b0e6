"""What a question asks for beside the words that ask, and the kinds of details."""

from __future__ import annotations

import pytest

from rag.aspects import DETAILS, content, own_topic


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("what does it do?", []),
        ("它是做什么的？", []),
        ("Which paper uses lattices?", ["lattic"]),
        ("用了哪些数据集？", ["数据", "据集"]),
        ("", []),
    ],
)
def test_only_what_is_asked_for_is_left(question: str, left: list[str]) -> None:
    assert content(question) == left


@pytest.mark.parametrize(
    ("question", "tells", "silent"),
    [
        ("which GPU?", "trained on eight A100 cards", "we train a model"),
        ("用的什么显卡？", "在8张显卡上训练", "我们训练了模型"),
        ("what learning rate?", "a learning rate of 1e-4", "we learn fast"),
        ("who funded it?", "supported by a grant", "we find that"),
        ("发在哪个会议？", "已被会议录用", "本文提出方法"),
        ("how much did it cost in dollars?", "for $29 per run", "at scale"),
        ("参数量多大？", "参数量为 7B", "一个模型"),
        ("where is the code?", "https://github.com/x/y", "we propose"),
    ],
)
def test_a_kind_of_detail_has_its_sign(question: str, tells: str, silent: str) -> None:
    signs = [sign for asked, sign in DETAILS if asked.search(question)]
    assert signs
    assert all(sign.search(tells) for sign in signs)
    assert not any(sign.search(silent) for sign in signs)


@pytest.mark.parametrize(
    "question", ["What is it about?", "它提出了什么？", "what are the results?"]
)
def test_what_every_entry_tells_is_no_detail(question: str) -> None:
    assert not any(asked.search(question) for asked, _ in DETAILS)


@pytest.mark.parametrize(
    ("question", "own"),
    [
        ("What about quantization?", True),
        ("那联邦学习呢？", True),
        ("and diffusion models?", True),
        ("and its results?", False),
        ("What about the limitations?", False),
        ("为什么？", False),
        ("那结果呢？", False),
        ("效果怎么样", False),
        ("", False),
    ],
)
def test_a_subject_is_more_than_what_any_paper_has(question: str, own: bool) -> None:
    assert own_topic(question) is own
