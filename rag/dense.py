"""Which papers mean what a question means: candidates from Chroma, scored exactly.

Under a filter Chroma would have to bring as many more as the filter drops; there the
tellings are compared one by one, as whole numbers.

A paper's likeness to a question is the weighted mean of the likeness of its author's
telling (the abstract) and of its digests' (the renditions): two tellings of one paper
err apart. A telling's likeness is the mean of its sentences' cosine similarities, of
which those most like the question count most; where the encoder knows no sentences, it
is the best of its passages'.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.columns import Mask
from rag.fusion import attended, weighted_likeness
from rag.segment import Segment
from rag.sentences import in_steps

# Smaller segments than this are compared one by one beside a larger one: faster than
# asking Chroma once more.
_SMALL = 20_000
# So many times the papers asked for are candidates: which tellings are nearest is not
# which papers are, and the exact score decides among them.
_WIDER = 2

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Dense:
    """The dense leg over a generation's segments, by global paper number and row.

    `live` masks the live paper numbers; None when all are.
    """

    def __init__(self, segments: Sequence[Segment], live: Mask | None) -> None:
        """Keep the segments; nothing is read yet."""
        self._segments = segments
        self._live = live
        self._first_paper = np.cumsum([0, *(s.papers for s in segments)])
        self._first_row = np.cumsum([0, *(int(s.first_row[-1]) for s in segments)])

    @property
    def rows(self) -> int:
        """How many passages the segments hold, dead or live."""
        return int(self._first_row[-1])

    def paper_of(self, rows: Numbers) -> Numbers:
        """Return the paper number of each passage row."""
        found = np.empty(len(rows), dtype=np.int64)
        where = np.searchsorted(self._first_row, rows, side="right") - 1
        for n in np.unique(where):
            mine = where == n
            local = rows[mine] - self._first_row[n]
            first = self._segments[n].first_row
            found[mine] = np.searchsorted(first, local, side="right") - 1 + self._first_paper[n]
        return found

    def rows_of(self, papers: Mask) -> Mask:
        """Return the mask of the passage rows of the papers masked, shape (rows,)."""
        sizes = np.concatenate([np.diff(segment.first_row) for segment in self._segments])
        return np.repeat(papers, sizes)

    def first_row_of(self, number: int) -> int:
        """Return the row of a paper's first passage."""
        n = int(np.searchsorted(self._first_paper, number, side="right")) - 1
        local = number - self._first_paper[n]
        return int(self._segments[n].first_row[local] + self._first_row[n])

    def near(
        self, vector: Floats, count: int, allowed: Mask | None = None
    ) -> tuple[Numbers, Floats, Numbers]:
        """Return the papers most like `vector`: numbers, likeness, row of the likest passage.

        `vector` has shape (dimension,) and length 1. At most `count` papers, most
        alike first, ties by number; `allowed` masks paper numbers.
        """
        keep = self._live if allowed is None else allowed
        papers = self._candidates(vector, _WIDER * count, keep)
        if not len(papers):
            return papers, np.zeros(0, dtype=np.float32), papers
        likeness, rows = self._exact(vector, papers)
        order = np.lexsort((papers, -likeness))[:count]
        return papers[order], likeness[order], rows[order]

    def _candidates(self, vector: Floats, count: int, keep: Mask | None) -> Numbers:
        """Return the `count` papers with the nearest tellings, in no order."""
        found, scores = list[Numbers](), list[Floats]()
        largest = max((len(s.telling_paper) for s in self._segments), default=0)
        for n, segment in enumerate(self._segments):
            start = int(self._first_paper[n])
            mask = None if keep is None else keep[start : start + segment.papers]
            size = len(segment.telling_paper)
            if mask is None and (size == largest or size > _SMALL):
                rows, near = segment.nearest.nearest(vector, 2 * count)
            else:
                rows, near = _compared(segment, vector, 2 * count, mask)
            found.append(segment.telling_paper[rows] + np.int64(start))
            scores.append(near)
        return _best(np.concatenate(found), np.concatenate(scores), count)

    def _exact(self, vector: Floats, papers: Numbers) -> tuple[Floats, Numbers]:
        """Return each paper's likeness and the row of its likest passage."""
        likeness = np.zeros(len(papers), dtype=np.float32)
        rows = np.zeros(len(papers), dtype=np.int64)
        where = np.searchsorted(self._first_paper, papers, side="right") - 1
        for n in np.unique(where):
            mine = np.flatnonzero(where == n)
            local = papers[mine] - self._first_paper[n]
            likeness[mine], best = _likeness(self._segments[n], vector, local)
            rows[mine] = best + self._first_row[n]
        return likeness, rows


def _compared(
    segment: Segment, vector: Floats, count: int, mask: Mask | None
) -> tuple[Numbers, Floats]:
    """Return rows and similarities of a segment's `count` nearest tellings, one by one compared.

    `mask` says which papers count. The similarities are those of rounded vectors:
    good to choose what is scored exactly.
    """
    near = _similar(vector, segment.tellings, segment.telling_scale)
    rows = np.arange(len(near)) if mask is None else np.flatnonzero(mask[segment.telling_paper])
    if len(rows) > count:
        rows = rows[np.argpartition(-near[rows], count)[:count]]
    return rows, near[rows]


def _best(papers: Numbers, scores: Floats, count: int) -> Numbers:
    """Return the `count` distinct papers with the highest scores."""
    # A paper has two tellings at most: of twice as many there are enough papers.
    if len(scores) > 2 * count:
        high = scores >= np.partition(scores, -2 * count)[-2 * count]
        papers, scores = papers[high], scores[high]
    order = np.lexsort((papers, -scores))
    ranked = papers[order]
    _, first = np.unique(ranked, return_index=True)
    return ranked[np.sort(first)][:count]


def _likeness(segment: Segment, vector: Floats, papers: Numbers) -> tuple[Floats, Numbers]:
    """Return the likeness of local `papers` and the local row of each one's likest passage."""
    first, last = segment.first_row[papers], segment.first_row[papers + 1]
    start, stop = segment.first_span[first], segment.first_span[last]
    sizes = stop - start
    at = np.cumsum(sizes) - sizes
    spans = np.repeat(start - at, sizes) + np.arange(int(sizes.sum()))
    near = _similar(vector, segment.spans.take(spans), segment.span_scale[spans])
    authors = np.where(segment.author_first[papers], segment.first_span[first + 1] - start, 0)
    # Side by side: the author's sentences, if any, and the digests', if any.
    parts = np.stack([authors, sizes - authors], axis=1).reshape(-1)
    some = parts > 0
    told = np.full(len(parts), -np.inf, dtype=np.float32)
    begins = (np.cumsum(parts) - parts)[some]
    told[some] = (attended if segment.has_sentences else np.maximum.reduceat)(near, begins)
    likeness = weighted_likeness(told[::2], told[1::2])
    likest = np.flatnonzero(np.repeat(np.maximum.reduceat(near, at), sizes) == near)
    _, best = np.unique(np.searchsorted(at, likest, side="right"), return_index=True)
    rows = np.searchsorted(segment.first_span, spans[likest[best]], side="right") - 1
    return likeness, rows


def _similar(vector: Floats, steps: NDArray[np.int8], scale: Floats) -> Floats:
    """Return the cosine similarities of `vector` and rows of whole numbers."""
    import simsimd

    own, step = in_steps(vector[None])
    dots = np.array(simsimd.cdist(own, steps, metric="dot"), dtype=np.float32)
    return np.asarray(dots.reshape(-1) * scale * step[0], dtype=np.float32)
