"""A reader's question as it is worked with: no markup, one script, not a whole page."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from rag.lexical import tokens
from rag.text import language_of, sentences

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>|<!--.*?-->", re.DOTALL)
_POINTS_BACK = re.compile(
    r"\b(?:this|it|its|these|that|above|the (?:paper|text|abstract|passage))\b"
    r"|[这该其它]|上文|上述|前面|以上",
    re.IGNORECASE,
)
# Longer than this it is a paste with a question at its end.
_LONG = 800
_TAIL, _WHOLE = 300, 2000
_ENOUGH_TOKENS = 4

# Function words of the languages most asked in beside English, none of them English.
_FOREIGN = re.compile(
    r"\b(?:qué|cuál|cuáles|cómo|los|las|del|para|sobre|una|estos|artículos?|quels?|quelles?|les|des|"
    r"dans|est-ce|sur|avec|welche[rsn]?|und|der|das|über|mit|quais|são|dos|sobre|uma|quali|degli|"
    r"sono|della|каки[ех]|статьи)\b",
    re.IGNORECASE,
)
_OTHER_SCRIPT = re.compile(r"[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f]")


@cache
def _converter() -> Any:  # noqa: ANN401 (OpenCC has no types)
    import opencc

    return opencc.OpenCC("t2s")


def plain_question(question: str) -> str:
    """Return the question without HTML tags, in simplified characters, the paste left off.

    Of a long text its last sentences count, where a question after a paste
    stands, unless they point back at it.
    """
    text = _TAG.sub(" ", question).strip() or question
    if language_of(text) == "zh":
        text = str(_converter().convert(text))
    return _asked(text) if len(text) > _LONG else text


def _asked(text: str) -> str:
    tail = ""
    for sentence in reversed(sentences(text, language_of(text[-_TAIL:]))):
        if tail and len(tail) + len(sentence) > _TAIL:
            break
        tail = f"{sentence} {tail}".strip()
    tail = tail[-_TAIL:]
    if _POINTS_BACK.search(tail) or len(set(tokens(tail))) < _ENOUGH_TOKENS:
        return text[-_WHOLE:]
    return tail


def in_other_language(question: str) -> bool:
    """Return whether the question is in neither English nor Chinese."""
    letters = len(re.findall(r"[^\W\d_]", question)) or 1
    if len(_OTHER_SCRIPT.findall(question)) * 4 > letters:
        return True
    return language_of(question) == "en" and len(set(_FOREIGN.findall(question.lower()))) >= 2
