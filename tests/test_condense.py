from collections.abc import Iterator

import pytest
from scripted import Script, Scripted, serve
from test_generate import drained

from rag.condense import condense
from rag.errors import LLMError
from rag.llm import load_llm
from rag.settings import Settings
from rag.types import Answer, Turn

PAST = Turn("What is PPA?", Answer("What is PPA?", "A defence [2506.05739].", "en"))


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


def condensed(script: Script) -> str:
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    return drained(condense("And its cost?", "en", [PAST], llm=llm, timeout=5))[1]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"What does PPA cost?"', "What does PPA cost?"),
        ("<think>hm</think>\n\nWhat does PPA cost?\nBecause.", "What does PPA cost?"),
        ("What does PPA (2401.99999) cost [k4m7x]?", "What does PPA cost?"),
    ],
)
def test_the_question_alone_is_kept(script: Script, written: str, read: str) -> None:
    script.enqueue(written)
    assert condensed(script) == read
    assert [m["role"] for m in script.history[0]["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("reply", [Scripted([]), Scripted(["a " * 400]), Scripted(status=500)])
def test_what_is_no_question_is_an_error(script: Script, reply: Scripted) -> None:
    script.enqueue(reply)
    with pytest.raises(LLMError):
        condensed(script)
