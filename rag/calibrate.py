"""How sure an index's answerable questions look, measured on the index itself at each build.

What is a low score differs with the papers, their languages and the encoder. So the
index is asked questions that it can answer, made from its own texts, and their scores
say below what a question is refused: the split-conformal quantile, kept apart by
language (arXiv:2506.05583), so that no more of such questions are refused than wished.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import fmean

from rag.aspects import HAN_ASKING, content
from rag.evidence import FEWEST_HITS, LEVELS, bearing, like, score, short
from rag.index import Index
from rag.lexical import STOP_WORDS
from rag.names import MADE
from rag.search import find
from rag.text import sentences
from rag.types import Language, Paper

LANGUAGES: tuple[Language, ...] = ("en", "zh")
# So many questions per language: the quantiles settle, and a build of any size
# spends seconds on them.
_MOST, _MOST_SHORT = 300, 150
# With fewer the low quantiles would be one question's luck.
_FEWEST = 40
# A reader remembers part of what a paper says. With this share of its words the lowest
# five percent score as those of described questions about the same papers do
# (docs/decisions/005-refusal.md).
_KEPT = 0.15
# And many readers say it in words that no paper of the index uses: such questions
# score this much lower.
_REPHRASED: Mapping[Language, float] = {"en": 1.8, "zh": 1.6}
_ROUNDS, _SHORT_ROUNDS, _HITS = 2, 10, 10
# A topic: so many words, or Chinese characters, that stand in so many passages.
_TOPIC_WORDS, _TOPIC_CHARACTERS, _SEEN = (1, 2, 3), range(3, 7), 3
# And the rarity, on the mean, of what stands in one passage of fifty: no "usage", 实验表明.
_SPECIAL = math.log(50)
# Not every paper has texts in both languages: so many are drawn, at most.
_DRAWN = 3000
# An update that adds or drops fewer papers than this share leaves the scores be: the
# sample moves them more.
_DRIFT = 0.2
# Characters at whose side a run was cut out of a sentence rather than a word.
_HAN_FUNCTION = frozenset(
    "并些更且以将其使该本各每很较最能可会应所从向于与及或但则而又还再仅只均等后前时我们此不未无已"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]+")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")


def calibrated(
    index: Index, known: Mapping[str, list[float]], report: Callable[[str, int, int], None]
) -> dict[str, list[float]]:
    """Return {kind: scores that the shares `LEVELS` of answerable questions stay below}.

    A kind (see `rag.evidence.like`) with too few texts is left out. The same index
    gives the same scores. "papers" says on how many papers they were measured: as
    long as the index has about as many, the scores `known` of the generation before
    it hold. `report` is called with ("calibrating", done, total).
    """
    count = index.store.paper_count
    if known.get("papers") and abs(count - known["papers"][0]) <= _DRIFT * count:
        return dict(known)
    found: dict[str, list[float]] = {"papers": [float(count)]}
    made = [(str(la), la, questions(index, la), _MOST, _REPHRASED[la]) for la in LANGUAGES]
    made += [(short(la), la, short_questions(index, la), _MOST_SHORT, 0) for la in LANGUAGES]
    for number, (kind, language, asked, most, lower) in enumerate(made):
        report("calibrating", number, len(made))
        scores = _scores(index, islice(asked, most), language)
        if len(scores) >= _FEWEST:
            found[kind] = [round(_quantile(scores, n) - lower, 3) for n in LEVELS]
    report("calibrating", len(made), len(made))
    return found


def _scores(index: Index, asked: Iterable[str], language: Language) -> list[float]:
    scores = []
    for question in asked:
        hits = find(index, question, _HITS, None, index.dense_weight, names=False)
        if len(hits) >= FEWEST_HITS:
            scores.append(score(bearing(index, question, hits), language))
    return scores


def questions(index: Index, language: Language) -> Iterator[str]:
    """Yield questions that papers of the index answer, in random order.

    Each is a sentence of a paper without its names and without most of its words; a
    small index gets several per paper.
    """
    draw = random.Random(0)  # noqa: S311 (a sample)
    for paper in _drawn(index, draw, _ROUNDS):
        sentence = _sentence(index, paper, language, draw)
        words = [w for w in _words(sentence, language) if draw.random() < _KEPT]
        if words:
            yield ("，" if language == "zh" else " ").join(words)


def short_questions(index: Index, language: Language) -> Iterator[str]:
    """Yield topics that papers of the index speak of, in random order.

    Each is one to three words that stand together in a sentence, or in Chinese three
    to six characters: those that tell most among the words that other passages use
    too, as the words of a field do.
    """
    draw = random.Random(0)  # noqa: S311 (a sample)
    for paper in _drawn(index, draw, _SHORT_ROUNDS):
        words = _words(_sentence(index, paper, language, draw), language)
        if language == "en":
            size = draw.choice(_TOPIC_WORDS)
            words = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
        else:
            words = [word for word in words if len(word) in _TOPIC_CHARACTERS]
            words = [word for word in words if not _HAN_FUNCTION & {word[0], word[-1]}]
        few = (word for word in words if like(word, language) == short(language))
        telling = {topic: _telling(index, topic) for topic in few if _in_use(index, topic)}
        topic = max(telling, key=telling.__getitem__, default="")
        if topic and telling[topic] >= _SPECIAL:
            yield topic


def _in_use(index: Index, topic: str) -> bool:
    seen = [index.lexical.document_frequency(token) for token in content(topic)]
    return bool(seen) and min(seen) >= _SEEN


def _telling(index: Index, topic: str) -> float:
    return fmean(index.rarity(token) for token in content(topic))


def _drawn(index: Index, draw: random.Random, rounds: int) -> Iterator[Paper]:
    """Yield papers of the index in random order; all of a small one several times."""
    live = index.store.live
    numbers = [n for n in range(index.store.size) if live is None or live[n]]
    draw.shuffle(numbers)
    numbers = numbers[:_DRAWN]
    ids = index.store.ids(numbers)
    yield from filter(None, map(index.store.paper, [ids[n] for n in numbers] * rounds))


def _sentence(index: Index, paper: Paper, language: Language, draw: random.Random) -> str:
    own = [p for p in index.store.passages_of(paper.arxiv_id) if p.language == language]
    found = sentences(draw.choice(own).text, language) if own else []
    return MADE.sub(" ", draw.choice(found)) if found else ""


def _words(sentence: str, language: Language) -> list[str]:
    if language == "zh":
        return _HAN.findall(HAN_ASKING.sub(" ", sentence))
    return [w for w in _WORD.findall(sentence) if w.casefold() not in STOP_WORDS]


def _quantile(scores: Sequence[float], level: float) -> float:
    """Return the score that at most `level` of exchangeable questions stay below.

    The k-th lowest of n scores with k = floor(level · (n + 1)), at least the lowest.
    """
    place = int(level * (len(scores) + 1))
    return sorted(scores)[max(place, 1) - 1]
