"""Lexical search: our own tokens for English, Chinese and model names, over bm25s."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import IndexDamaged

TOKENS_VERSION = 2
_K1, _B = 1.2, 0.75

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


class LexicalIndex:
    """BM25 (Lucene's form, k1 = 1.2, b = 0.75) over the passages' tokens, by row."""

    def __init__(self, folder: Path) -> None:
        """Open the index in `folder`; raises `IndexDamaged` when it can't be read."""
        import bm25s

        try:
            self._bm25 = bm25s.BM25.load(folder, mmap=True)
            arrays = self._bm25.scores
            sound = len(arrays["data"]) == len(arrays["indices"]) == arrays["indptr"][-1]
            sound = sound and len(arrays["indptr"]) > max(self._bm25.vocab_dict.values())
        except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise IndexDamaged.of(folder) from error
        if not sound:
            raise IndexDamaged.of(folder)

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return each passage's BM25 score, shape (passages,), all >= 0."""
        wanted = list(dict.fromkeys(tokens(question)))
        known = [t for t in wanted if t in self._bm25.vocab_dict]
        if not known:
            return np.zeros(self._bm25.scores["num_docs"], dtype=np.float32)
        scores: NDArray[np.float32] = self._bm25.get_scores(known)
        return scores

    def possible(self, question: str) -> float:
        """Return the score that no passage can exceed, >= 0: the sum of the words' weights.

        A word's weight is its idf, log(1 + (n - df + 0.5) / (df + 0.5)), as BM25 has it;
        words that stand in no passage have none.
        """
        seen = np.array([self.document_frequency(t) for t in dict.fromkeys(tokens(question))])
        seen = seen[seen > 0]
        count = self._bm25.scores["num_docs"]
        return float(np.log(1 + (count - seen + 0.5) / (seen + 0.5)).sum())

    def document_frequency(self, token: str) -> int:
        """Return in how many passages `token` stands; 0 for an unknown one."""
        number = self._bm25.vocab_dict.get(token)
        if number is None:
            return 0
        start, end = self._bm25.scores["indptr"][number : number + 2]
        return int(end - start)


def write_lexical(folder: Path, texts: Iterable[str]) -> None:
    """Build the index of `texts`, one per row, and save it in `folder`."""
    import bm25s

    corpus: Sequence[list[str]] = [tokens(text) or [""] for text in texts]
    bm25 = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    bm25.index(corpus, show_progress=False)
    bm25.save(folder, show_progress=False)
