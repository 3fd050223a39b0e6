"""A model's replies as they come, with time limits, and a request that can be cancelled."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from rag.errors import LLMError
from rag.once import once

if TYPE_CHECKING:
    from llama_index.core.llms import ChatMessage, ChatResponse
    from llama_index.core.llms.llm import LLM

_END = object()
# How often who waits for a silent model gets to say that it no longer wants to.
_SIGN_OF_LIFE = 0.25
_REFUSED, _MISSING, _BUSY, _BROKEN = (401, 403), 404, 429, 500


def replies(
    llm: LLM, messages: Sequence[ChatMessage], *, first_token: float, total: float
) -> Generator[ChatResponse | None, None, None]:
    """Yield the model's partial replies; closing the generator cancels the request.

    While the model is silent, None comes several times a second, because a
    generator can be closed only where it yields. `first_token` and `total` are
    seconds from now. Raises `LLMError` when either runs out or the model fails; the
    error names no key and has no cause.
    """
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    start = time.monotonic()
    cancel = (_in_loop if _streams_natively(llm) else _in_thread)(llm, messages, inbox)
    limit, started = min(first_token, total), False
    try:
        while True:
            left = max(0.0, start + limit - time.monotonic())
            try:
                item = inbox.get(timeout=min(left, _SIGN_OF_LIFE))
            except queue.Empty:
                if left <= _SIGN_OF_LIFE:
                    raise _late(limit, started) from None
                yield None
                continue
            if item is _END:
                return
            if isinstance(item, Exception):
                raise failure(item) from None
            if item.delta or item.additional_kwargs.get("thinking_delta"):
                limit, started = total, True
            yield item
    finally:
        cancel()


def failure(error: Exception) -> LLMError:
    """Return what an exception of any back end means for the reader."""
    if isinstance(error, LLMError):
        return error
    status, name = getattr(error, "status_code", None), type(error).__name__
    low = name.lower()
    if isinstance(status, int) and status > 0:
        return _answered(status, str(error).lower())
    if "timeout" in low:
        return LLMError("The language model took too long.", _TRY)
    if "connect" in low or "transport" in low or "protocol" in low:
        return LLMError("The connection to the language model failed.", _TRY)
    return LLMError(f"The language model's reply could not be read ({name}).", _TRY)


def _answered(status: int, text: str) -> LLMError:
    if status in _REFUSED:
        return LLMError("The language model's server refuses the key.", _KEYS)
    if status == _MISSING:
        return LLMError("The server does not know the model or the address.", "Correct RAG_LLM.")
    if status == _BUSY:
        return LLMError("The language model's server is busy or its quota is used up.", _TRY)
    if "context" in text:
        return LLMError(
            "The evidence is longer than the language model's context.",
            "Set RAG_LLM_CONTEXT to the size its server was started with.",
        )
    what = "fails" if status >= _BROKEN else "does not accept the request"
    return LLMError(f"The language model's server {what} (HTTP {status}).", _TRY)


_TRY = "'digest-rag check' tests it."
_KEYS = "Set RAG_LLM_KEY to a valid one, for openai:MODEL OPENAI_API_KEY."


def _late(seconds: float, started: bool) -> LLMError:
    what = "did not finish" if started else "did not begin to answer"
    return LLMError(
        f"The language model {what} within {round(seconds, 1):g} s.",
        "Raise RAG_LLM_TIMEOUT." if started else "Raise RAG_LLM_FIRST_TOKEN.",
    )


def _streams_natively(llm: LLM) -> bool:
    """Return whether the model's asynchronous stream does not block, as network ones."""
    from llama_index.core.llms import CustomLLM

    return not isinstance(llm, CustomLLM)


def _in_loop(
    llm: LLM, messages: Sequence[ChatMessage], inbox: queue.SimpleQueue[Any]
) -> Callable[[], object]:
    async def produce() -> None:
        try:
            async for reply in await llm.astream_chat(messages):
                inbox.put(reply)
            inbox.put(_END)
        except Exception as error:
            # Whatever went wrong, `failure` tells the reader.
            inbox.put(error)

    return asyncio.run_coroutine_threadsafe(produce(), _loop()).cancel


def _in_thread(
    llm: LLM, messages: Sequence[ChatMessage], inbox: queue.SimpleQueue[Any]
) -> Callable[[], object]:
    stop = threading.Event()

    def produce() -> None:
        try:
            for reply in llm.stream_chat(messages):
                if stop.is_set():
                    break
                inbox.put(reply)
            inbox.put(_END)
        except Exception as error:
            # Whatever went wrong, `failure` tells the reader.
            inbox.put(error)

    threading.Thread(target=produce, daemon=True, name="rag-llm").start()
    return stop.set


@once
def _loop() -> asyncio.AbstractEventLoop:
    """Return the one event loop of this process's model requests.

    A blocked read in a thread can't be cancelled, a task can, at any point. There must
    not be two: a model's connections belong to the loop that opened them.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="rag-llm-loop").start()
    return loop
