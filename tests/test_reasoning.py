"""Thoughts that a model writes before its answer do not flash by."""

from collections.abc import Iterator

import pytest
from scripted import Script, Scripted, serve, split
from test_generate import GOOD, ask

from rag import reasoning
from rag.errors import LLMError
from rag.reasoning import Thoughts

READ = GOOD.format("2506.05739")


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


@pytest.fixture(autouse=True)
def _nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasoning, "_unmarked", set())


def passed(text: str, model: str = "tiny", size: int = 3) -> tuple[str, str]:
    """What comes while the text is read, and at its end."""
    thoughts = Thoughts(model)
    return "".join(map(thoughts.passed, split(text, size))), thoughts.close()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "thought",
    [
        "Okay, so the user asks about PPA. [k4m7x] says",
        "Let me look at the evidence.\n\nPPA is",
        "We need to answer in English",
        "the user’s question is about",
        "好的，用户想知道这篇论文",
        "嗯，",
    ],
)
def test_what_begins_like_thoughts_is_held_back_until_they_end(thought: str, size: int) -> None:
    assert passed(thought + " more.</think>\n\nPPA works.", size=size) == ("\n\nPPA works.", "")


@pytest.mark.parametrize("answer", ["PPA works.", "The user study shows more.", "本文提出", "I"])
def test_an_answer_passes_as_it_comes(answer: str) -> None:
    assert "".join(passed(answer)) == answer
    assert passed(answer + " and so on and on")[0]


def test_what_only_began_like_thoughts_comes_at_the_end() -> None:
    assert passed("Let me put it so: PPA works.") == ("", "Let me put it so: PPA works.")


def test_an_opening_tag_is_left_to_who_reads_tags() -> None:
    text = "<think>hm</think>PPA works."
    assert passed(text, "deepseek-r1") == (text, "")


@pytest.mark.parametrize(
    "model", ["deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "QwQ-32B", "Qwen3-4B-Thinking-2507"]
)
def test_a_model_known_to_reason_is_held_back_whatever_it_says(model: str) -> None:
    assert passed("PPA is a defence, as [k4m7x] says.</think>It works.", model)[0] == "It works."


def test_a_model_that_did_so_once_is_known() -> None:
    assert passed("PPA is a defence.", "some-model")[0]
    assert passed("PPA is.</think>It works.", "some-model") == ("PPA is.</think>It works.", "")
    assert passed("Let me see.</think>It works.", "some-model")[0] == "It works."
    assert passed("PPA is.</think>It works.", "some-model") == ("It works.", "")


def test_a_name_that_only_contains_the_letters_is_not_known() -> None:
    assert passed("PPA works and so on.", "smaller13b")[0]


@pytest.mark.parametrize(
    "thought", ["Okay, the user asks about 2401.99999. [{1}] says so. ", "嗯，用户问的是 [{1}]。"]
)
def test_thoughts_without_an_opening_tag_do_not_flash(script: Script, thought: str) -> None:
    script.enqueue(thought * 20 + "</think>\n\n" + GOOD)
    shown, answer = ask(script)
    assert shown.strip() == answer.text == READ


def test_long_thoughts_cost_nothing_of_the_answer(script: Script) -> None:
    script.enqueue(Scripted(["<think>", *["so it goes on "] * 2000, "</think>", *split(GOOD)]))
    _, answer = ask(script)
    assert answer.text == READ
    assert not answer.notes


def test_thoughts_that_are_cut_off_are_no_answer(script: Script) -> None:
    thought = split("Okay, the user asks how PPA defends agents. PPA varies system prompts.")
    script.enqueue(Scripted(thought, finish="length"))
    with pytest.raises(LLMError, match="empty"):
        ask(script)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_in_a_field_of_their_own_are_never_shown(script: Script, field: str) -> None:
    script.enqueue(Scripted(split(GOOD), thoughts=["Okay, 2401.99999 and ", "[{1}] "], apart=field))
    shown, answer = ask(script)
    assert shown == answer.text == READ
