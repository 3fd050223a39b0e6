"""The sentences of the found papers that answer a question, verbatim, without a model.

A sentence's score is how much of the question's information it carries (idf of
the shared tokens), how close it is in meaning (cosine), and whether it is of
the kind that was asked for (a number, a data set, a reason ...).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rag.lexical import tokens
from rag.text import sentences
from rag.types import Language, Passage, Quote

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Rarity = Callable[[str], float]

# What a question asks for, by its words, and what a sentence that gives it looks
# like, by its own: (wanted in English or Chinese, sign in a sentence, parts).
_Kind = tuple[re.Pattern[str], re.Pattern[str], frozenset[str]]
_KINDS: tuple[_Kind, ...] = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(sign, re.IGNORECASE), frozenset(parts))
    for asked, sign, parts in (
        (
            r"\bhow (?:many|much|far|large|big|long|often|well|fast)\b|percent|\brate\b|accurac|"
            r"\bscores?\b|\bnumbers?\b|\bgains?\b|faster|speed-?up|多少|几[个种类倍篇项层]|百分|"
            r"比例|准确率|提升|倍|幅度|数字|成绩|效果",
            r"(?<![\w.-])\d[\d.,]*(?![\w-])|\d+(?:\.\d+)?\s*[%×x倍万亿]|"
            r"\b(?:two|three|four|five|six|seven|eight|nine|ten|half|twice)\b|"
            r"[一二三四五六七八九十两]+[个种类倍项]",
            ("result", "tldr"),
        ),
        (
            r"data ?sets?|benchmark|corpus|corpora|\btested\b|\bevaluat|\benvironments?\b|"
            r"数据集|基准|评测|测试|实验|环境|任务上|语料",
            r"data ?set|benchmark|corpus|corpora|evaluat|experiment|数据集|基准|评测|实验|环境",
            ("result", "method"),
        ),
        (
            r"\bresults?\b|\bfindings?\b|\boutcomes?\b|\bperform|\bconclu|结果|发现|结论|表现|性能",
            r"outperform|achiev|improv|surpass|superior|exceed|reduc|demonstrat|reveal|"
            r"\b(?:show|find|found)s? that|\d\s?%|优于|超过|提升|提高|降低|达到|"
            r"表明|显示|证明|揭示",
            ("result", "conclusion", "tldr"),
        ),
        (
            r"\bwhy\b|reasons?\b|\bmotivat|\bproblem|\bgap\b|为什么|为何|原因|动机|问题|痛点",
            r"because|since|due to|however|lack|limit|challeng|suffer|由于|因为|因此|然而|缺乏|"
            r"挑战|不足",
            ("motivation", "abstract"),
        ),
        (
            r"limitation|drawback|weak|fail|shortcoming|struggl|bottleneck|局限|不足|缺点|短板|"
            r"瓶颈|失败",
            r"limit|however|fail|struggl|only|bottleneck|remain|局限|不足|但|仍|困难|瓶颈|失败",
            ("conclusion", "result", "motivation"),
        ),
        (
            r"\bhow (?:do|does|is|are|did|can)\b|\bmethod|\bapproach|techni|\bcomponents?\b|"
            r"\bstages?\b|"
            r"\bsteps?\b|\bidea\b|怎么|如何|方法|思路|机制|步骤|阶段|组成|原理|做法",
            r"\bwe (?:propose|introduce|present|develop|design|use|train)|by \w+ing|\bvia\b|"
            r"through|"
            r"consist|framework|提出|设计|引入|采用|通过|利用|框架|包括",
            ("method", "tldr"),
        ),
        (
            r"what (?:is|are|does)|\bcalled\b|\bname|\bwhich\b|\bwho\b|is there|are there|\bany\b|"
            r"anyone|是什么|是啥|叫什么|叫啥|哪篇|哪个|讲的|做什么|干什么|有没有|有人|求",
            r"\bwe (?:propose|introduce|present)|this (?:paper|work|article)|novel|called|named|"
            r"本文|我们提出|提出|名为|称为|首个|介绍",
            ("tldr", "method"),
        ),
    )
)
_WEIGHT_WORDS, _WEIGHT_MEANING, _WEIGHT_KIND, _WEIGHT_PART = 1.0, 1.0, 0.3, 0.08
_NAMED_SHARE, _KIND_SHARE = 0.6, 0.3
_REPEAT = 0.72
# Where the code lies answers a question about code and no other; a sentence that
# leans on the one before it says less by itself.
_CODE = re.compile(r"https?://|\bcodes?\b.{0,40}\bavailable|代码|开源|源码", re.IGNORECASE)
_ASKS_CODE = re.compile(
    r"\bcode|github|repo|open.?source|releas|\blink|weights|代码|开源|源码|链接|地址|权重|发布|放出",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"(?:However|Moreover|Furthermore|Additionally|In addition|Besides|These|They|Such|It)\b"
    r"|This (?!paper|work|article|study|survey|chapter|report|research|position)\w"
)
_OF_CODE, _OF_LEANING = 0.4, 0.1
_FLOOR = 0.1
_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage; `order` is its place in the paper's reading order.

    `bearing` are the question's tokens in it with their shares of the question's
    information, which sum to at most 1.
    """

    quote: Quote
    order: int
    score: float = 0.0
    bearing: Mapping[str, float] = field(default_factory=dict)


def length(text: str) -> float:
    """Return the length in words; a Chinese character counts half."""
    han = len(re.findall(r"[\u3400-\u9fff]", text))
    return han / 2 + len(re.findall(r"[^\W_\u3400-\u9fff]+(?:[-.'’][^\W_\u3400-\u9fff]+)*", text))


def split(passages: Iterable[Passage], language: Language) -> list[Sentence]:
    """Return the sentences of the passages in `language`, in reading order, once each.

    Without a passage in that language, those of all passages.
    """
    pool = list(passages)
    chosen = [p for p in pool if p.language == language] or pool
    found: dict[str, Sentence] = {}
    for passage in chosen:
        for text in sentences(passage.text, passage.language):
            quote = Quote(text, passage.part, passage.language, passage.id)
            found.setdefault(text, Sentence(quote, len(found)))
    return list(found.values())


def rank(
    question: str,
    pool: Sequence[Sentence],
    *,
    title: str,
    rarity: Rarity,
    encode: Encode | None,
) -> list[Sentence]:
    """Return the sentences with their scores, in the order given.

    `rarity` is a token's idf over the index. The question's words that only name
    the paper (those of its title) weigh less, since every sentence is about it.
    `encode` gives unit vectors; None leaves meaning out.
    """
    if not pool:
        return []
    bearings = _bearing(question, pool, title, rarity)
    meaning = np.zeros(len(pool))
    if encode is not None:
        vectors = encode([question, *(s.quote.text for s in pool)])
        meaning = np.clip(vectors[1:] @ vectors[0], 0.0, 1.0)
    kinds = [(sign, parts) for asked, sign, parts in _KINDS if asked.search(question)]
    ranked = []
    for sentence, bearing, near in zip(pool, bearings, meaning, strict=True):
        score = _WEIGHT_WORDS * sum(bearing.values()) + _WEIGHT_MEANING * float(near)
        for sign, parts in kinds:
            score += _WEIGHT_KIND * bool(sign.search(sentence.quote.text)) / len(kinds)
            score += _WEIGHT_PART * (sentence.quote.part in parts) / len(kinds)
        score -= _drawbacks(question, sentence.quote.text)
        ranked.append(replace(sentence, score=score, bearing=bearing))
    return ranked


def _drawbacks(question: str, text: str) -> float:
    beside = _CODE.search(text) and not _ASKS_CODE.search(question)
    return _OF_CODE * bool(beside) + _OF_LEANING * bool(_LEANS.match(text))


def choose(ranked: Sequence[Sentence], budget: float) -> list[Sentence]:
    """Return the best sentence, then further ones in reading order, within `budget`.

    `budget` counts as `length`. Each next one is the sentence that says most of
    what the question asks and the chosen ones don't say yet: the greedy answer
    to a coverage problem (Lin & Bilmes, 2011, "A Class of Submodular Functions
    for Document Summarization"). Repetitions are left out. The best one is
    always there, however long.
    """
    if not ranked:
        return []
    best = max(ranked, key=lambda s: (s.score, -s.order))
    chosen, used, said = [best], length(best.quote.text), set(best.bearing)
    left = [s for s in ranked if s is not best]
    while left:
        following = max(left, key=lambda s: (_gain(s, said), -s.order))
        left.remove(following)
        size = length(following.quote.text)
        if used + size > budget or any(_repeats(following, kept) for kept in chosen):
            continue
        if _gain(following, said) < _FLOOR * best.score:
            break
        chosen.append(following)
        used += size
        said |= set(following.bearing)
    return [best, *sorted(chosen[1:], key=lambda s: s.order)]


def _gain(sentence: Sentence, said: set[str]) -> float:
    """Return the sentence's score without what was said, half of that still counting."""
    again = sum(weight for token, weight in sentence.bearing.items() if token in said)
    return sentence.score - _AGAIN * again


def _bearing(
    question: str,
    pool: Sequence[Sentence],
    title: str,
    rarity: Rarity,
) -> list[dict[str, float]]:
    """Return for each sentence which of the question's tokens it has, and their shares.

    A token's share is its idf over the index times its idf over the paper's own
    sentences: the paper's name is rare in the index and all over the paper.
    """
    have = [set(tokens(s.quote.text)) for s in pool]
    naming = set(tokens(title))
    kind = {t for asked, _, _ in _KINDS for m in asked.finditer(question) for t in tokens(m[0])}
    weight: dict[str, float] = {}
    for token in set(tokens(question)):
        inside = sum(token in words for words in have)
        if not inside:
            continue
        telling = math.log(1 + len(pool) / inside) / math.log(1 + len(pool))
        weight[token] = rarity(token) * telling * (_NAMED_SHARE if token in naming else 1.0)
    whole = sum(weight.values()) or 1.0
    # "Results" in a sentence says less than a result does.
    for token in kind & weight.keys():
        weight[token] *= _KIND_SHARE
    return [{t: weight[t] / whole for t in words & weight.keys()} for words in have]


def _repeats(one: Sentence, other: Sentence) -> bool:
    """Return whether most tokens of the shorter sentence stand in the longer."""
    a, b = set(tokens(one.quote.text)), set(tokens(other.quote.text))
    return len(a & b) > _REPEAT * max(1, min(len(a), len(b)))
