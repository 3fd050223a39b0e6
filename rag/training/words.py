"""A Chinese vocabulary, and first rows for it from the English words it goes with."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, trainers

from rag.lexical import tokens
from rag.text import has_han
from rag.training.corpus import Pair
from rag.vocabulary import HAN, normalised, word_rows

Rows = NDArray[np.float32]
Column = NDArray[np.int64]

_UNKNOWN = "<unk>"
_LONGEST_WORD = 8
# A run of Chinese that returns more often says nothing new about words.
_RUN_WEIGHT = 12
_ROUNDS = 6
_NEIGHBOURS = 8
# What a Chinese bigram may stand for: at most so many stems, at least so likely, of a
# bigram that so many pairs hold.
_TRANSLATIONS, _LEAST_CHANCE, _OFTEN = 3, 0.1, 4
# Weight of the empty word, which takes what no Chinese word explains.
_EMPTY = 2.0


def learn_words(texts: Iterable[str], size: int) -> list[str]:
    """Return about `size` Chinese words and phrases, sorted.

    A Unigram model (Kudo 2018) over the runs of Chinese in `texts`, and every
    character seen at least three times.
    """
    runs: Counter[str] = Counter()
    for text in texts:
        runs.update(HAN.findall(normalised(text)))
    unigram = Tokenizer(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        max_piece_length=_LONGEST_WORD,
        shrinking_factor=0.3,
        n_sub_iterations=1,
        show_progress=False,
        unk_token=_UNKNOWN,
        special_tokens=[_UNKNOWN],
    )
    repeated = (itertools.repeat(run, min(count, _RUN_WEIGHT)) for run, count in runs.items())
    unigram.train_from_iterator(itertools.chain.from_iterable(repeated), trainer)
    pieces = [word for word, _ in json.loads(unigram.to_str())["model"]["vocab"]]
    characters: Counter[str] = Counter()
    for run, count in runs.items():
        characters.update(dict.fromkeys(run, count))
    single = [one for one, count in characters.items() if count >= 3]
    # The trainer leaves words of nearly one score in any order.
    return sorted({w for w in pieces if HAN.fullmatch(w)}.union(single))


def first_rows(pairs: Sequence[Pair], words: Sequence[str], tokenizer: str, english: Rows) -> Rows:
    """Return a first embedding for each of `words`: (len(words), hidden size).

    Each is the mean of its likeliest English pieces' rows in `english`, weighted
    by P(English | Chinese) of IBM Model 1 (Brown et al. 1993) over `pairs`. A
    word that no pair holds gets the mean of its characters.
    """
    chinese_ids, english_ids, sentences = _cells(pairs, words, tokenizer, len(english))
    rows = np.zeros((len(words), english.shape[1]), np.float32)
    seen = np.zeros(len(words), bool)
    links, chances = _model_1(chinese_ids, english_ids, sentences, len(words), len(english))
    word_of, piece_of = links // len(english), links % len(english)
    order = np.lexsort((-chances, word_of))
    starts = np.searchsorted(word_of[order], np.arange(len(words) + 1))
    for word in np.unique(word_of):
        best = order[starts[word] : starts[word + 1]][:_NEIGHBOURS]
        best = best[chances[best] > 0.03 * chances[best[0]]]
        weight = chances[best] / chances[best].sum()
        rows[word] = weight @ english[piece_of[best]]
        seen[word] = True
    _fill_unseen(rows, seen, words, english)
    return rows


def learn_lexicon(pairs: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Return {Chinese token: {English token: P(English | Chinese)}} of the lexical leg.

    IBM Model 1 over the tokens of `pairs`: each Chinese bigram with the few English
    stems that it most likely stands for; bigrams seen too rarely to tell are left out.
    """
    chinese: dict[str, int] = {}
    english: dict[str, int] = {}
    columns: tuple[list[Column], ...] = ([], [], [])
    for number, pair in enumerate(pairs):
        one = [t for t in dict.fromkeys(tokens(pair.chinese)) if has_han(t)]
        other = [t for t in dict.fromkeys(tokens(pair.english)) if not has_han(t)]
        left = np.array([chinese.setdefault(t, len(chinese)) for t in one], np.int64)
        right = np.array([english.setdefault(t, len(english)) for t in other], np.int64)
        columns[0].append(np.repeat(left, len(right)))
        columns[1].append(np.tile(right, len(left)))
        columns[2].append(np.full(len(left) * len(right), number, np.int64))
    first, second, third = (np.concatenate([np.zeros(0, np.int64), *c]) for c in columns)
    if not len(first):
        return {}
    links, chances = _model_1(first, second, third, len(chinese), len(english))
    seen = np.bincount(np.unique(first * len(pairs) + third) // len(pairs))
    names, stems = list(chinese), list(english)
    lexicon: dict[str, dict[str, float]] = {}
    for link in np.lexsort((links, -chances)).tolist():
        word, stem = divmod(int(links[link]), len(english))
        if chances[link] < _LEAST_CHANCE:
            break
        told = lexicon.setdefault(names[word], {}) if seen[word] >= _OFTEN else {}
        if len(told) < _TRANSLATIONS:
            told[stems[stem]] = round(float(chances[link]), 2)
    return lexicon


def _cells(
    pairs: Sequence[Pair], words: Sequence[str], tokenizer: str, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return every (Chinese word, English piece, pair) that occurs, as three columns."""
    cut = Tokenizer.from_str(tokenizer)
    row_of = word_rows(tokenizer, words)
    columns: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    left = cut.encode_batch([p.chinese for p in pairs], add_special_tokens=False)
    right = cut.encode_batch([p.english for p in pairs], add_special_tokens=False)
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        chinese = np.array(sorted({row_of[i] for i in one.ids if i in row_of}), np.int64)
        pieces = zip(other.ids, other.tokens, strict=True)
        spoken = {i for i, t in pieces if i < size and any(c.isalnum() for c in t)}
        english = np.array(sorted(spoken), np.int64)
        columns[0].append(np.repeat(chinese, len(english)))
        columns[1].append(np.tile(english, len(chinese)))
        columns[2].append(np.full(len(chinese) * len(english), number, np.int64))
    joined = [np.concatenate([np.zeros(0, np.int64), *column]) for column in columns]
    return joined[0], joined[1], joined[2]


def _model_1(
    chinese: NDArray[np.int64],
    english: NDArray[np.int64],
    sentences: NDArray[np.int64],
    words: int,
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the links `word * size + piece` that occur, and P(piece | word) of each."""
    links, link_of = np.unique(chinese * size + english, return_inverse=True)
    slots, slot_of = np.unique(sentences * size + english, return_inverse=True)
    word_of = links // size
    chances = 1.0 / np.bincount(word_of, minlength=words)[word_of]
    common = np.bincount(english, minlength=size) / max(1, len(english))
    for _ in range(_ROUNDS):
        share = chances[link_of]
        total = np.bincount(slot_of, weights=share, minlength=len(slots))
        total += _EMPTY * common[slots % size]
        counts = np.bincount(link_of, weights=share / total[slot_of], minlength=len(links))
        chances = counts / np.bincount(word_of, weights=counts, minlength=words)[word_of]
    return links, chances


def _fill_unseen(rows: Rows, seen: NDArray[np.bool_], words: Sequence[str], english: Rows) -> None:
    number = {word: i for i, word in enumerate(words)}
    mean = english.mean(axis=0)
    for word in np.flatnonzero(~seen).tolist():
        known = [number[c] for c in words[word] if c in number and seen[number[c]]]
        rows[word] = rows[known].mean(axis=0) if known else mean
