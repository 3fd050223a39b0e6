import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.judge import is_about_evidence, judge
from rag.types import Passage

PPA = "PPA varies the structure of system prompts and cuts attacks to 1.85%."
RAGS = "Retrieval improves accuracy by 12.5% over GPT-4o."
EVIDENCE = {
    "2506.05739": [Passage("a", "2506.05739", "abstract", "en", "PPA", PPA)],
    "2505.00018": [Passage("b", "2505.00018", "abstract", "en", "Retrieval", RAGS)],
}


def judged(text: str) -> str:
    return judge(text, "en", EVIDENCE)[0]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        # A citation behind the full stop belongs to the sentence before it.
        ("PPA varies prompts. [2506.05739] Fine.", "PPA varies prompts [2506.05739]. Fine."),
        # An uncited sentence gets the citation of the paper that says it.
        (
            "Retrieval improves accuracy by 12.5%.",
            "Retrieval improves accuracy by 12.5% [2505.00018].",
        ),
        # A number of another paper does not count.
        (
            "PPA cuts attacks to 12.5% [2506.05739].",
            "PPA cuts attacks to 12.5% [2506.05739] (not in the source: 12.5%).",
        ),
        # Nor does the text of a paper that is not cited.
        (
            "Retrieval improves accuracy [2506.05739].",
            "Retrieval improves accuracy [2506.05739] (not confirmed by the source).",
        ),
        # Both cited papers count together.
        (
            "PPA cuts attacks and retrieval improves accuracy [2506.05739] [2505.00018].",
            "PPA cuts attacks and retrieval improves accuracy [2506.05739] [2505.00018].",
        ),
        # A sentence that begins in bold is one of its own.
        (
            "PPA varies prompts [2506.05739]. **Bananas** grow on islands.",
            "PPA varies prompts [2506.05739]. **Bananas** grow on islands "
            "(not confirmed by the source).",
        ),
        # Headings, lead-ins, questions and remarks on the evidence claim nothing.
        ("Two papers bear on this:", "Two papers bear on this:"),
        ("## Results", "## Results"),
        ("The evidence does not state the cost.", "The evidence does not state the cost."),
        # Lists keep their form.
        (
            "1. PPA varies prompts.\n2. Bananas grow on islands.",
            "1. PPA varies prompts [2506.05739].\n"
            "2. Bananas grow on islands (not confirmed by the source).",
        ),
        # The model's own list of references goes.
        (
            "PPA varies prompts [2506.05739].\n\nReferences:\n- PPA",
            "PPA varies prompts [2506.05739].",
        ),
    ],
)
def test_an_answer_is_read_sentence_by_sentence(text: str, read: str) -> None:
    assert judged(text) == read


def test_chinese_is_marked_in_chinese() -> None:
    chinese = {
        "2506.05739": [
            Passage("a", "2506.05739", "tldr", "zh", "PPA", "PPA 随机改变系统提示的结构。")
        ]
    }
    text, found = judge("PPA 改变系统提示的结构。攻击率降至57%[2506.05739]。", "zh", chinese)
    assert text == (
        "PPA 改变系统提示的结构[2506.05739]。攻击率降至57%[2506.05739]（来源中没有 57%）。"
    )
    assert [c.added for c in found] == [True, False]


def test_no_text_is_encoded_twice() -> None:
    import numpy as np

    seen: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.ones((len(texts), 2), dtype=np.float32) / np.sqrt(2)

    judge("PPA varies prompts [2506.05739]. PPA cuts attacks.", "en", EVIDENCE, encode=encode)
    assert seen
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("The passages do not mention its price.", True),
        ("None of the provided abstracts states a date.", True),
        ("There isn't any information about that in the evidence.", True),
        ("论文中没有提到训练成本。", True),
        ("The method does not need labels.", False),
        ("该方法不需要重新训练。", False),
    ],
)
def test_a_remark_on_the_evidence_is_known(text: str, about: bool) -> None:
    assert is_about_evidence(text) is about


@given(
    st.lists(
        st.sampled_from(
            [
                *("PPA", " varies prompts", "Bananas grow", "Retrieval improves accuracy", "香蕉"),
                *(". ", "**", "*", "_", "\n", "- ", "2. ", "## ", "。", "！", ") ", '"', ": "),
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_nothing_of_an_answer_is_lost(text: str) -> None:
    read = judged(text)
    read = re.sub(r"\(not (?:confirmed by|in) the source[^)]*\)|\[250\d\.\d{5}\]", "", read)
    assert "".join(read.split()) == "".join(text.split())
