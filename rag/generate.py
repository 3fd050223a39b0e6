"""An answer written by a language model, shown as it comes and checked at its end."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag.cite import markers
from rag.entail import Entailment
from rag.errors import LLMError
from rag.judge import Checked, is_about_evidence, judge
from rag.prompt import Evidence, Prompt, build_prompt
from rag.reading import Reply, read
from rag.support import Encode
from rag.types import Language, Passage, Turn

if TYPE_CHECKING:
    from llama_index.core.llms.llm import LLM

_TRY_ANOTHER = "Try another model."
_REFUSAL: Mapping[Language, str] = {
    "en": "The papers found do not answer this question.",
    "zh": "找到的论文没有回答这个问题。",
}
_CUT: Mapping[Language, str] = {
    "en": "The model's answer was cut at its length limit.",
    "zh": "模型的回答达到长度上限，被截断。",
}
_DOUBTED: Mapping[Language, str] = {
    "en": "Marked sentences are not confirmed by the cited papers.",
    "zh": "有标注的句子未被所引论文证实。",
}


@dataclass(frozen=True, slots=True)
class Generated:
    """A finished answer. `text` is what holds, also where the stream said otherwise.

    `verdicts` are the checks of its sentences; `passages` the ids of those that
    the model saw; tokens and `cost` (in the server's currency) are None where the
    server reports none; times are seconds; `dropped` counts the ids, keys and
    links outside the evidence that the model wrote.
    """

    text: str
    is_refusal: bool
    prompt_sha256: str
    passages: tuple[str, ...]
    model: str = ""
    verdicts: tuple[Checked, ...] = ()
    notes: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    first_token: float = 0.0
    seconds: float = 0.0
    attempts: int = 1
    dropped: int = 0


def generate(  # noqa: PLR0913 (each is the caller's to say)
    question: str,
    language: Language,
    evidence: Evidence,
    *,
    llm: LLM,
    history: Sequence[Turn] = (),
    first_token: float = 30.0,
    timeout: float = 60.0,
    encode: Encode | None = None,
    entailment: Entailment | None = None,
) -> Generator[str, None, Generated]:
    """Yield the answer's text as it may be shown; return it checked.

    Empty pieces are signs of life while the model is silent. `evidence` are the
    papers, best first, with the passages to show; `encode` turns texts into unit
    vectors, for the check by meaning, which `entailment` makes surer. `first_token` and
    `timeout` are seconds; closing the generator cancels the request. Raises
    `LLMError` when the model fails, takes too long, says nothing, or writes in
    another language twice; the message says why in a sentence.
    """
    start = time.monotonic()
    shown = False
    for attempt in (1, 2):
        prompt = build_prompt(
            question,
            language,
            evidence,
            context=llm.metadata.context_window,
            history=history,
            insist=attempt > 1,
        )
        left = start + timeout - time.monotonic()
        reading = read(llm, prompt, language, first_token=first_token, total=left)
        # What was shown can't be taken back: a second try then only gives the end.
        reply = (yield from _unseen(reading)) if shown else (yield from reading)
        shown = shown or bool(reply.shown)
        if not reply.wrong_language:
            return replace(
                _finished(reply, prompt, question, language, encode, entailment),
                model=llm.metadata.model_name,
                attempts=attempt,
                seconds=time.monotonic() - start,
            )
    raise LLMError("The language model answers in another language.", _TRY_ANOTHER)


def _unseen(reading: Generator[str, None, Reply]) -> Generator[str, None, Reply]:
    """Yield a sign of life in place of each piece."""
    with closing(reading):
        while True:
            try:
                next(reading)
            except StopIteration as stop:
                reply: Reply = stop.value
                return reply
            yield ""


def _finished(  # noqa: PLR0913, PLR0917 (all that an answer is made of)
    reply: Reply,
    prompt: Prompt,
    question: str,
    language: Language,
    encode: Encode | None,
    entailment: Entailment | None,
) -> Generated:
    if not reply.text and not reply.refused:
        raise LLMError("The language model gave an empty answer.", "'digest-rag check' tests it.")
    by_paper: dict[str, list[Passage]] = {i: [] for i in prompt.keys.values()}
    for passage in prompt.passages:
        by_paper[passage.arxiv_id].append(passage)
    text, verdicts = judge(
        reply.text, language, by_paper, question=question, encode=encode, entailment=entailment
    )
    refusal = _is_refusal(reply, verdicts)
    if not refusal and not markers(text):
        raise LLMError("The language model's answer rests on none of the papers.", _TRY_ANOTHER)
    doubted = not refusal and any(v.verdict.label == "unsupported" for v in verdicts)
    return Generated(
        text=text or _REFUSAL[language],
        is_refusal=refusal,
        prompt_sha256=prompt.sha256,
        passages=tuple(p.id for p in prompt.passages),
        verdicts=verdicts,
        notes=(_CUT[language],) * reply.cut + (_DOUBTED[language],) * doubted,
        dropped=reply.dropped,
        first_token=reply.first_token,
        prompt_tokens=_whole(reply.usage.get("prompt_tokens")),
        completion_tokens=_whole(reply.usage.get("completion_tokens")),
        cost=reply.usage.get("cost"),
    )


def _is_refusal(reply: Reply, verdicts: Sequence[Checked]) -> bool:
    """Return whether the model says that the evidence lacks the answer, and gives none."""
    if any(v.arxiv_ids and v.verdict.label != "unsupported" for v in verdicts):
        return False
    return reply.refused or (not verdicts and is_about_evidence(reply.text))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
