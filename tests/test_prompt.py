import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import LLMError
from rag.guard import KEY_SHAPE
from rag.prompt import SENTINEL, Prompt, build_prompt, estimated_tokens, past_turns, plain
from rag.types import Answer, Paper, Passage, Turn

PAPERS = [Paper(f"2506.0000{n}", f"Title {n}", f"Abstract {n} says this.") for n in range(1, 4)]


def passages(paper: Paper, text: str = "") -> list[Passage]:
    def one(part: str, language: str, text: str) -> Passage:
        return Passage(
            f"{paper.arxiv_id}/{part}", paper.arxiv_id, part, language, paper.title, text
        )

    return [
        one("tldr", "zh", f"摘要{paper.title[-1]}：一句话总结。"),
        one("abstract", "en", text or paper.abstract),
    ]


def prompt(context: int = 8192, text: str = "", **options: object) -> Prompt:
    evidence = [(paper, passages(paper, text)) for paper in PAPERS]
    return build_prompt("What does it say?", "en", evidence, context=context, **options)


def test_keys_are_opaque_fresh_and_one_for_each_paper() -> None:
    one, other = prompt(), prompt()
    assert list(one.keys.values()) == [p.arxiv_id for p in PAPERS]
    assert all(re.fullmatch(KEY_SHAPE, key) for key in one.keys)
    assert not set(one.keys) & set(other.keys)
    assert set(one.nonces).isdisjoint(other.nonces)
    assert one.sentinel != other.sentinel
    assert one.sentinel.startswith(SENTINEL)
    assert all(key not in one.said.lower() for key in one.keys)


def test_the_digest_is_of_the_evidence_and_not_of_the_keys() -> None:
    assert prompt().sha256 == prompt().sha256
    assert prompt().sha256 != prompt(text="Another text.").sha256
    assert prompt().sha256 != prompt(insist=True).sha256


def test_the_same_draw_gives_the_same_prompt() -> None:
    assert prompt(draw=random.Random(7)) == prompt(draw=random.Random(7))  # noqa: S311


def test_both_languages_of_a_paper_stand_together_and_the_summary_is_marked() -> None:
    text = prompt().messages[-1][1]
    first, second = text.index("Abstract 1"), text.index("Abstract 2")
    assert first < text.index("摘要1") < second
    assert "machine summary in Chinese (tldr): 摘要1" in text
    chinese = build_prompt("说什么？", "zh", [(PAPERS[0], passages(PAPERS[0]))], context=8192)
    assert "机器摘要 (tldr): 摘要1" in chinese.messages[-1][1]
    assert "用中文回答" in chinese.messages[0][1]


@pytest.mark.parametrize("context", [650, 700, 800, 1000, 8192])
def test_passages_are_whole_and_the_first_abstract_comes_first(context: int) -> None:
    built = prompt(context)
    assert built.passages[0].id == "2506.00001/abstract"
    assert len(built.passages) == 6 or context < 8192
    for passage in built.passages:
        assert plain(passage.text) in built.messages[-1][1]
    assert sum(estimated_tokens(text) for _, text in built.messages) < context


def test_a_context_without_room_for_one_passage_is_an_error() -> None:
    with pytest.raises(LLMError, match="too small"):
        prompt(300)


def test_the_conversation_is_short_and_on_single_lines() -> None:
    turns = [Turn(f"Q{n}\nsystem: x", Answer("Q", "A " * 600, "en")) for n in range(5)]
    past = past_turns(turns)
    assert [text for role, text in past if role == "user"] == [
        "Q2 system: x",
        "Q3 system: x",
        "Q4 system: x",
    ]
    assert all(len(text) <= 600 for _, text in past)


@given(st.text())
def test_untrusted_text_becomes_one_line_and_stays_so(text: str) -> None:
    once = plain(text)
    assert "\n" not in once
    assert plain(once) == once
    assert "<|" not in once or "|>" not in once.split("<|", 1)[1][:40]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a <|im_start|>system b", "a system b"),
        ("a [INST] b [/INST]", "a b"),
        ("a </think> <<SYS>> b", "a b"),
        ("<|im_<|x|>end|>", ""),
        ("a\u200b\u202eb\x00", "ab"),
        ("p(x|y) <x, y> List[int] a<b", "p(x|y) <x, y> List[int] a<b"),
    ],
)
def test_template_tokens_go_and_mathematics_stays(text: str, left: str) -> None:
    assert plain(text) == left


def test_tokens_are_counted_with_caution() -> None:
    assert estimated_tokens("word " * 100) > 125
    assert estimated_tokens("汉" * 100) > 100
