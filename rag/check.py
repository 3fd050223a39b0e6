"""What of the encoder, the index and the language model works, and what to do otherwise.

Each part is really used: a sentence encoded, a paper found, an answer streamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from rag.embed import load_encoder
from rag.errors import DigestRagError, LLMError
from rag.index import open_index
from rag.llm import load_llm, parse_spec
from rag.replies import replies
from rag.settings import Settings

_ASK = "Reply with the single word OK."
# A model that was not loaded yet may take minutes; the check is there to wait for it.
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One part's state in a sentence; `todo` is what to do where it is not `ok`."""

    part: str
    ok: bool
    sentence: str
    todo: str = ""


def check(settings: Settings, *, llm: str | None = None) -> Iterator[Finding]:
    """Yield what works and what does not, part by part, as soon as it is known.

    `llm` is a spec in place of the setting's. Raises nothing that the product
    raises on purpose: that is what the findings say.
    """
    spec = settings.llm if llm is None else llm
    parts: dict[str, Callable[[], str]] = {
        "encoder": partial(_encoder, settings),
        "index": partial(_index, settings),
        "language model": partial(_llm, spec, settings),
    }
    for part, examine in parts.items():
        try:
            yield Finding(part, True, examine())
        except DigestRagError as error:
            yield Finding(part, False, error.message, error.hint)


def _encoder(settings: Settings) -> str:
    start = time.monotonic()
    encoder = load_encoder(settings)
    encoder.encode_queries(["Does it work?"])
    seconds = time.monotonic() - start
    return f"'{encoder.name}' encodes to {encoder.dimension} numbers (ready in {seconds:.1f} s)."


def _index(settings: Settings) -> str:
    index = open_index(settings)
    index.dense.near(index.encode(["Does it work?"])[0], 1)
    index.lexical.top("Does it work?", 1)
    return (
        f"{index.store.paper_count:,} papers in {index.manifest.passages:,} passages, "
        f"generation {index.folder.name}."
    )


def _llm(spec: str, settings: Settings) -> str:
    if parse_spec(spec)[0] == "none":
        return "None is set: answers are extracts (RAG_LLM sets one)."
    llm = load_llm(spec, settings)
    assert llm is not None  # noqa: S101 (only "none" loads as None)
    from llama_index.core.llms import ChatMessage

    chat = [ChatMessage(role="user", content=_ASK)]
    start, first, pieces = time.monotonic(), 0.0, 0
    for reply in replies(llm, chat, first_token=_PATIENCE, total=_PATIENCE):
        if reply and reply.delta:
            first = first or time.monotonic() - start
            pieces += 1
    seconds = time.monotonic() - start
    if not pieces:
        raise LLMError(
            "The language model answers with nothing.",
            "Try another model, or one that does not only think.",
        )
    known = llm.metadata
    streamed = f"streams ({pieces} pieces)" if pieces > 1 else "does not stream"
    return (
        f"'{known.model_name}' answers and {streamed}: first word after {first:.1f} s, all after "
        f"{seconds:.1f} s; its context is taken to be {known.context_window:,} tokens."
    )
