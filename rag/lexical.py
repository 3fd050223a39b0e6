"""The lexical tokens of a text: English words, Chinese bigrams, model names in parts."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

TOKENS_VERSION = 2

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CHAR = rf"[^\W_{_HAN}]"
_PIECE = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<word>{_CHAR}+(?:[-._+/^'’]+{_CHAR}+)*\+*)")
# A dot between digits is a decimal point and parts nothing.
_SEPARATOR = re.compile(r"(?:[-_+/^'’]|(?<!\d)\.|\.(?!\d))+")
_CAMEL = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|\d+(?:\.\d+)*|[^\W\d_A-Za-z]+")
# Plurals that Snowball leaves alone because they have no vowel before: LLMs, GPUs.
_ACRONYMS = re.compile(r"([^aeiouy]{2,}[aeiou]?)s")
STOP_WORDS = frozenset(
    "a an the of for and or in on at to by with from as is are was were be been being it its this "
    "that these those there here do does did done has have had i you we they he she me my your our "
    "their them us what which who whom whose when where why how can could should would may might "
    "will shall not no any some about into than then so such if but also just please tell show "
    "give find paper papers work works one ones".split()
)
_STOP_HAN = frozenset(
    "的 了 吗 呢 吧 啊 是 在 有 和 与 或 把 被 这 那 哪 些 个 篇 都 也 就 么 什么 哪些 哪个 哪篇 "
    "这篇 那篇 论文 文章 有没 没有 怎么 如何 请问 介绍 一下 是否 可以 能否 有哪 些论 的论".split()
)


def tokens(text: str) -> list[str]:
    """Return the lexical tokens of `text`, the same for passages and questions.

    English words are stemmed (Snowball) and lose stop words; Chinese runs give
    character bigrams, a lone character itself; names such as `Qwen2.5-VL-7B`
    give the whole, its form without separators, and its parts.
    """
    found: list[str] = []
    for match in _PIECE.finditer(unicodedata.normalize("NFKC", text)):
        if match["han"]:
            found += _han(match["han"])
        else:
            found += _word(match["word"])
    return found


def _han(run: str) -> list[str]:
    grams = [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return [gram for gram in grams if gram not in _STOP_HAN]


@lru_cache(maxsize=65536)
def _word(word: str) -> tuple[str, ...]:
    bare = _unaccented(re.sub(r"['’]s$", "", word))
    parts = [p for piece in _SEPARATOR.split(bare) for p in _CAMEL.findall(piece)]
    lower = bare.casefold()
    if len(parts) <= 1:
        return () if lower in STOP_WORDS else (_stem(lower),)
    joined = re.sub(r"[-._+/^'’]+", "", lower)
    small = {_stem(p.casefold()): None for p in parts if p.casefold() not in STOP_WORDS}
    return tuple({_stem(joined): None, lower: None, **small})


def _unaccented(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word)
    return "".join(ch for ch in decomposed if not unicodedata.combining(ch))


@cache
def _stemmer() -> Any:  # noqa: ANN401 (PyStemmer has no types)
    import Stemmer

    return Stemmer.Stemmer("english")


def _stem(word: str) -> str:
    if not word.isalpha():
        return word
    if plural := _ACRONYMS.fullmatch(word):
        return plural[1]
    return str(_stemmer().stemWord(word))
