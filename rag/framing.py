"""What a question in its conversation is, before any paper is looked at."""

from __future__ import annotations

import re
from dataclasses import replace

from rag import cues
from rag.aspects import content
from rag.chat import Resolved
from rag.types import Chip, Kind
from rag.understand import Understood

# What is said to the program has no paper, whatever was talked about before.
OF_NO_PAPER = frozenset({"small_talk", "about_program"})
_HOW_MANY = re.compile(r"\bhow many\b|多少|几[篇个]", re.IGNORECASE)


def about_chip(understood: Understood, resolved: Resolved) -> tuple[Chip, ...]:
    """Return the chip of the papers that the conversation, not the question, names."""
    kept = [i for i in resolved.focus or resolved.among if i not in understood.named]
    return (Chip("about", ", ".join(kept)),) if kept else ()


def narrowed(understood: Understood, among: tuple[str, ...]) -> Understood:
    """Return the question as one for those of the papers `among` that fit it."""
    kind: Kind = "count" if _HOW_MANY.search(understood.question) else "list"
    return replace(understood, kind=kind, filters=replace(understood.filters, arxiv_ids=among))


def unanswerable(understood: Understood, resolved: Resolved) -> str:
    """Return the name of our sentence about a question that asks nothing of the digests."""
    if not re.search(r"\w", understood.question):
        return "no_words"
    if cues.SMALL_TALK.fullmatch(understood.question):
        return "small_talk"
    if cues.ABOUT_PROGRAM.fullmatch(understood.question):
        return "about_program"
    if resolved.lost:
        return "no_referent"
    if understood.named or understood.filters or understood.unknown or resolved.missing:
        return ""
    if cues.asks_for_prompt(understood.question):
        return "not_about"
    pointless = understood.kind == "fact" and not content(understood.question)
    return "no_referent" if pointless and not (resolved.focus or resolved.lean) else ""
