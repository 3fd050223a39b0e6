"""How far each sentence of a model's answer is supported, shown as a mark behind it.

A mark is a sign of its own form, so that it can be told without its colour, and
says in words what it means to a pointer and to a screen reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import rag
from ui.texts import Language, text

SIGNS: Mapping[str, str] = {"supported": "✓", "partly": "◐", "unsupported": "!"}
# Characters without a meaning of their own carry the marks through Markdown.
_START, _END = "\ue0f0", "\ue0f1"
_MARK = re.compile(f"{_START}(\\w+){_END}")


def with_marks(markdown: str, answer: rag.Answer) -> str:
    """Return the answer's text with a mark behind each sentence that was checked."""
    plain = markdown.replace(_START, "").replace(_END, "")
    pieces, at = [], 0
    for shown, label in _labels(answer):
        found = plain.find(shown, at) if shown else -1
        if found >= 0 and label in SIGNS:
            end = found + len(shown)
            pieces += [plain[at:end], f"{_START}{label}{_END}"]
            at = end
    return "".join([*pieces, plain[at:]])


def as_html(rendered: str, language: Language) -> str:
    """Return rendered text with the marks as what the reader sees."""
    return _MARK.sub(lambda match: _sign(match[1], language), rendered)


def legend(answer: rag.Answer, language: Language) -> str:
    """Return what the marks of this answer mean, "" for one without."""
    used = {label for _, label in _labels(answer)}
    parts = [
        f'<span class="verdict {label}" aria-hidden="true">{sign}</span> '
        f"{escape(text(language, label))}"
        for label, sign in SIGNS.items()
        if label in used
    ]
    return f'<p class="legend">{" &nbsp; ".join(parts)}</p>' if parts else ""


def _labels(answer: rag.Answer) -> Iterator[tuple[str, str]]:
    """Yield each checked sentence as it is shown, and its label."""
    if answer.is_refusal:
        return
    checked: tuple[Mapping[str, Any], ...] = tuple(answer.model.get("verdicts", ()))
    for one in checked:
        yield str(one.get("shown", "")), str(one.get("verdict", {}).get("label", ""))


def _sign(label: str, language: Language) -> str:
    meaning = escape(text(language, label), quote=True)
    return (
        f'<span class="verdict {label}" role="img" aria-label="{meaning}" title="{meaning}">'
        f"{SIGNS[label]}</span>"
    )
