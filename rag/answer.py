"""From a question to a cited answer: understand, retrieve, judge the evidence, write."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from rag import compose
from rag.arguments import check_filters, check_history, check_without
from rag.chat import Resolved, is_settled, resolve
from rag.cite import markers
from rag.condense import condense
from rag.entail import entailment_by
from rag.errors import LLMError
from rag.index import Index, open_index
from rag.llm import load_llm, parse_spec
from rag.question import in_other_language, plain_question, wished_language
from rag.respond import quotes_for, respond
from rag.search import checked, search
from rag.settings import Settings
from rag.types import (
    Answer,
    ChipField,
    Done,
    Event,
    Filters,
    Language,
    Paper,
    Passage,
    Retrieved,
    Token,
    Turn,
)
from rag.understand import Understood, understand

if TYPE_CHECKING:
    from llama_index.core.llms.llm import LLM

_Result = TypeVar("_Result")
# How many papers a language model is shown, those that the draft cites first.
_SHOWN = 6
# Seconds that a model may take to complete a follow-up before it is searched as asked.
_CONDENSING = 10.0
_ANSWERED_OTHER = "The question is in another language; the answer is in English."
_REFUSED_OTHER = (
    "The question is in another language, of which only names are looked for: "
    "ask it in English or Chinese."
)


def answer(  # noqa: PLR0913 (each is the caller's to say)
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    without: Collection[ChipField] = (),
    llm: object = None,
    settings: Settings | None = None,
) -> Answer:
    """Return the answer to `question`, every statement cited to its arXiv id.

    `history` are the turns before, oldest first; `filters` restrict the papers;
    `without` are fields of `Answer.chips` not to be read out of the question;
    `llm` is a specification such as "ollama:qwen3", a LlamaIndex LLM, "none", or
    None for the setting's. A refusal is an answer, and a language model that
    fails costs nothing but its prose: the answer is then made of the papers' own
    sentences and a note says why. Raises `QuestionError` for a question that
    can't be asked, an `IndexFailure` without a usable index, `SettingError` for
    a specification that can't be read, or filters, history or `without` of the wrong type.
    """
    events = stream(
        question, history=history, filters=filters, without=without, llm=llm, settings=settings
    )
    done = next(event for event in events if isinstance(event, Done))
    return done.answer


def stream(  # noqa: PLR0913 (as `answer`)
    question: str,
    *,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    without: Collection[ChipField] = (),
    llm: object = None,
    settings: Settings | None = None,
) -> Iterator[Event]:
    """Yield the papers found, the answer's text piece by piece, and the answer.

    Takes and raises what `answer` does. The text of `Done` counts: it may mark
    or replace what the pieces before it said. Closing the iterator cancels a
    language model's request; while the model is silent, empty pieces come, so
    that there is always a moment to close it.
    """
    settings = settings or Settings.from_env()
    check_filters(filters)
    check_history(history)
    check_without(without)
    asked = checked(question, settings)
    spec = settings.llm if llm is None else llm
    writer = _Writer(spec, settings) if _names_a_model(spec) else None
    index = open_index(settings)
    plain, earlier, language = _in_language(plain_question(asked), history)
    understood = understand(plain, index, filters, without, language)
    allowed = set(index.store.select(filters)) if filters else None
    turns = () if "about" in without else earlier
    resolved = resolve(understood, turns, allowed)
    resolved = yield from _completed(resolved, understood, turns, writer)
    draft = respond(index, understood, resolved, settings, rough=bool(writer))
    yield Retrieved(draft.answer.hits)
    failed = None
    if draft.open and writer:
        try:
            before = _as_asked(draft.answer, asked)
            yield Done((yield from _written(writer.model(), before, index, history, settings)))
            return
        except LLMError as error:
            failed = error
        draft = respond(index, understood, resolved, settings)
    result = _as_asked(draft.answer, asked)
    if failed:
        result = replace(result, notes=(*result.notes, _fallback(failed, result.language)))
    for line in result.text.splitlines(keepends=True):
        yield Token(line)
    yield Done(result)


def prepare(settings: Settings | None = None, *, llm: str | None = None) -> None:
    """Load what the first question would wait for: encoder, index, language model.

    Takes and raises what `answer` does, and `LLMError` when the model can't be
    reached. Nothing is asked of the model but what it is.
    """
    settings = settings or Settings.from_env()
    spec = settings.llm if llm is None else llm
    open_index(settings)
    search("digest", top_k=1, settings=settings)
    if load_llm(spec, settings) is not None:
        import rag.generate  # noqa: F401 (it is enough that it is loaded)


def _in_language(
    question: str, history: Sequence[Turn]
) -> tuple[str, Sequence[Turn], Language | None]:
    """Return the question without a wish for a language, the turns before it, and the language.

    A wish alone is the last question asked again.
    """
    plain, language = wished_language(question)
    for place in range(len(history) - 1, -1, -1):
        if plain:
            break
        plain, history = wished_language(history[place].question)[0], history[:place]
    return plain or question, history, language


def _as_asked(result: Answer, asked: str) -> Answer:
    notes = result.notes
    if in_other_language(asked):
        notes = (*notes, _REFUSED_OTHER if result.is_refusal else _ANSWERED_OTHER)
    return replace(result, question=asked, notes=notes)


def _names_a_model(spec: object) -> bool:
    """Return whether a model is to write; raises `SettingError` for what can't be meant."""
    return not isinstance(spec, str) or parse_spec(spec)[0] != "none"


@dataclass(slots=True)
class _Writer:
    """The language model of one question, reached at most once whether it answers or not."""

    spec: object
    settings: Settings
    _reached: LLM | LLMError | None = None

    def model(self) -> LLM:
        """Return the model; raises `LLMError` when it can't be reached."""
        if self._reached is None:
            try:
                self._reached = self._load()
            except LLMError as error:
                self._reached = error
        if isinstance(self._reached, LLMError):
            raise self._reached
        return self._reached

    def _load(self) -> LLM:
        loaded = load_llm(self.spec, self.settings) if isinstance(self.spec, str) else self.spec
        return cast("LLM", loaded)


def _completed(
    resolved: Resolved, understood: Understood, history: Sequence[Turn], writer: _Writer | None
) -> Generator[Event, None, Resolved]:
    """Have the model complete a follow-up that the conversation alone does not settle.

    Whatever goes wrong, the question is then searched as it was asked.
    """
    if writer is None or is_settled(resolved, understood, history):
        return resolved
    try:
        model = writer.model()
        patience = min(_CONDENSING, writer.settings.llm_timeout)
        asked = yield from _tokens(
            condense(resolved.question, understood.language, history, llm=model, timeout=patience)
        )
    except LLMError:
        return resolved
    return replace(resolved, question=plain_question(asked), lost=False)


def _written(
    model: LLM, before: Answer, index: Index, history: Sequence[Turn], settings: Settings
) -> Generator[Event, None, Answer]:
    """Let the model write in place of the draft; yield its pieces, return the checked answer."""
    from rag.generate import generate

    evidence = _evidence(before, index)
    writing = generate(
        before.question,
        before.language,
        evidence,
        llm=model,
        history=history,
        first_token=settings.llm_first_token,
        timeout=settings.llm_timeout,
        encode=index.encode,
        entailment=entailment_by(index.encoder),
    )
    generated = yield from _tokens(writing)
    papers = {paper.arxiv_id: paper for paper, _ in evidence}
    cited = [papers[i] for i in markers(generated.text) if i in papers]
    details = asdict(generated)
    del details["text"]
    return replace(
        before,
        text=generated.text,
        is_refusal=generated.is_refusal,
        citations=tuple(
            compose.cite(paper, quotes_for(index, before.question, before.language, paper))
            for paper in cited
        ),
        nearest=tuple(hit.paper for hit in before.hits[:3]) if generated.is_refusal else (),
        notes=(*before.notes, *generated.notes),
        mode="generated",
        model=details,
    )


def _tokens(writing: Generator[str, None, _Result]) -> Generator[Event, None, _Result]:
    """Yield the pieces as events; closing this closes the writing, and its request."""
    try:
        while True:
            yield Token(next(writing))
    except StopIteration as stop:
        return cast("_Result", stop.value)
    finally:
        writing.close()


def _evidence(before: Answer, index: Index) -> list[tuple[Paper, Sequence[Passage]]]:
    """Return the papers to show with their passages: those cited first, then the found."""
    papers = {c.arxiv_id: index.store.paper(c.arxiv_id) for c in before.citations}
    for hit in before.hits:
        if len(papers) < _SHOWN:
            papers.setdefault(hit.paper.arxiv_id, hit.paper)
    return [(p, index.store.passages_of(p.arxiv_id)) for p in papers.values() if p is not None]


def _fallback(error: LLMError, language: Language) -> str:
    if language == "zh":
        return f"语言模型没有给出可用的回答，以上内容摘自论文原文。（{error}）"
    return f"The language model gave no usable answer; the sentences are the papers' own. {error}"
