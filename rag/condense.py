"""A follow-up question made to stand alone, by the model, for searching only."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from rag.cite import CitationStream, tidy
from rag.errors import LLMError
from rag.prompt import past_turns, plain
from rag.replies import replies
from rag.types import Language, Turn

if TYPE_CHECKING:
    from llama_index.core.llms.llm import LLM

_MAX_CHARACTERS = 300
_TASK: Mapping[Language, str] = {
    "en": "Rewrite my last question so that it can be understood without the conversation. "
    "Keep its language and its names. Write the question only, on one line.",
    "zh": "请改写我的最后一个问题，使其脱离对话也能看懂。"
    "保留原来的语言和名称。只写出问题，一行即可。",
}


def condense(
    question: str,
    language: Language,
    history: Sequence[Turn],
    *,
    llm: LLM,
    timeout: float = 15.0,
) -> Generator[str, None, str]:
    """Return `question` with what it refers to in the conversation spelled out.

    It is meant to be searched beside the original, never in its place. Yields
    empty signs of life, where it can be closed, which cancels the request. Raises
    `LLMError` when the model fails, takes more than `timeout` seconds, or gives
    nothing that can be a question.
    """
    from llama_index.core.llms import ChatMessage

    turns = [*past_turns(history), ("user", f"{_TASK[language]}\n\n{plain(question)}")]
    chat = [ChatMessage(role=role, content=text) for role, text in turns]
    stream, text = CitationStream({}), ""
    with closing(replies(llm, chat, first_token=timeout, total=timeout)) as incoming:
        for part in incoming:
            if part is None:
                yield ""
                continue
            text += stream.feed(part.delta or "")
            if len(text) > 2 * _MAX_CHARACTERS:
                break
    lines = [line for line in tidy(text + stream.close()).splitlines() if line.strip()]
    written = plain(lines[0]).strip("\"'“”「」 ") if lines else ""
    echoed = written.startswith(_TASK[language].split(".")[0].split("，")[0])
    if not written or echoed or len(written) > _MAX_CHARACTERS:
        raise LLMError("The language model did not rewrite the question.", "Ask it in full.")
    return written
