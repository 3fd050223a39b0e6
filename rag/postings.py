"""Lexical search: BM25 over the inverted indexes of several segments together."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.durable import open_array
from rag.errors import IndexDamaged
from rag.lexical import tokens

_K1, _B = 1.2, 0.75
# Fewer allowed rows than this share of all are scored one by one.
_FEW = 0.01
# How many postings are summed up in the time of looking one row up in a list.
_LOOK_UP = 16
# With fewer postings left, looking for what can be left out takes longer than summing.
_WORTH_IT = 20_000
# How many rows to judge the `count` best by, as a multiple of it.
_PROBE = 10
# Scores are summed up in float32 to choose the rows and then exactly for the chosen
# ones; this is more than the difference can be.
_SLACK = 1e-4
# The least score above 0.
_TINY = float(np.finfo(np.float32).tiny)
# How many words' places are remembered.
_REMEMBERED = 65536

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
# A text, each of whose words counts once, or words with how much each counts.
Query = str | Mapping[str, float]
# A word's weight, and from where to where its postings go in a segment.
_Span = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a question: what it weighs, in how many live rows, and its postings."""

    weight: float
    frequency: int
    # Of each segment, from where to where.
    spans: tuple[tuple[int, int], ...]


class Postings:
    """The lexical index of a generation: the postings of its segments, in order.

    A row is a passage; its number is its segment's first row plus its own number
    there. Scores are BM25 in Lucene's form (k1 = 1.2, b = 0.75)

        sum over the question's words of  idf * count / (count + norm)
        idf  = ln(1 + (N - df + 0.5) / (df + 0.5))
        norm = k1 * (1 - b + b * length / average length)

    with counts up to 255, and N, df and the average length over the live rows of all
    segments: an index of many scores as one built afresh from what lives.
    """

    def __init__(self, folders: Sequence[Path], live: Sequence[Mask | None]) -> None:
        """Open `folders`; `live` masks the rows that still count, None is all of them.

        Raises `IndexDamaged` when a file is missing, cut or does not fit the others.
        """
        self._segments = [_Segment(f, mask) for f, mask in zip(folders, live, strict=True)]
        self._first = np.cumsum([0, *(s.rows for s in self._segments)])
        self.rows = int(self._first[-1])
        self.live_rows = sum(s.live_rows for s in self._segments)
        average = sum(s.live_length for s in self._segments) / max(1, self.live_rows)
        for segment in self._segments:
            segment.set_average(average)
        self._words: dict[str, _Word] = {}

    def document_frequency(self, token: str) -> int:
        """Return in how many live rows `token` stands; 0 for an unknown one."""
        return self._word(token).frequency

    def possible(self, question: Query) -> float:
        """Return the score that no passage can exceed, >= 0: the sum of the words' weights.

        Words that stand in no live row have none.
        """
        return math.fsum(word.weight for word in self._asked(question))

    def top(self, question: Query, count: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """Return the `count` best rows and their scores, all above 0, best first.

        Rows with the same score come in their order. `allowed` is a mask over all
        rows: others are left out, which changes nobody's score.
        """
        words = self._asked(question)
        rows, scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for number, segment in enumerate(self._segments):
            first, end = self._first[number : number + 2]
            mask = segment.allowed(None if allowed is None else allowed[first:end])
            known = [(w.weight, *w.spans[number]) for w in words]
            floor = float(scores[-1]) if 0 < len(scores) == count else 0.0
            found = segment.candidates(known, count, mask, floor)
            rows = np.concatenate((rows, found + first))
            scores = np.concatenate((scores, segment.scores(known, found)))
            order = np.lexsort((rows, -scores))[:count]
            rows, scores = rows[order], scores[order]
        return rows[scores > 0], scores[scores > 0]

    def scores_of(self, question: Query, rows: Rows) -> Scores:
        """Return the score of each of `rows`; 0 for dead ones and without a common word."""
        words = self._asked(question)
        scores = np.zeros(len(rows), np.float32)
        owners = np.searchsorted(self._first, rows, side="right") - 1
        for number, segment in enumerate(self._segments):
            mine = np.flatnonzero(owners == number)
            known = [(w.weight, *w.spans[number]) for w in words]
            here = rows[mine] - self._first[number]
            scores[mine] = np.where(segment.lives(here), segment.scores(known, here), 0)
        return scores

    def _asked(self, question: Query) -> list[_Word]:
        """Return the question's words that stand in a live row, each once."""
        if isinstance(question, str):
            words = [self._word(token) for token in dict.fromkeys(tokens(question))]
        else:
            known = [(self._word(token), share) for token, share in question.items()]
            words = [replace(word, weight=word.weight * share) for word, share in known]
        return [word for word in words if word.frequency]

    def _word(self, token: str) -> _Word:
        known = self._words.get(token)
        if known is None:
            spans = tuple(
                segment.span(token.encode(errors="surrogatepass")) for segment in self._segments
            )
            pairs = zip(self._segments, spans, strict=True)
            frequency = sum(segment.count_live(*span) for segment, span in pairs)
            weight = math.log1p((self.live_rows - frequency + 0.5) / (frequency + 0.5))
            known = _Word(weight, frequency, spans)
            if len(self._words) >= _REMEMBERED:
                self._words.clear()
            self._words[token] = known
        return known


class _Segment:
    """The postings of one segment; rows count from 0 here."""

    def __init__(self, folder: Path, live: Mask | None) -> None:
        self._folder = folder
        self._text = _opened(folder, "words", "u1")
        self._text_at = _opened(folder, "words_at", "i8")
        self._starts = _opened(folder, "starts", "i8")
        self._rows = _opened(folder, "rows", "u4")
        self._counts = _opened(folder, "counts", "u1")
        self._lengths = _opened(folder, "lengths", "u4")
        self.rows = len(self._lengths)
        self._live = None if live is None or live.all() else live
        self._check(live)
        lengths = self._lengths if self._live is None else self._lengths[self._live]
        self.live_rows = len(lengths)
        self.live_length = int(lengths.sum(dtype=np.int64))
        self._norms = np.zeros(0, np.float32)
        self._average = 1.0

    def _check(self, live: Mask | None) -> None:
        sound = len(self._text_at) == len(self._starts) > 0
        sound = sound and self._text_at[0] == self._starts[0] == 0
        sound = sound and self._text_at[-1] == len(self._text)
        sound = sound and self._starts[-1] == len(self._rows) == len(self._counts)
        if not sound or (live is not None and len(live) != self.rows):
            raise IndexDamaged.of(self._folder)

    def set_average(self, average: float) -> None:
        """Take the average length of a row over all segments."""
        self._average = average or 1.0
        self._norms = self._norm(self._lengths).astype(np.float32)

    def _norm(self, lengths: NDArray[np.uint32]) -> NDArray[np.float64]:
        return _K1 * (1 - _B + _B / self._average * lengths.astype(np.float64))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Take a posting of a row that is not there for damage."""
        try:
            yield
        except IndexError as error:
            raise IndexDamaged.of(self._folder) from error

    def allowed(self, mask: Mask | None) -> Mask | None:
        """Return the rows that live and are in `mask`; None is all."""
        if mask is None or self._live is None:
            return self._live if mask is None else mask
        return self._live & mask

    def lives(self, rows: Rows) -> Mask:
        """Return which of the rows still count."""
        return np.ones(len(rows), np.bool_) if self._live is None else self._live[rows]

    def span(self, word: bytes) -> tuple[int, int]:
        """Return from where to where the word's postings go; (0, 0) when unknown."""
        at, text = self._text_at, self._text
        last = len(at) - 1
        place = bisect_left(range(last), word, key=lambda i: text[at[i] : at[i + 1]].tobytes())
        if place == last or text[at[place] : at[place + 1]].tobytes() != word:
            return 0, 0
        return int(self._starts[place]), int(self._starts[place + 1])

    def count_live(self, start: int, end: int) -> int:
        """Return how many of the postings are of live rows."""
        if self._live is None:
            return end - start
        with self._reading():
            return int(np.count_nonzero(self._live[self._rows[start:end]]))

    def scores(self, words: list[_Span], rows: Rows) -> Scores:
        """Return the rows' scores, summed up in the words' order in float64."""
        total = np.zeros(len(rows))
        with self._reading():
            norms = self._norm(self._lengths[rows])
        for weight, start, end in words:
            counts = self._counts_of(start, end, rows)
            total += weight * (counts / (counts + norms))
        return total.astype(np.float32)

    def _counts_of(self, start: int, end: int, rows: Rows) -> NDArray[np.int64]:
        """Return how often the word with these postings stands in each row."""
        if start == end:
            return np.zeros(len(rows), np.int64)
        listed = self._rows[start:end]
        places = listed.searchsorted(rows.astype(np.uint32))
        places[places == end - start] = 0
        return np.where(listed[places] == rows, self._counts[start:end][places], 0)

    def candidates(self, words: list[_Span], count: int, mask: Mask | None, floor: float) -> Rows:
        """Return rows among which are the `count` best of the segment, rising.

        Rows outside `mask` and those that score less than `floor` are left out.
        The words are taken from the heaviest down, as in MaxScore (Turtle and Flood
        1995): once what the lighter ones can add, at most their weights, lifts no
        further row to the `count` best, they are looked up for the rows in question.
        """
        lists = sorted((w for w in words if w[1] < w[2]), reverse=True)
        if mask is not None and np.count_nonzero(mask) < _FEW * self.rows:
            rows = np.flatnonzero(mask)
            totals = np.zeros(len(rows), np.float32)
        else:
            with self._reading():
                rows, totals, lists = self._heaviest(lists, count, mask, floor)
        reach = math.fsum(weight for weight, _, _ in lists)
        for weight, start, end in lists:
            counts = self._counts_of(start, end, rows)
            totals += (weight * (counts / (counts + self._norms[rows]))).astype(np.float32)
            reach -= weight
            floor = max(floor, _least_of_best(totals, count))
            kept = totals >= floor * (1 - _SLACK) - reach
            rows, totals = rows[kept], totals[kept]
        floor = max(floor, _least_of_best(totals, count))
        return rows[(totals >= floor * (1 - _SLACK)) & (totals > 0)]

    def _heaviest(
        self, lists: list[_Span], count: int, mask: Mask | None, floor: float
    ) -> tuple[Rows, Scores, list[_Span]]:
        """Sum up the heaviest words' scores over all rows, until the rest matters little.

        Return the rows that can still be among the `count` best, rising, their sums
        so far, and the words that are not in them.
        """
        totals = np.zeros(self.rows, np.float32)
        # The sums of some rows bound from below what the `count` best have.
        probe = np.zeros(0, np.int64)
        reach = math.fsum(weight for weight, _, _ in lists)
        left = sum(end - start for _, start, end in lists)
        done = 0
        for weight, start, end in lists:
            if left > _WORTH_IT and len(probe) >= count:
                floor = max(floor, _least_of_best(totals[probe], count))
                if floor > reach:
                    possible = np.count_nonzero(totals >= floor * (1 - _SLACK) - reach)
                    if possible * (len(lists) - done) * _LOOK_UP < left:
                        break
            rows = self._rows[start:end].astype(np.int64)
            counts = self._counts[start:end]
            scores = np.float32(weight) * (counts / (counts + self._norms[rows]))
            known = totals[rows]
            if len(probe) < _PROBE * count:
                new = rows[known == 0] if mask is None else rows[(known == 0) & mask[rows]]
                probe = np.concatenate((probe, new))
            # A row stands once in a word's postings.
            totals[rows] = known + scores.astype(np.float32)
            reach -= weight
            left -= end - start
            done += 1
        floor = max(floor, _least_of_best(totals[probe], count))
        likely = totals >= max(floor * (1 - _SLACK) - reach, _TINY)
        if mask is not None:
            likely &= mask
        rows = np.flatnonzero(likely)
        return rows, totals[rows], lists[done:]


def _least_of_best(scores: Scores, count: int) -> float:
    """Return the `count`-th highest score, 0 when there are fewer."""
    if len(scores) < count or not count:
        return 0.0
    return float(np.partition(scores, len(scores) - count)[len(scores) - count])


def _opened(folder: Path, name: str, kind: str) -> NDArray[Any]:
    """Open a file as it lies on the disk; raises `IndexDamaged`."""
    array = open_array(folder / f"{name}.npy")
    if array.ndim != 1 or array.dtype != np.dtype(f"<{kind}"):
        raise IndexDamaged.of(folder)
    # NumPy's class for mapped files makes every slice cost more.
    return np.asarray(array)
