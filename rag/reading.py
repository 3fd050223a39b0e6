"""Read one reply of a model: make it safe to show, mind its language, count its tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.cite import CitationStream, tidy, without_markers
from rag.prompt import SENTINEL, Prompt
from rag.reasoning import Thoughts
from rag.replies import replies
from rag.types import Language

if TYPE_CHECKING:
    from llama_index.core.llms import ChatMessage, ChatResponse
    from llama_index.core.llms.llm import LLM

# No answer is longer, and no reasoning before it; a model that repeats itself would
# never stop.
_MAX_CHARACTERS, _MAX_REASONING = 8000, 200_000
# After how much of the other language, and nothing else, a reply is given up.
_TOO_MUCH_LATIN, _TOO_MUCH_HAN = 15, 12
_FEW_WORDS = 6

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"[A-Za-z]{2,}")
# Names have capitals or digits; prose in English has words without.
_PROSE = re.compile(r"\b[a-z]{2,}\b")


@dataclass(slots=True)
class Reply:
    """What one reply came to; `shown` is what of `text` left while it was read.

    `answered` is what of `raw` was not known for reasoning when it came.
    """

    raw: str = ""
    answered: str = ""
    text: str = ""
    shown: str = ""
    first_token: float = 0.0
    refused: bool = False
    wrong_language: bool = False
    cut: bool = False
    dropped: int = 0
    usage: dict[str, float] = field(default_factory=dict)


def read(
    llm: LLM, prompt: Prompt, language: Language, *, first_token: float, total: float
) -> Generator[str, None, Reply]:
    """Yield the reply's text as it may be shown, and return the whole of it.

    An empty piece comes now and then while the model is silent. Nothing is shown
    before the first word in `language`, nor while it looks like reasoning; a reply
    that begins in another language ends early. Raises `LLMError` as `replies` does.
    """
    reply, stream, gate = Reply(), _stream(prompt), _Gate(language)
    thoughts = Thoughts(llm.metadata.model_name)
    start = time.monotonic()
    with closing(replies(llm, _chat(prompt), first_token=first_token, total=total)) as incoming:
        for part in incoming:
            if part is None:
                yield ""
                continue
            reply.usage = _usage(part) or reply.usage
            reply.cut = reply.cut or _finish(part) == "length"
            reply.raw += part.delta or ""
            reply.first_token = reply.first_token or time.monotonic() - start
            if part.additional_kwargs.get("thinking_delta"):
                thoughts.told_apart()
            answered = thoughts.passed(part.delta or "")
            reply.answered += answered
            if piece := gate.passed(stream.feed(answered)):
                reply.shown += piece
                yield piece
            if gate.wrong:
                break
            if stream.visible > _MAX_CHARACTERS or len(reply.raw) > _MAX_REASONING:
                reply.cut = True
                break
    # Thoughts that were cut off are no answer.
    held = "" if reply.cut else thoughts.close()[:_MAX_CHARACTERS]
    reply.answered += held
    rest = stream.feed(held) + stream.close()
    if not gate.wrong and (piece := gate.passed(rest, last=True)):
        reply.shown += piece
        yield piece
    _conclude(reply, stream, prompt, language, gate)
    return reply


def _conclude(
    reply: Reply, stream: CitationStream, prompt: Prompt, language: Language, gate: _Gate
) -> None:
    text = reply.shown
    if stream.stray:
        # The reasoning had no opening tag, so that it was taken for the answer.
        stray, stream = stream.stray, _stream(prompt)
        text = stream.feed(reply.answered[stray:]) + stream.close()
    # Once more, because tidying brings together what stood apart.
    again = _stream(prompt)
    reply.text = again.feed(tidy(text)) + again.close()
    reply.dropped = stream.dropped
    reply.refused = stream.sentinel_seen or (not reply.text and SENTINEL in reply.raw)
    reply.wrong_language = gate.wrong or is_wrong(reply.text, language)


def is_wrong(text: str, language: Language) -> bool:
    """Return whether a finished text is not in `language`; a few names are in any."""
    plain = without_markers(text)
    han = len(_HAN.findall(plain))
    if language == "zh":
        return len(_PROSE.findall(plain)) > max(han, _FEW_WORDS)
    return han > max(2 * len(_WORD.findall(plain)), _FEW_WORDS)


class _Gate:
    """Holds a reply's beginning back until its language is certain: a word or two."""

    def __init__(self, language: Language) -> None:
        self.wrong = False
        self._language = language
        self._held: str | None = ""

    def passed(self, text: str, *, last: bool = False) -> str:
        if self._held is None:
            return text
        self._held = (self._held + text).lstrip()
        han, words = len(_HAN.findall(self._held)), len(_WORD.findall(self._held))
        if self._language == "zh":
            self.wrong, sure = not han and words > _TOO_MUCH_LATIN, han > 0
        else:
            self.wrong, sure = han > _TOO_MUCH_HAN and han > words, words > han
        if self.wrong or not (sure or last):
            return ""
        held, self._held = self._held, None
        return held


def _stream(prompt: Prompt) -> CitationStream:
    return CitationStream(
        prompt.keys,
        said=prompt.said,
        nonces=(*prompt.nonces, SENTINEL),
        sentinel=prompt.sentinel,
    )


def _chat(prompt: Prompt) -> list[ChatMessage]:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role=role, content=text) for role, text in prompt.messages]


def _finish(part: ChatResponse) -> str | None:
    choices = getattr(part.raw, "choices", None)
    reason = getattr(choices[0], "finish_reason", None) if choices else None
    if isinstance(part.raw, dict):
        reason = part.raw.get("done_reason")
    return reason if isinstance(reason, str) else None


def _usage(part: ChatResponse) -> dict[str, float]:
    """Return the tokens and the cost that the server reports with this part, if any."""
    raw = part.raw
    told = raw.get("usage") if isinstance(raw, dict) else getattr(raw, "usage", None)
    found = {}
    for name in ("prompt_tokens", "completion_tokens", "cost"):
        value = told.get(name) if isinstance(told, dict) else getattr(told, name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
    return found
