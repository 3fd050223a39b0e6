"""Does a text say what a sentence says? Numbers, names, words, negation, meaning, entailment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rag.embed import load_encoder
from rag.entail import Entailment, entailment_by
from rag.lexical import tokens
from rag.numbers import names_missing, numbers_missing
from rag.polarity import direction, is_negated, opposites
from rag.settings import Settings
from rag.text import has_han, language_of, sentences
from rag.types import Passage

Label = Literal["supported", "partly", "unsupported"]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]

# Below the first share of common words a sentence is not supported by them, from
# the second on it is; meaning can make up for some. Of Chinese, which shares pairs
# of characters, half is much: summaries of other papers of the digests share at
# most 0.3 and of the same one 0.4 to 0.9.
_FEW_WORDS, _MANY_WORDS, _MANY_HAN = 0.35, 0.6, 0.5
_FAR, _NEAR = 0.45, 0.7
# How sharply the similarity of the closest sentences outweighs that of others.
_SHARPNESS = 10.0
_CLOSEST = 2
_UNRELATED = ("这只猫喜欢在窗台上睡觉。", "公司去年的出口额有所增长。")
# What a sentence loses that says the opposite, by this margin of similarity.
_OPPOSITE_MARGIN = -0.02
# Where tokens are compared, by sentences of digests held against their own paper, once
# turned around against the same, and against the paper most like it
# (benchmarks/alarms.py): below both of the first two a sentence is not supported; from
# the third on it may be, if entailment and not contradiction is likely. What stands
# there almost word for word need not be found likely.
_STRANGE_TOKENS, _STRANGE, _MATCHED, _VERBATIM, _LIKELY = 0.55, 0.5, 0.62, 0.97, 0.5
# Sentences of the texts whose tokens are compared, the nearest ones.
_LOOKED_AT = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far texts support a sentence.

    `score` is in [0, 1]. `missing_numbers` and `missing_names` stand in the
    sentence and not in the texts; `overlap` is the share of its words that stand
    in the texts; `similarity` the cosine of its meaning and the closest sentence,
    `margin` by how much that exceeds the similarity of the sentence's opposite
    (both None when meaning was not measured); `negated` tells that one of the
    sentence and its closest text is negated and the other is not; `contradicted`
    is the probability that the texts say the contrary, None when not measured.
    """

    label: Label
    score: float
    missing_numbers: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    negated: bool = False
    overlap: float = 0.0
    similarity: float | None = None
    margin: float | None = None
    contradicted: float | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """What is measured of a sentence and texts, before it is weighed.

    `down` tells that the sentence speaks of a decrease, `agree` is 1 where its
    direction is that of the closest text, -1 where it is the contrary. `margin`
    and `reverse` compare with opposites: the sentence's, and the closest texts'.
    `recall` is how well its tokens are matched; the last three are the logarithms
    of the probabilities of entailment, of neither and of contradiction.
    """

    missing_numbers: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    overlap: float = 0.0
    negated: float = 0.0
    differ: float = 0.0
    agree: float = 0.0
    down: float = 0.0
    similarity: float = math.nan
    margin: float = math.nan
    reverse: float = math.nan
    recall: float = math.nan
    entailed: float = math.nan
    neither: float = math.nan
    contradicted: float = math.nan

    def row(self) -> list[float]:
        """Return the numbers in order, without those that were not measured."""
        missing = [float(bool(self.missing_numbers)), float(bool(self.missing_names))]
        words = [*missing, self.overlap, self.negated, self.differ, self.agree, self.down]
        if math.isnan(self.similarity):
            return words
        meant = [*words, self.similarity, self.margin, self.reverse]
        if math.isnan(self.recall):
            return meant
        return [*meant, self.recall, self.entailed, self.neither, self.contradicted]


# Logistic weights, the constant last, as benchmarks/support.py fits and prints them.
_WORDS_WEIGHTS = (-0.61, 0.1, 3.0, -0.69, -0.42, 0.61, -0.91, -2.15)
_MEANING_WEIGHTS = (-0.8, 0.04, 2.74, -0.41, -0.09, 0.79, -0.74, 0.88, 15.8, 21.3, -2.72)
_ALL_WEIGHTS = (
    -0.71, 0.01, 1.48, 0.37, -0.19, 0.67, -0.69, -1.55, 14.91, 16.13, 5.5, 0.81, 0.09, -0.34, -3.84,
)  # fmt: skip


def support(
    sentence: str,
    passages: Sequence[Passage | str],
    *,
    said: str = "",
    settings: Settings | None = None,
) -> Verdict:
    """Return whether `passages`, taken together, say what `sentence` says.

    Names that stand in `said`, the question, need no support of their own. Meaning
    is measured by the settings' encoder; raises `EncoderError` when it can't be loaded.
    """
    encoder = load_encoder(settings or Settings.from_env())
    return weigh(
        sentence,
        passages,
        said=said,
        encode=encoder.encode_passages,
        entailment=entailment_by(encoder),
    )


def weigh(
    sentence: str,
    passages: Sequence[Passage | str],
    *,
    said: str = "",
    encode: Encode | None = None,
    entailment: Entailment | None = None,
) -> Verdict:
    """Return what `support` does, by the means given.

    `encode` returns unit vectors, a row per text; without it, or for Chinese when
    it does not know Chinese, meaning is not measured. `entailment` is not asked
    without it.
    """
    texts = [p if isinstance(p, str) else p.indexed_text for p in passages]
    found = measure(sentence, texts, said=said, encode=encode, entailment=entailment)
    return concluded(sentence, texts, found)


def concluded(sentence: str, texts: Sequence[str], found: Features) -> Verdict:
    """Return the verdict on what was measured of `sentence` and `texts`."""
    return Verdict(
        label=_label(sentence, texts, found),
        score=_score(found),
        missing_numbers=found.missing_numbers,
        missing_names=found.missing_names,
        negated=bool(found.differ),
        overlap=found.overlap,
        similarity=None if math.isnan(found.similarity) else found.similarity,
        margin=None if math.isnan(found.margin) else found.margin,
        contradicted=None if math.isnan(found.contradicted) else math.exp(found.contradicted),
    )


def measure(
    sentence: str,
    texts: Sequence[str],
    *,
    said: str = "",
    encode: Encode | None = None,
    entailment: Entailment | None = None,
) -> Features:
    """Return the features of a sentence over texts; takes what `weigh` does."""
    whole = "\n".join(texts)
    numbers, names = numbers_missing(sentence, whole), names_missing(sentence, f"{whole}\n{said}")
    parts = [part for text in texts for part in sentences(text, language_of(text))]
    if not parts:
        return Features(numbers, names, negated=float(is_negated(sentence)))
    wanted = set(_comparable(sentence, texts))
    shared = np.array([len(wanted & set(tokens(part))) for part in parts]) / max(1, len(wanted))
    near = np.zeros(len(parts), np.float32)
    margin = reverse = math.nan
    if encode is not None and has_han(sentence) and not _knows_chinese(encode):
        encode = None
    if encode is not None:
        near, margin, reverse = _meant(sentence, parts, encode)
    best = parts[int(np.argmax(near + shared))]
    aligned: dict[str, float] = {}
    if encode is not None and entailment is not None and sentence.strip():
        nearest = [parts[n] for n in np.argsort(-near)[:_LOOKED_AT]]
        aligned = _aligned(sentence, nearest, entailment)
    return Features(
        missing_numbers=numbers,
        missing_names=names,
        overlap=len(wanted & {t for part in parts for t in tokens(part)}) / max(1, len(wanted)),
        negated=float(is_negated(sentence)),
        differ=float(is_negated(sentence) != is_negated(best)),
        agree=float(direction(sentence) * direction(best)),
        down=float(direction(sentence) < 0),
        similarity=math.nan if encode is None else float(near.max()),
        margin=margin,
        reverse=reverse,
        **aligned,
    )


def _aligned(sentence: str, nearest: Sequence[str], entailment: Entailment) -> dict[str, float]:
    logits = entailment.logits(sentence, nearest).astype(np.float64)
    entailed, neither, contradicted = logits - np.logaddexp.reduce(logits)
    return {
        "recall": entailment.recall(sentence, nearest),
        "entailed": float(entailed),
        "neither": float(neither),
        "contradicted": float(contradicted),
    }


def _knows_chinese(encode: Encode) -> bool:
    """Return whether unrelated Chinese sentences differ; to an encoder of English they don't."""
    one, other = encode(_UNRELATED)
    return float(one @ other) < _FAR


def _meant(
    sentence: str, parts: Sequence[str], encode: Encode
) -> tuple[NDArray[np.float32], float, float]:
    """Return the similarity of each part, and the two margins over opposites.

    The sentence's opposites are held against all parts, the closer weighing more;
    the opposites of the closest parts against the sentence.
    """
    turned = opposites(sentence)
    vectors = encode([sentence, *turned, *parts])
    claim, against, rows = vectors[0], vectors[1 : 1 + len(turned)], vectors[1 + len(turned) :]
    near = rows @ claim
    weights = np.exp(_SHARPNESS * (near - near.max()))
    gaps = near[:, None] - rows @ against.T
    margin = float((weights[:, None] * gaps).sum(axis=0).min() / weights.sum())
    closest = np.argsort(-near)[:_CLOSEST]
    reverse = [near[n] - (encode(opposites(parts[n])) @ claim).max() for n in closest]
    return near, margin, float(np.mean(reverse))


def _comparable(sentence: str, texts: Sequence[str]) -> list[str]:
    """Return the sentence's tokens; Chinese ones only where a text has Chinese."""
    found = tokens(sentence)
    if has_han(sentence) and not any(map(has_han, texts)):
        return [t for t in found if not has_han(t)]
    return found


def _score(found: Features) -> float:
    row = found.row()
    fitted = (_WORDS_WEIGHTS, _MEANING_WEIGHTS, _ALL_WEIGHTS)
    weights = next(w for w in fitted if len(w) == len(row) + 1)
    return 1 / (1 + math.exp(-(float(np.dot(weights[:-1], row)) + weights[-1])))


def _label(sentence: str, texts: Sequence[str], found: Features) -> Label:
    if not math.isnan(found.recall):
        return _label_by_tokens(found)
    # Between languages words can't be compared: meaning decides, where it is measured.
    crossed = has_han(sentence) and not any(map(has_han, texts))
    few = crossed or found.overlap < _FEW_WORDS
    measured = not math.isnan(found.similarity)
    doubtful = few and (found.similarity < _FAR if measured else not crossed)
    if found.missing_numbers or doubtful:
        return "unsupported"
    near = measured and found.similarity >= _NEAR
    many = not crossed and found.overlap >= (_MANY_HAN if has_han(sentence) else _MANY_WORDS)
    turned = measured and found.margin < _OPPOSITE_MARGIN
    enough = many or (near and (crossed or not few))
    return "supported" if enough and not (found.missing_names or turned) else "partly"


def _label_by_tokens(found: Features) -> Label:
    strange = found.recall < _STRANGE_TOKENS and found.similarity < _STRANGE
    if found.missing_numbers or strange:
        return "unsupported"
    likely = math.log(_LIKELY)
    says = found.entailed >= likely or found.recall >= _VERBATIM
    sure = found.recall >= _MATCHED and says and found.contradicted <= likely
    return "supported" if sure and not found.missing_names else "partly"
