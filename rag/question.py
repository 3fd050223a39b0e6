"""A reader's question as it is worked with: no markup, one script, not a whole page."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from rag.lexical import STOP_WORDS, tokens
from rag.text import has_han, language_of, sentences
from rag.types import Language

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

_KANA = re.compile(r"[\u3040-\u30ff]")
_LATIN = re.compile(r"[A-Za-z][\w'’.-]*")
# Words that an English question begins with.
_OPENS = frozenset(
    "what which who whom whose when where why how is are was were do does did can could should "
    "would has have tell show give find list any paper papers work works explain describe "
    "summarise summarize compare define translate introduce".split()
)
# A Chinese question asks with one of these; a Chinese term seldom holds any.
_ASKS_CHINESE = re.compile(r"[吗呢吧么啥谁哪怎几请]|什么|如何|为何|多少|是不是|有没有")

_NAME_EN, _NAME_ZH = r"(?:english|(?:simplified )?chinese|mandarin)", r"(?:中文|汉语|英文|英语)"
_TO_ME = r"(?:please |(?:can|could|would|will) you (?:please )?)*"
# Words that ask for the language of the answer, and say nothing of what is asked.
_EN_START = r"(?:^|(?<=[.?!,;:，。？！；：]))\s*"
_ZH_START = r"(?:^|(?<=[\s,.?!;:，。？！；：]))"
_WISHES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_EN_START}{_TO_ME}(?:answer|reply|respond|write|say (?:it|that)|speak|talk)"
        rf"(?: me| this| it| that| to me| to this| to it)? in (?P<name>{_NAME_EN})\b"
        r"(?: please)?(?=\W*$|\s*[:：,，.;。])",
        rf"{_EN_START}(?:and |now |please,? |the same )*in (?P<name>{_NAME_EN})"
        r"(?:,? please)?(?=\W*$|\s*[:：,，])",
        rf"(?<=\w)[\s,]*\bin (?P<name>{_NAME_EN}),? please\b",
        rf"{_ZH_START}(?:请|麻烦|可以|可否|能否|能不能|能|再|那|你|给我)*用(?P<name>{_NAME_ZH})"
        r"(?:来|再)?(?:回答|回复|作答|答复|答|说|讲|(?=解释|介绍|总结|概括|描述|比较|列出|翻译)|"
        r"(?=\s*(?:$|[,，:：。？?！!吗呢])))(?:我|一下|吗|吧|呢)*",
        rf"{_ZH_START}请(?:给我|再)?用(?P<name>{_NAME_ZH})",
        rf"{_ZH_START}请?(?P<name>{_NAME_ZH})(?:回答|回复|作答)(?:我|一下)*",
    )
)
_BID_IN = re.compile(
    rf"^\W*{_TO_ME}(?:explain|describe|summari[sz]e|introduce|translate|tell me|give me|compare|"
    rf"what(?: is|['’]s| are))\b.*?(?P<end>[\s,]+(?:in|into) (?P<name>{_NAME_EN})"
    r"\s*[.?!。？]*\s*)$",
    re.IGNORECASE | re.DOTALL,
)


def question_language(question: str) -> Language:
    """Return the language to answer in, "zh" or "en".

    Unlike a text, a question is Chinese also where few Chinese characters stand beside
    a long name: what counts is in which language it asks. One whose only Chinese is a
    term, in an English sentence, is English.
    """
    by_weight = language_of(question)
    kana = len(_KANA.findall(question))
    if not has_han(question) or (kana and by_weight == "en"):
        return by_weight
    words = [word.casefold().strip("'’.-") for word in _LATIN.findall(question)]
    english = any(word in STOP_WORDS or word in _OPENS for word in words)
    if not english:
        return "zh"
    first = re.match(r"\W*([A-Za-z]+)", question)
    opens = first is not None and first[1].casefold() in _OPENS
    if _ASKS_CHINESE.search(question):
        return by_weight if opens else "zh"
    return "en" if opens else by_weight


def wished_language(question: str) -> tuple[str, Language | None]:
    """Return the question without its request for a language of the answer, and that language.

    The question may be empty then. Without a request it is returned as it is, with None.
    """
    for pattern in _WISHES:
        if match := pattern.search(question):
            left = f"{question[: match.start()].rstrip()} {question[match.end() :].lstrip()}"
            return _trimmed(left), _language_named(match["name"])
    if match := _BID_IN.search(question):
        return _trimmed(question[: match.start("end")]), _language_named(match["name"])
    return question, None


def _language_named(name: str) -> Language:
    return "en" if name.casefold() in ("english", "英文", "英语") else "zh"


def _trimmed(question: str) -> str:
    left = re.sub(r"^[\s,，:：;；.。]+", "", question).strip()
    left = re.sub(r"[\s,，]+(?=[.?!。？！]+$)", "", left)
    left = re.sub(r"(?<=[.?!。？！])[\s.,，]+$", "", left)
    return left if re.search(r"\w", left) else ""


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
    if question_language(text) == "zh":
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
