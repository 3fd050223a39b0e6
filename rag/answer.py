"""From a question to a cited answer: understand, retrieve, judge the evidence, write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.chat import resolve
from rag.errors import DigestRagError
from rag.index import open_index
from rag.respond import Draft, respond
from rag.search import checked
from rag.settings import Settings
from rag.types import Answer, Done, Event, Filters, Retrieved, Token, Turn
from rag.understand import understand


def answer(
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    llm: object = None,
    settings: Settings | None = None,
) -> Answer:
    """Return the answer to `question`, every statement cited to its arXiv id.

    `history` are the turns before, oldest first; `filters` restrict the papers;
    `llm` is a specification such as "ollama:qwen3", a LlamaIndex LLM, "none", or
    None for the setting's. A refusal is an answer. Raises `QuestionError` for a
    question that can't be asked, an `IndexFailure` without a usable index.
    """
    events = stream(question, history=history, filters=filters, llm=llm, settings=settings)
    done = next(event for event in events if isinstance(event, Done))
    return done.answer


def stream(
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    llm: object = None,
    settings: Settings | None = None,
) -> Iterator[Event]:
    """Yield the papers found, the answer's text piece by piece, and the answer.

    Takes and raises what `answer` does. The text of `Done` counts: it may mark
    what the pieces before it said.
    """
    settings = settings or Settings.from_env()
    asked = checked(question, settings)
    index = open_index(settings)
    understood = understand(asked, index, filters)
    resolved = resolve(understood, history)
    draft: Draft = respond(index, understood, resolved, settings)
    yield Retrieved(draft.answer.hits)
    yield from _pieces(draft.answer.text)
    yield Done(draft.answer)


def _pieces(text: str) -> Iterator[Token]:
    """Yield the text by lines, so that a reader sees it grow."""
    for line in text.splitlines(keepends=True):
        yield Token(line)


__all__ = ["DigestRagError", "answer", "stream"]
