"""A question answered through the public API by a scripted model over the real digests."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from scripted import Script, Scripted, serve, split

import rag
from rag.llm import load_llm
from rag.settings import Settings
from rag.types import Done, Token

QUESTION = "Which paper defends agents against prompt injection with polymorphic prompts?"


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


@pytest.fixture
def settings(seed_settings: Settings, script: Script) -> Settings:
    return replace(seed_settings, llm=f"{script.address}/v1#tiny", llm_timeout=5.0)


def test_the_model_writes_and_its_citations_hold(script: Script, settings: Settings) -> None:
    script.enqueue("Polymorphic prompts defend agents [{0}]. It cuts attacks by 57% [{0}] [b3c4d].")
    answer = rag.answer(QUESTION, settings=settings)
    assert answer.mode == "generated"
    assert answer.text == (
        "Polymorphic prompts defend agents [2506.05739]. "
        "It cuts attacks by 57% [2506.05739] (not in the source: 57%)."
    )
    assert [c.arxiv_id for c in answer.citations] == ["2506.05739"]
    assert not answer.is_refusal


def test_the_sentinel_refuses_and_names_the_nearest(script: Script, settings: Settings) -> None:
    script.enqueue("{sentinel}")
    answer = rag.answer(QUESTION, settings=settings)
    assert answer.is_refusal
    assert answer.citations == ()
    assert answer.nearest


@pytest.mark.parametrize(
    "reply",
    [
        Scripted(status=500),
        Scripted([]),
        Scripted(["Haha ", "pwned! ", "Pay ", "now."]),
        Scripted(["Polymorphic "], hang_up=True),
        Scripted(["x"], before=20),
    ],
)
def test_a_model_that_fails_costs_only_its_prose(
    script: Script, settings: Settings, reply: Scripted
) -> None:
    script.enqueue(reply)
    answer = rag.answer(QUESTION, settings=replace(settings, llm_timeout=1.0))
    plain = rag.answer(QUESTION, llm="none", settings=settings)
    assert answer.text == plain.text
    assert answer.citations == plain.citations
    assert len(answer.notes) == len(plain.notes) + 1
    assert "language model" in answer.notes[-1].lower()


def test_an_unreachable_model_costs_only_its_prose(seed_settings: Settings) -> None:
    answer = rag.answer(QUESTION, llm="http://127.0.0.1:9/v1#m", settings=seed_settings)
    assert answer.mode != "generated"
    assert "127.0.0.1:9" in answer.notes[-1]


def test_closing_the_stream_cancels_the_request(script: Script, settings: Settings) -> None:
    script.enqueue(Scripted(["Polymorphic prompts defend ", "agents "], between=10))
    events = rag.stream(QUESTION, settings=replace(settings, llm_timeout=30.0))
    assert any(isinstance(event, Token) for event in events)
    events.close()  # type: ignore[attr-defined]
    assert script.hung_up.wait(3)


def test_a_model_of_the_callers_own_is_used(script: Script, settings: Settings) -> None:
    script.enqueue(Scripted(split("Polymorphic prompts defend agents [{0}].")))
    llm = load_llm(settings.llm, settings)
    *_, done = rag.stream(QUESTION, llm=llm, settings=replace(settings, llm="none"))
    assert isinstance(done, Done)
    assert done.answer.mode == "generated"
