"""Vectors of a passage's sentences, out of the one pass that gives the passage's own.

The state of a token knows the text around it, so that the mean of the states over a
sentence is a vector of the sentence in its context ("late chunking", Günther et al.,
2024, arXiv:2409.04701), and costs no second pass. The vectors are kept as whole
numbers of one byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.embed import Vectors, unit_rows
from rag.text import language_of, sentence_spans

# Raised whenever other sentences, or other vectors of them, come out of the same text.
SENTENCES_VERSION = 1


@dataclass(frozen=True, slots=True)
class Sentences:
    """The vectors of some passages' sentences, one passage after another.

    `counts` says how many each passage has; a vector is a row of `steps` times its
    entry of `scale`.
    """

    counts: NDArray[np.int64]
    steps: NDArray[np.int8]
    scale: NDArray[np.float32]


def in_steps(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return rows as whole numbers of -127 to 127, and the step of each row."""
    largest = np.abs(vectors).max(axis=1, initial=1e-12)
    scale = np.asarray(largest / 127, dtype=np.float32)
    return np.rint(vectors / scale[:, None]).astype(np.int8), scale


def spans_of(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of an indexed passage stand in it: start and end of each.

    Its first line is the paper's title and none of them, unless there is nothing else.
    """
    title, line, body = text.partition("\n")
    if not body.strip():
        body, start = text, 0
    else:
        start = len(title) + len(line)
    return [(start + a, start + b) for a, b in sentence_spans(body, language_of(body))]


def pooled(
    states: Vectors, offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> Vectors:
    """Return the mean state of the tokens that begin in each span, as unit vectors.

    `states` has shape (tokens, dimension), `offsets` holds where each token starts
    and ends, the same twice for one that stands for no text. A span without a token,
    such as one behind where the text was cut, gives no row.
    """
    starts, stops = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    real = stops > starts
    rows = [states[real & (starts >= a) & (starts < b)] for a, b in spans]
    means = [row.mean(axis=0) for row in rows if len(row)]
    return unit_rows(np.array(means, dtype=np.float32).reshape(-1, states.shape[1]))
