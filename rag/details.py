"""Whether a paper's entry states what is asked of it, or only what it is about.

An abstract rarely says which hardware was used, what a licence allows or what one
system scored; a search by likeness answers such a question all the same. So the
question is taken apart: what names the paper, and what is asked about it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from rag.aspects import DETAILS, content
from rag.extract import split
from rag.index import Index
from rag.layouts.base import ARXIV_ID
from rag.lexical import tokens
from rag.names import MADE, name_key, without_names
from rag.types import Language, Paper

# An id names the paper too, alone or in a link.
_ADDRESS = re.compile(rf"(?:https?://\S*|arxiv\S*\s*)?{ARXIV_ID.pattern}", re.IGNORECASE)
_LANGUAGES: tuple[Language, ...] = ("en", "zh")
_ACRONYM = 4
_COUNTED = re.compile(
    r"\bhow many (?P<en>(?:[A-Za-z-]+ ?){1,3})"
    r"|(?:多少|(?<!哪)几)(?P<zh>(?![了吗呢分])[个种类项篇层张步道条位名组轮次块座城台段句词对]?[\u4e00-\u9fff]{1,5})",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?<![\w.-])(?:\d[\d.,]*[kKMB]?|(?:only|just|with) (?:one|an?)|single|two|"
    r"three|four|five|six|seven|eight|nine|ten|eleven|twelve|"
    r"dozens?|hundreds?|thousands?|millions?)[+ -]+(?:of )?(?P<en>(?:[A-Za-z-]+ ?){1,4})"
    r"|(?:\d[\d.,]*|[一二三四五六七八九十百千万亿两数]+)\s*[多余+]?\s*"
    r"(?P<zh>[个种类项篇层张步道条位名组轮次块座城台段句词对]?[\u4e00-\u9fff]{1,6})",
    re.IGNORECASE,
)
_ASKS_VALUE = re.compile(
    r"\bhow (?:many|much|long|large|big|fast|far|often|high|low)\b|\bpercent|\bnumber of\b"
    r"|\bwhat (?:\w+ ){0,3}(?:percentage|share|fraction|scores?|accuracy|rate|number|size|length|"
    r"cost|gain|improvement|value|margin|ratio|speed-?up|coefficient|f1|bleu|auc|points)\b"
    r"|多少|(?<!哪)几[个种类项篇层张步道条位名组轮次块座倍成]|百分之|多大|多长|多久|多快|多高|多远",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?<![A-Za-z_\d.])(?<![A-Za-z][-_.])(?<![A-Za-z]\^)\d[\d,.]*(?![\d)]|\s?[Dd]\b)|"
    r"\b(?:zero|negligible|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|twice|double[sd]?|"
    r"triple[sd]?|halve[sd]?|dozens?|hundreds?|thousands?|millions?|billions?)\b|"
    r"[二三四五六七八九十百千万亿两][个种类项篇层张步道条位名组轮次块座倍成分]|(?:一|减)半|零|可忽略|翻倍|[数几成上]百|[数几成上]千",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(r"有没有|是否|^\s*(?:is|are|does|do|did|has|have|can)\b", re.IGNORECASE)
# Fitted by benchmarks/details.py; docs/decisions/005-refusal.md says how and how well.
_WEIGHTS = (1.06, 1.84, 3.33, -2.22, 2.04, -2.01, -2.72, -2.26, -11.0)
_OFFSET = -0.86
# Added to the log odds of the false refusals wished it is the threshold: at five
# percent -1.2, which refuses hardly any of the stated details it was fitted on.
_EVEN = 1.75


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about a paper and how its entry bears on it; each a number.

    `shared` is the share of the information asked, by idf, that the entry's words
    hold; `near` the likeness of its nearest sentence to what is asked, and `apart`
    how far that stands out. `unsigned` and `signed` tell whether a kind of detail
    is asked that the entry shows no sign, or a sign, of; `strange` counts made-up
    words that the entry lacks. `uncounted` is how unlike all that the entry counts
    is what is to be counted. Where a value is asked, `valueless` says that no
    sentence has one, and `beside` how much less near than the nearest is the
    nearest that has one.
    """

    shared: float
    near: float
    apart: float
    unsigned: float
    signed: float
    strange: float
    uncounted: float
    valueless: float
    beside: float


def states(index: Index, question: str, paper: Paper, false_refusals: float) -> bool:
    """Return whether the paper's entry can state what is asked of it.

    A logistic score of `Asked`; how sure it must be follows `false_refusals`, the
    share of answerable questions that may be refused. A question that asks nothing
    but what the paper is can always be answered.
    """
    aspect = _ADDRESS.sub(" ", without_names(question, paper))
    if not false_refusals or not _told(aspect, paper):
        return True
    least = math.log(false_refusals / (1 - false_refusals)) + _EVEN
    return score(asked_of(index, aspect, paper)) >= least


def score(asked: Asked) -> float:
    """Return how probable it is that the entry states what is asked, in log odds."""
    return float(np.dot(_WEIGHTS, astuple(asked))) + _OFFSET


def asked_of(index: Index, aspect: str, paper: Paper) -> Asked:
    """Return how the paper's entry bears on `aspect`, the question without its name."""
    passages = index.store.passages_of(paper.arxiv_id)
    own = [s for la in _LANGUAGES for s in split([p for p in passages if p.language == la], la)]
    texts = list(dict.fromkeys(s.quote.text for s in own))
    whole = "\n".join([paper.title, *texts])
    vectors = index.encode([aspect, *texts])
    likeness = vectors[1:] @ vectors[0]
    nearest = float(likeness.max())
    signs = [bool(sign.search(whole)) for wanted, sign in DETAILS if wanted.search(aspect)]
    valued = np.array([bool(_VALUE.search(text)) for text in texts])
    value = bool(_ASKS_VALUE.search(aspect)) and not _ASKS_WHETHER.search(aspect)
    return Asked(
        shared=_shared(index, aspect, paper, texts),
        near=nearest,
        apart=nearest - float(likeness.mean()),
        unsigned=float(not all(signs)),
        signed=float(any(signs)),
        strange=float(_strange(aspect, whole)),
        uncounted=_uncounted(index, aspect, whole) if value else 0.0,
        valueless=float(value and not valued.any()),
        beside=nearest - float(likeness[valued].max()) if value and valued.any() else 0.0,
    )


def _told(aspect: str, paper: Paper) -> set[str]:
    """Return the tokens of what is asked, without those that name the paper."""
    return set(content(aspect)) - set(tokens(paper.title))


def _shared(index: Index, aspect: str, paper: Paper, texts: Sequence[str]) -> float:
    weights = {token: index.rarity(token) for token in _told(aspect, paper)}
    have = {token for text in texts for token in tokens(text)}
    whole = sum(weights.values())
    return sum(w for token, w in weights.items() if token in have) / whole if whole else 1.0


def _strange(aspect: str, whole: str) -> int:
    """Return how many made-up words the texts lack; an acronym may be spelt out in them."""
    known = name_key(whole)
    initials = "".join(word[0] for word in re.findall(r"[A-Za-z]+", whole)).casefold()
    keys = {name_key(word).removesuffix("s") for word in MADE.findall(aspect)}
    short = {key for key in keys if len(key) <= _ACRONYM}
    return sum(key not in known and not (key in short and key in initials) for key in keys)


def _uncounted(index: Index, aspect: str, whole: str) -> float:
    match = _COUNTED.search(aspect)
    if match is None:
        return 0.0
    thing = (match["en"] or match["zh"]).strip()
    numbered = list(dict.fromkeys((m["en"] or m["zh"]).strip() for m in _NUMBERED.finditer(whole)))
    if not numbered:
        return 1.0
    vectors = index.encode([thing, *numbered])
    return 1.0 - float((vectors[1:] @ vectors[0]).max())
