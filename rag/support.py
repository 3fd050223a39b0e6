"""Does a text say what a sentence says? Numbers, names, negation, words, then meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag.lexical import tokens
from rag.types import Passage

Label = Literal["supported", "partly", "unsupported"]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]

_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?!\w*\d)%?")
_NAME = re.compile(
    r"(?<!\w)(?=[\w.+-]*[A-Z0-9][\w.+-]*)(?:[A-Za-z][\w.+-]*[A-Z0-9][\w.+-]*)(?<![.+-])"
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|cannot|without|fails? to|lacks?|neither|nor|unable)\b|n't\b"
    r"|不(?!仅|但|同|断|止|只)|没有|无法|未能|并非|无需|缺乏",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far texts support a sentence.

    `score` is in [0, 1]; `missing_numbers` and `missing_names` stand in the
    sentence and not in the texts; `overlap` is the share of its words that stand
    in the closest part, `similarity` the cosine of their meaning, when measured.
    """

    label: Label
    score: float
    missing_numbers: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    negated: bool = False
    overlap: float = 0.0
    similarity: float | None = None


def support(
    sentence: str,
    passages: Sequence[Passage | str],
    *,
    said: str = "",
    encode: Encode | None = None,
) -> Verdict:
    """Return whether `passages`, taken together, say what `sentence` says.

    Names that stand in `said`, the question, need no support of their own.
    """
    texts = [p if isinstance(p, str) else p.indexed_text for p in passages]
    whole = "\n".join(texts)
    numbers = _missing_numbers(sentence, whole)
    names = _missing_names(sentence, whole + "\n" + said)
    wanted = set(tokens(sentence))
    overlap = len(wanted & set(tokens(whole))) / len(wanted) if wanted else 0.0
    score = overlap
    if numbers or overlap < 0.3:
        label: Label = "unsupported"
    elif overlap >= 0.5 and not names:
        label = "supported"
    else:
        label = "partly"
    return Verdict(label, score, numbers, names, False, overlap)


def _missing_numbers(sentence: str, whole: str) -> tuple[str, ...]:
    known = {_value(n) for n in _NUMBER.findall(_folded(whole))}
    found = _NUMBER.findall(_folded(sentence))
    return tuple(dict.fromkeys(n for n in found if _value(n) not in known))


def _missing_names(sentence: str, whole: str) -> tuple[str, ...]:
    low = re.sub(r"[^\w]", "", whole.casefold())
    found = _NAME.findall(_folded(sentence))
    return tuple(n for n in found if re.sub(r"[^\w]", "", n.casefold()) not in low)


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-").rstrip("%"))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
