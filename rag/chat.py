"""Conversation: what a follow-up question is about, decided from the turns before.

No model is asked. A question stays with the papers of the last answer when it
points at them (a pronoun, an ordinal), when it names nothing of its own and is
too short to stand alone, or when it starts like a continuation; it leaves them
when it names another paper, says that the topic changes, or asks for a paper. A
comparison is of the last two papers talked about, or of those of a list that it
counts out; a question for some of a list is asked of its papers alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rag import pointers as words
from rag.aspects import DETAILS, content, own_topic
from rag.layouts.base import ARXIV_ID
from rag.lexical import tokens
from rag.names import MADE
from rag.types import Turn
from rag.understand import Understood

_SHORT, _ONE_DETAIL = 4, 2


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question in its conversation.

    `focus` are the arXiv ids it is about, empty for a new topic; `lean` is what
    it is about unless a search for the question itself finds something clearly
    better, which takes more for a `fragment` of a few words. It `compares` those it
    is about; `among` are the papers of a list that it chooses from. `question` is
    what is searched beside the original, the same when nothing was added. `missing`
    are ids that the digests don't have and that it points back at; `lost` is one
    that points back at nothing.
    """

    question: str
    focus: tuple[str, ...] = ()
    lean: tuple[str, ...] = ()
    fragment: bool = False
    compares: bool = False
    among: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    lost: bool = False


def resolve(
    understood: Understood, history: Sequence[Turn], allowed: Collection[str] | None = None
) -> Resolved:
    """Return what the question is about, given the turns before it.

    Papers of those turns that are not `allowed` (default: all are) are forgotten.
    """
    question = understood.question
    if missing := _missing(understood, history):
        return Resolved(question, missing=missing)
    previous = _papers(history, allowed)
    if not previous:
        lost = _points_at_no_list(understood) or _points_at_nothing(understood)
        return Resolved(question, lost=lost)
    if words.CHANGES.search(question):
        return Resolved(question)
    others = tuple(i for i in understood.named if i not in previous[:1])
    if others:
        joins = len(others) == 1 or words.POINTS.search(question)
        if words.COMPARES.search(question) and joins:
            return Resolved(question, (previous[0], *others), compares=True)
        return Resolved(question)
    if understood.named:
        return Resolved(question, understood.named)
    listed = _listed(history, allowed, whole=not words.PAIR.search(question))
    if listed and not understood.unknown and words.OF_THEM.search(question):
        return Resolved(question, among=listed)
    if understood.unknown or understood.filtered:
        return Resolved(question)
    if chosen := words.counted_out(question, listed):
        beside = words.COMPARES.search(question) and words.IT.search(question)
        opened = previous if beside and len(previous) == 1 else ()
        return _about(question, tuple(dict.fromkeys((*opened, *chosen))), history)
    if compared := _compared(question, history, allowed):
        return _about(question, compared, history)
    if understood.kind in ("list", "count") and not understood.topic:
        return Resolved(_last_topic(question, history))
    if _points_at_no_list(understood):
        return Resolved(question, lost=True)
    return _pointed(understood, previous, history)


def is_settled(resolved: Resolved, understood: Understood, history: Sequence[Turn]) -> bool:
    """Return whether the turns before leave nothing to guess about the question.

    What may or may not go on with the last answer is not settled, nor is a question
    that refers back where no answer cited a paper.
    """
    if not history or resolved.focus or resolved.missing:
        return True
    if resolved.lean:
        return False
    question = understood.question
    if (
        understood.named
        or understood.unknown
        or understood.filters
        or words.CHANGES.search(question)
    ):
        return True
    return bool(_papers(history, None)) or not _refers_back(question)


def _refers_back(question: str) -> bool:
    """Return whether a question can't be understood without what was said before."""
    if words.SEARCHES.search(question):
        return False
    short = len(set(tokens(question))) <= _SHORT
    return short or bool(words.POINTS.search(question) or words.CONTINUES.search(question))


def _points_at_no_list(understood: Understood) -> bool:
    """Return whether the question is about one of several papers, given that none are listed."""
    return not _has_own(understood) and bool(words.ONE_OF_THEM.search(understood.question))


def _points_at_nothing(understood: Understood) -> bool:
    """Return whether the question is about "it" and little else, given that there is no paper."""
    question = understood.question
    if _has_own(understood) or words.SEARCHES.search(question):
        return False
    bare = len(content(question)) <= _ONE_DETAIL
    return bare and (understood.kind == "field" or bool(words.POINTS.search(question)))


def _has_own(understood: Understood) -> bool:
    return bool(understood.named or understood.unknown or understood.filtered)


def _asks_one_detail(question: str) -> bool:
    """Return whether all that is asked is a detail such as the code or the hardware."""
    return (
        len(content(question)) <= _ONE_DETAIL
        and not words.PAPERS.search(question)
        and any(wanted.search(question) for wanted, _ in DETAILS)
    )


def _pointed(
    understood: Understood, previous: tuple[str, ...], history: Sequence[Turn]
) -> Resolved:
    question = understood.question
    searches = bool(words.SEARCHES.search(question)) and not _asks_one_detail(question)
    if understood.kind == "field" or (words.POINTS.search(question) and not searches):
        several = words.COMPARES.search(question) and len(previous) > 1
        return _about(question, previous[:2] if several else previous[:1], history)
    if searches:
        return Resolved(question)
    own = own_topic(question) and not _asks_one_detail(question)
    if own and words.BROACHES.search(question):
        return Resolved(question)
    short = len(set(tokens(question))) <= _SHORT or _asks_one_detail(question)
    fragment = short or bool(words.CONTINUES.search(question))
    if fragment and not own:
        return _about(question, previous[:1], history)
    return Resolved(question, lean=previous[:1], fragment=fragment)


def _compared(
    question: str, history: Sequence[Turn], allowed: Collection[str] | None
) -> tuple[str, ...]:
    """Return the papers that the question compares, of those talked about; () if it doesn't.

    They are those of the last list, or the last two that single answers were about.
    """
    bare = not own_topic(question) and not words.POINTS.search(question)
    compares = words.COMPARES.search(question) and (bare or words.BOTH.search(question))
    if not (compares or words.TWO.search(question)):
        return ()
    discussed: list[str] = []
    for turn in reversed(history):
        cited = _cited(turn, allowed)
        if len(cited) > 1:
            # One of a list was opened, and the list is spoken of again.
            return cited[:2] if len(discussed) < 2 else ()
        discussed += [i for i in cited if i not in discussed]
        if len(discussed) > 1:
            outside = words.TO_OTHERS.search(question) and not words.BOTH.search(question)
            return () if outside else (discussed[1], discussed[0])
    return ()


def _last_topic(question: str, history: Sequence[Turn]) -> str:
    """Return a question for papers that has no topic with that of the last turn before it.

    A name is no topic of other papers.
    """
    before = history[-1]
    named = MADE.search(before.question) or not own_topic(before.question)
    if named or before.answer.is_refusal or before.answer.mode == "lookup":
        return question
    return f"{before.question} {question}"


def _about(question: str, focus: tuple[str, ...], history: Sequence[Turn]) -> Resolved:
    title = next(
        (c.title for t in reversed(history) for c in t.answer.citations if c.arxiv_id in focus), ""
    )
    return Resolved(f"{title} {question}".strip(), focus, compares=len(focus) > 1)


def _missing(understood: Understood, history: Sequence[Turn]) -> tuple[str, ...]:
    """Return the ids that the last turn asked for in vain, if the question points back."""
    if not history or not history[-1].answer.is_refusal or history[-1].answer.citations:
        return ()
    if (
        _has_own(understood)
        or not words.POINTS.search(understood.question)
        or words.SEARCHES.search(understood.question)
    ):
        return ()
    return tuple(dict.fromkeys(m[1] for m in ARXIV_ID.finditer(history[-1].question)))


def _papers(history: Sequence[Turn], allowed: Collection[str] | None) -> tuple[str, ...]:
    """Return the papers of the last turn that cited any, as they were listed."""
    return next((cited for turn in reversed(history) if (cited := _cited(turn, allowed))), ())


def _listed(
    history: Sequence[Turn], allowed: Collection[str] | None, *, whole: bool
) -> tuple[str, ...]:
    """Return the papers of the last turn that cited several.

    The `whole` list is meant also where some of it were set side by side since.
    """
    last: tuple[str, ...] = ()
    for turn in reversed(history):
        cited = _cited(turn, None)
        if len(cited) > 1 and (not last or set(last) < set(cited)):
            last = cited
            if not whole or turn.answer.kind in ("list", "count"):
                break
    return last if allowed is None or set(last) <= set(allowed) else ()


def _cited(turn: Turn, allowed: Collection[str] | None) -> tuple[str, ...]:
    cited = (citation.arxiv_id for citation in turn.answer.citations)
    return tuple(i for i in cited if allowed is None or i in allowed)
