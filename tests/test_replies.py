"""Time limits and cancelling, for models of this process that only stream in a thread."""

import threading
import time
from collections.abc import Sequence

import pytest
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)

from rag.errors import LLMError
from rag.replies import failure, replies


class Slow(CustomLLM):
    """Says a word every `pause` seconds, without end, until it is closed."""

    pause: float = 0.01
    fails: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def stream_chat(self, messages: Sequence[ChatMessage], **_: object) -> ChatResponseGen:
        try:
            while True:
                time.sleep(self.pause)
                if self.fails:
                    raise RuntimeError("sk-secret")
                yield ChatResponse(message=ChatMessage(content="a"), delta="a")
        finally:
            closed.set()

    def complete(self, prompt: str, formatted: bool = False, **_: object) -> CompletionResponse:
        raise NotImplementedError

    def stream_complete(
        self, prompt: str, formatted: bool = False, **_: object
    ) -> CompletionResponseGen:
        raise NotImplementedError


closed = threading.Event()


@pytest.fixture(autouse=True)
def _open() -> None:
    closed.clear()


def test_closing_stops_the_thread() -> None:
    stream = replies(Slow(), [], first_token=5, total=5)
    assert next(stream).delta == "a"
    stream.close()
    assert closed.wait(2)


def test_the_first_word_has_its_own_limit() -> None:
    stream = replies(Slow(pause=1), [], first_token=0.1, total=5)
    with pytest.raises(LLMError, match=r"did not begin to answer within 0\.1 s"):
        next(stream)


def test_the_whole_has_a_limit() -> None:
    with pytest.raises(LLMError, match=r"did not finish within 0\.3 s"):
        list(replies(Slow(), [], first_token=5, total=0.3))
    assert closed.wait(2)


def test_a_failure_is_told_without_its_words() -> None:
    with pytest.raises(LLMError, match="RuntimeError") as caught:
        list(replies(Slow(fails=True), [], first_token=5, total=5))
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TimeoutError("x"), "too long"),
        (ConnectionError("x"), "connection"),
        (ValueError("x"), "could not be read"),
        (LLMError("As it is.", "Do."), "As it is."),
    ],
)
def test_every_exception_has_a_sentence(error: Exception, why: str) -> None:
    assert why in failure(error).message
    assert failure(error).hint
