"""One reader's conversation: what was asked, what came of it, how it goes on.

Nothing here knows Gradio; nothing here is shared between readers.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import rag
from ui.render import answer_html, message_html, partial_html, question_html
from ui.texts import Language, text

_LOG = logging.getLogger(__name__)
# The filters' fields, in the form's order.
FIELDS = ("categories", "digests", "since", "until", "announce", "authors", "ids")

_COMMA = re.compile(r"[,;，；、]")
_ID = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?:v\d+)?(?!\d)")
# A browser draws some 20 pictures of a growing answer per second, not each token.
_FRAME = 0.05


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with its answer, or with what stands in its place.

    `without` are the chips that the reader took back before; `partial` is the text
    so far while the answer is being written or after it was stopped; `trouble` a
    sentence that took the answer's place.
    """

    question: str
    answer: rag.Answer | None = None
    seconds: float = 0.0
    without: tuple[rag.ChipField, ...] = ()
    partial: str = ""
    known: tuple[str, ...] = ()
    trouble: str = ""


Conversation = tuple[Exchange, ...]
Message = dict[str, str]


def turns(conversation: Conversation) -> list[rag.Turn]:
    """Return the answered questions, for `rag.stream` and for export."""
    return [rag.Turn(e.question, e.answer) for e in conversation if e.answer]


@dataclass(frozen=True, slots=True)
class Way:
    """How one reader wants to be answered; `llm` "" is the setting's model, if any.

    `without` are the chips taken back.
    """

    language: Language = "en"
    filters: rag.Filters = field(default_factory=rag.Filters)
    llm: str = ""
    without: tuple[rag.ChipField, ...] = ()


def writer(chosen: str, settings: rag.Settings) -> str:
    """Return the spec a reader chose, "" (the setting's model) for one that was not offered.

    A request need not come from the page, and no address but the settings' may be called.
    """
    offered = chosen in {"", "none"} or chosen in rag.models(settings).values()
    return chosen if offered else ""


def ask(
    conversation: Conversation, question: str, way: Way, settings: rag.Settings
) -> Iterator[Conversation]:
    """Yield the conversation as the answer to `question` grows; the last is final.

    An error of the product becomes a sentence in the conversation.
    """
    started = time.monotonic()
    conversation = stopped(conversation, way.language)
    exchange = Exchange(question, without=way.without)
    yield (*conversation, exchange)
    try:
        events = rag.stream(
            question,
            history=turns(conversation),
            filters=way.filters,
            without=way.without,
            llm=way.llm or None,
            settings=settings,
        )
        for grown in _grow(exchange, events):
            exchange = grown
            yield (*conversation, exchange)
    except rag.DigestRagError as error:
        yield (*conversation, replace(exchange, trouble=str(error)))
    except Exception:
        _LOG.exception("A question could not be answered.")
        yield (*conversation, replace(exchange, trouble=text(way.language, "failed")))
    else:
        yield (*conversation, replace(exchange, seconds=time.monotonic() - started))


def _grow(exchange: Exchange, events: Iterator[rag.Event]) -> Iterator[Exchange]:
    drawn = 0.0
    for event in events:
        match event:
            case rag.Retrieved(hits):
                exchange = replace(exchange, known=tuple(h.paper.arxiv_id for h in hits))
            case rag.Token(piece):
                exchange = replace(exchange, partial=exchange.partial + piece)
                if time.monotonic() - drawn < _FRAME:
                    continue
                drawn = time.monotonic()
            case rag.Done(answer):
                exchange = replace(exchange, answer=answer, partial="")
        yield exchange


def stopped(conversation: Conversation, language: Language) -> Conversation:
    """Return the conversation after its last answer was cut off by the reader."""
    if not conversation or conversation[-1].answer or conversation[-1].trouble:
        return conversation
    return (*conversation[:-1], replace(conversation[-1], trouble=text(language, "stopped")))


def chips(conversation: Conversation, language: Language) -> list[tuple[str, rag.ChipField]]:
    """Return (label, field) of what the last question was understood to ask."""
    last = conversation[-1].answer if conversation else None
    return [
        (f"{text(language, f'chip_{chip.field}')}: {chip.value}", chip.field)
        for chip in (last.chips if last else ())
    ]


def taken_back(conversation: Conversation, kept: Sequence[str]) -> tuple[rag.ChipField, ...]:
    """Return the fields that the last question is to be asked without, those of before too."""
    last = conversation[-1]
    shown = [chip.field for chip in last.answer.chips] if last.answer else []
    return (*last.without, *(field for field in shown if field not in kept))


def messages(conversation: Conversation, language: Language) -> list[Message]:
    """Return the conversation as the messages that the chat shows."""
    shown: list[Message] = []
    for exchange in conversation:
        shown.append({"role": "user", "content": question_html(exchange.question)})
        shown.append({"role": "assistant", "content": _reply(exchange, language)})
    return shown


def _reply(exchange: Exchange, language: Language) -> str:
    if exchange.answer:
        return answer_html(exchange.answer, language, exchange.seconds)
    written = partial_html(exchange.partial, exchange.known) if exchange.partial else ""
    if exchange.trouble:
        return written + message_html(exchange.trouble, "trouble")
    return written or message_html(text(language, "reading"), "writing")


def cited_papers(answers: Sequence[rag.Answer], settings: rag.Settings) -> Mapping[str, rag.Paper]:
    """Return the papers that the answers cite, by arXiv id, as far as they are known."""
    found = {p.arxiv_id: p for a in answers for p in (*a.nearest, *(h.paper for h in a.hits))}
    wanted = dict.fromkeys(c.arxiv_id for a in answers for c in a.citations)
    missing = tuple(arxiv_id for arxiv_id in wanted if arxiv_id not in found)
    if missing:
        try:
            asked = rag.papers(filters=rag.Filters(arxiv_ids=missing), settings=settings)
        except rag.DigestRagError:
            asked = []
        found |= {paper.arxiv_id: paper for paper in asked}
    return found


def make_filters(form: Mapping[str, Any]) -> rag.Filters:
    """Return the filters that the form asks for: a value for each of `FIELDS`.

    Days are ISO dates; what is left empty (None, "" or []) filters nothing.
    """
    authors, ids = form["authors"] or "", (form["ids"] or "").strip()
    return rag.Filters(
        categories=tuple(form["categories"] or ()),
        digests=tuple(form["digests"] or ()),
        since=date.fromisoformat(form["since"]) if form["since"] else None,
        until=date.fromisoformat(form["until"]) if form["until"] else None,
        announce=tuple(form["announce"] or ()),
        authors=tuple(name.strip() for name in _COMMA.split(authors) if name.strip()),
        # What is no id finds nothing, which is better than to ignore it.
        arxiv_ids=tuple(_ID.findall(ids)) or ((ids,) if ids else ()),
    )
