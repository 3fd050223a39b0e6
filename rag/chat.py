"""Conversation: what a follow-up question is about, decided from the turns before.

No model is asked. A question stays with the papers of the last answer when it
points at them (a pronoun, an ordinal), when it names nothing of its own and is
too short to stand alone, or when it starts like a continuation; it leaves them
when it names another paper, says that the topic changes, or asks for a paper.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rag.aspects import DETAILS, content
from rag.layouts.base import ARXIV_ID
from rag.lexical import tokens
from rag.types import Turn
from rag.understand import Understood

_ORDINALS = {
    "first": 0, "1st": 0, "former": 0, "second": 1, "2nd": 1, "latter": 1, "third": 2, "3rd": 2,
    "fourth": 3, "fifth": 4, "last": -1, "一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "后": -1,
}  # fmt: skip
_ORDINAL = re.compile(
    r"\bthe (?P<en>first|1st|former|second|2nd|latter|third|3rd|fourth|fifth|last)\b(?: one| "
    r"paper)?"
    r"|第(?P<zh>[一二三四五])[篇个]|(?P<pair>前者|后者)|最(?P<last>后)一[篇个]",
    re.IGNORECASE,
)
# One of several that were listed, not the first paper to do something.
_ONE_OF_THEM = re.compile(
    r"\bthe (?:first|1st|second|2nd|third|3rd|fourth|fifth|last) (?:one|paper)\b"
    r"(?! (?:to|that|which|who|on|about)\b)|\bthe (?:former|latter)\b"
    r"|第[一二三四五六七八九十][篇个]|最后一[篇个]|前者|后者",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:it|its|they|their|them|this (?:paper|work|method|model|approach|one)|that (?:paper|work|"
    r"method|model|approach|one)|these|those|the (?:paper|authors|same|method|model|approach))\b"
    r"|它们?|他们|其(?!他|它|中|实|余)|这篇|该(?:论文|文|方法|模型|工作|框架)|这个(?:方法|模型|"
    r"工作|框架)?|作者",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^\s*(?:and\b|so\b|but\b|also\b|then\b|what about|how about|why\b|ok(?:ay)?[,.\s]+(?:and|so|"
    r"but)\b|"
    r"那么?(?!篇)|还有(?!一篇|别的)|另外它|然后|所以|具体|效果|结果|代码|开源)",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:different (?:thing|topic|question|subject)|something else|change (?:of )?(?:the "
    r")?(?:topic|"
    r"subject)|new topic|unrelated|by the way|another (?:topic|question)|moving on|switching)\b"
    r"|换个(?:话题|问题|方向)|换一个|另一个问题|另外问|题外|顺便问|再问一个|话说",
    re.IGNORECASE,
)
_SEARCHES = re.compile(
    r"\b(?:is|are) there\b|\bany(?:one|body|thing)?\b (?:\w+ )?(?:paper|work|on|that|who|about)|"
    r"\bwhich (?:paper|one|work)|\banother (?:paper|one)|\bother (?:papers|works?)|\bhas "
    r"anyone\b|\bpapers?\b (?:on|about)"
    r"|有没有|有木有|有人|[哪那]一?篇|还有一篇|另一篇|别的|其他|求|(?<![它其这该])有(?![效用趣]).{0,12}吗",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:compar\w+|versus|vs\.?|differ\w*)\b|相比|对比|比较|区别|不同|差别|跟.{1,30}比|"
    r"和.{1,30}比",
    re.IGNORECASE,
)
_PAPERS = re.compile(r"\b(?:papers?|works?|articles?|stud(?:y|ies))\b|论文|文章|篇", re.IGNORECASE)
_SHORT, _ONE_DETAIL = 4, 2


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question in its conversation.

    `focus` are the arXiv ids it is about, empty for a new topic; `lean` is what
    it is about unless a search for the question itself finds something clearly
    better. `question` is what is searched beside the original, the same when
    nothing was added. `missing` are ids that the digests don't have and that it
    points back at.
    """

    question: str
    focus: tuple[str, ...] = ()
    lean: tuple[str, ...] = ()
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
    if _CHANGES.search(question):
        return Resolved(question)
    others = tuple(i for i in understood.named if i not in previous[:1])
    if others:
        if _COMPARES.search(question) and len(others) == 1:
            return Resolved(question, (previous[0], *others), compares=True)
        return Resolved(question)
    if understood.named:
        return Resolved(question, understood.named)
    if understood.unknown or understood.filtered:
        return Resolved(question)
    if chosen := _ordinal(question, _listed(history, allowed)):
        return _about(question, (chosen,), history)
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
    if understood.named or understood.unknown or understood.filters or _CHANGES.search(question):
        return True
    return bool(_papers(history, None)) or not _refers_back(question)


def _refers_back(question: str) -> bool:
    """Return whether a question can't be understood without what was said before."""
    if _SEARCHES.search(question):
        return False
    short = len(set(tokens(question))) <= _SHORT
    return short or bool(_POINTS.search(question) or _CONTINUES.search(question))


def _points_at_no_list(understood: Understood) -> bool:
    """Return whether the question is about one of several papers, given that none are listed."""
    return not _has_own(understood) and bool(_ONE_OF_THEM.search(understood.question))


def _points_at_nothing(understood: Understood) -> bool:
    """Return whether the question is about "it" and little else, given that there is no paper."""
    question = understood.question
    if _has_own(understood) or _SEARCHES.search(question):
        return False
    bare = len(content(question)) <= _ONE_DETAIL
    return bare and (understood.kind == "field" or bool(_POINTS.search(question)))


def _has_own(understood: Understood) -> bool:
    return bool(understood.named or understood.unknown or understood.filtered)


def _asks_one_detail(question: str) -> bool:
    """Return whether all that is asked is a detail such as the code or the hardware."""
    return (
        len(content(question)) <= _ONE_DETAIL
        and not _PAPERS.search(question)
        and any(wanted.search(question) for wanted, _ in DETAILS)
    )


def _pointed(
    understood: Understood, previous: tuple[str, ...], history: Sequence[Turn]
) -> Resolved:
    question = understood.question
    searches = bool(_SEARCHES.search(question)) and not _asks_one_detail(question)
    if understood.kind == "field" or (_POINTS.search(question) and not searches):
        several = _COMPARES.search(question) and len(previous) > 1
        return _about(question, previous[:2] if several else previous[:1], history)
    if searches:
        return Resolved(question)
    short = len(set(tokens(question))) <= _SHORT or _asks_one_detail(question)
    if short or _CONTINUES.search(question):
        return _about(question, previous[:1], history)
    return Resolved(question, lean=previous[:1])


def _about(question: str, focus: tuple[str, ...], history: Sequence[Turn]) -> Resolved:
    title = next(
        (c.title for t in reversed(history) for c in t.answer.citations if c.arxiv_id in focus), ""
    )
    return Resolved(f"{title} {question}".strip(), focus)


def _missing(understood: Understood, history: Sequence[Turn]) -> tuple[str, ...]:
    """Return the ids that the last turn asked for in vain, if the question points back."""
    if not history or not history[-1].answer.is_refusal or history[-1].answer.citations:
        return ()
    if (
        _has_own(understood)
        or not _POINTS.search(understood.question)
        or _SEARCHES.search(understood.question)
    ):
        return ()
    return tuple(dict.fromkeys(m[1] for m in ARXIV_ID.finditer(history[-1].question)))


def _papers(history: Sequence[Turn], allowed: Collection[str] | None) -> tuple[str, ...]:
    """Return the papers of the last turn that cited any, as they were listed."""
    return next((cited for turn in reversed(history) if (cited := _cited(turn, allowed))), ())


def _listed(history: Sequence[Turn], allowed: Collection[str] | None) -> tuple[str, ...]:
    """Return the papers of the last turn that cited several."""
    lists = (_cited(turn, None) for turn in reversed(history))
    last = next((cited for cited in lists if len(cited) > 1), ())
    return last if allowed is None or set(last) <= set(allowed) else ()


def _cited(turn: Turn, allowed: Collection[str] | None) -> tuple[str, ...]:
    cited = (citation.arxiv_id for citation in turn.answer.citations)
    return tuple(i for i in cited if allowed is None or i in allowed)


def _ordinal(question: str, previous: tuple[str, ...]) -> str | None:
    match = _ORDINAL.search(question)
    if match is None or len(previous) < 2:
        return None
    if match["pair"]:
        return previous[0 if match["pair"] == "前者" else 1]
    word = next(g for g in (match["en"], match["zh"], match["last"]) if g).casefold()
    place = _ORDINALS[word]
    return previous[place] if -len(previous) <= place < len(previous) else None
