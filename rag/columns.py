"""Where and when papers appeared, in columns: exact filters and counts at any size.

One row per appearance: the paper's number in its segment, and codes for its
digest, category, day and announce kind. A filter is one pass over a few
megabytes, whatever it leaves.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.durable import open_array
from rag.errors import IndexDamaged
from rag.types import Filters, Paper

Mask = NDArray[np.bool_]

COLUMNS = ("category", "digest", "day", "announce")
_ROW = np.dtype([("paper", "<i4"), *((name, "<i4") for name in COLUMNS)])
_NONE = -1
_SUFFIX = re.compile(r"\.(?:txt|md|markdown)$", re.IGNORECASE)
_ROWS, _CODES = "appearances.npy", "codes.json"


def write_columns(folder: Path, papers: Sequence[Paper]) -> None:
    """Write the appearances of `papers` (number = position) into `folder`."""
    codes: dict[str, dict[str, int]] = {name: {} for name in COLUMNS}

    def code(name: str, value: str | None) -> int:
        return _NONE if value is None else codes[name].setdefault(value, len(codes[name]))

    rows = [
        (
            number,
            code("category", a.category),
            code("digest", a.digest),
            code("day", a.date.isoformat() if a.date else None),
            code("announce", a.announce),
        )
        for number, paper in enumerate(papers)
        for a in paper.appearances
    ]
    np.save(folder / _ROWS, np.array(rows, dtype=_ROW))
    values = {name: list(known) for name, known in codes.items()}
    (folder / _CODES).write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


class Columns:
    """The appearances of one segment's papers; `count` is how many papers it has."""

    def __init__(self, folder: Path, count: int) -> None:
        """Open the columns in `folder`; raises `IndexDamaged` when they can't be read."""
        self._count = count
        self._rows = open_array(folder / _ROWS)
        if self._rows.dtype != _ROW:
            raise IndexDamaged.of(folder / _ROWS)
        try:
            self._values: dict[str, list[str]] = json.loads(
                (folder / _CODES).read_text(encoding="utf-8")
            )
        except (OSError, ValueError) as error:
            raise IndexDamaged.of(folder / _CODES) from error

    @cached_property
    def _paper(self) -> NDArray[np.int32]:
        return np.ascontiguousarray(self._rows["paper"])

    def allowed(self, filters: Filters) -> Mask:
        """Return which papers have an appearance that meets all of `filters`, shape (count,).

        Only what belongs to an appearance is looked at: categories, digests, days
        and announce kinds.
        """
        keep = np.ones(len(self._rows), dtype=np.bool_)
        for name, fits in _conditions(filters).items():
            codes = [n for n, value in enumerate(self._values[name]) if fits(value)]
            table = np.zeros(len(self._values[name]) + 1, dtype=np.bool_)
            table[codes] = True  # the last place is for none at all, whose code is -1
            keep &= table[self._rows[name]]
        found = np.zeros(self._count, dtype=np.bool_)
        found[self._paper[keep]] = True
        return found

    def appeared_in(self, digests: Iterable[str]) -> NDArray[np.int64]:
        """Return the numbers of the papers that appeared in one of those digests."""
        wanted = set(digests)
        codes = [n for n, name in enumerate(self._values["digest"]) if name in wanted]
        return np.unique(self._paper[np.isin(self._rows["digest"], codes)]).astype(np.int64)

    def tally(self, column: str, live: Mask | None) -> Counter[str]:
        """Return {value: distinct live papers} of one of `COLUMNS`."""
        values = self._values[column]
        counts = np.bincount(self._pairs(column, live)[:, 1], minlength=len(values))
        return Counter({value: int(n) for value, n in zip(values, counts, strict=False) if n})

    def present(self, column: str, live: Mask | None) -> dict[str, bool]:
        """Return {digest: whether any of its live entries has a value in `column`}."""
        rows = np.arange(len(self._rows)) if live is None else np.flatnonzero(live[self._paper])
        digests, known = self._rows["digest"][rows], self._rows[column][rows] != _NONE
        names = self._values["digest"]
        return {names[code]: bool(known[digests == code].any()) for code in np.unique(digests)}

    def present_among(self, having: Mask, live: Mask | None) -> dict[str, bool]:
        """Return {digest: whether it has live papers out of `having`, shape (count,)}.

        What a paper has may come from another digest, so that those that appeared in
        this one alone count, where there are any.
        """
        pairs = self._pairs("digest", live)
        alone = np.bincount(pairs[:, 0], minlength=self._count)[pairs[:, 0]] == 1
        found = {}
        for code in np.unique(pairs[:, 1]):
            here = pairs[:, 1] == code
            chosen = here & alone if (here & alone).any() else here
            found[self._values["digest"][code]] = bool(having[pairs[chosen, 0]].any())
        return found

    def days(self, live: Mask | None) -> dict[str, set[str]]:
        """Return {digest: the days that its live entries carry}."""
        names, days = self._values["digest"], self._values["day"]
        found: dict[str, set[str]] = {}
        for digest, day in self._beside(self._rows["digest"], "day", live).tolist():
            found.setdefault(names[digest], set()).add(days[day])
        return found

    def _pairs(self, column: str, live: Mask | None) -> NDArray[np.int64]:
        """Return the distinct (paper, code) pairs of the live papers, shape (n, 2)."""
        return self._beside(self._paper, column, live)

    def _beside(
        self, numbers: NDArray[np.int32], column: str, live: Mask | None
    ) -> NDArray[np.int64]:
        """Return the distinct (number, code) pairs of the live appearances with a code.

        `numbers` has one for each appearance; the result has shape (n, 2).
        """
        known = self._rows[column] != _NONE
        if live is not None:
            known &= live[self._paper]
        size = max(len(self._values[column]), 1)
        pairs = np.unique(numbers[known].astype(np.int64) * size + self._rows[column][known])
        return np.stack([pairs // size, pairs % size], axis=1)


def _conditions(filters: Filters) -> dict[str, Callable[[str], bool]]:
    """Return {column: what its value must fulfil}."""
    found: dict[str, Callable[[str], bool]] = {}
    if filters.categories:
        categories = {name.casefold() for name in filters.categories}
        found["category"] = lambda value: value.casefold() in categories
    if filters.announce:
        found["announce"] = lambda value: value in filters.announce
    if filters.digests:
        starts = tuple(_SUFFIX.sub("", name) for name in filters.digests)
        found["digest"] = lambda value: value.startswith(starts)
    if filters.since or filters.until:
        first, last = (filters.since or date.min), (filters.until or date.max)
        found["day"] = lambda value: first <= date.fromisoformat(value) <= last
    return found
