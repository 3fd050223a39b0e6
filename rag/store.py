"""The papers of an index generation: its segments read as one, and exact selection.

A paper's number counts from 0 over all segments; a superseded paper is in none
of the results. Any number of threads and processes may read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.columns import COLUMNS, Mask
from rag.papers import PaperFile, author_key
from rag.passages import passages_of
from rag.types import Filters, Paper, Passage

_PART = 500
_LONGEST_NAME = 5
# A name that more papers have than this means none of them.
_NAMESAKES = 8


class PaperStore:
    """Read access to the live papers of one generation."""

    def __init__(
        self,
        folders: Sequence[Path],
        dead: Sequence[Sequence[int]] = (),
        digests: Sequence[str] = (),
    ) -> None:
        """Open the segments in `folders`; raises `IndexDamaged` when one is none.

        `dead` are, for each segment, the local numbers of superseded papers;
        `digests` name the digests in the order in which papers are listed.
        """
        self._order = {name: n for n, name in enumerate(digests)}
        self._parts: list[PaperFile] = []
        start = 0
        try:
            for n, folder in enumerate(folders):
                part = PaperFile(folder, start, dead[n] if dead else ())
                self._parts.append(part)
                start += part.count
        except BaseException:
            self.close()
            raise
        self.size = start
        self.paper_count = start - sum(len(part.dead) for part in self._parts)
        self.paper = lru_cache(maxsize=4096)(self._paper)
        self.passages_of = lru_cache(maxsize=4096)(self._passages_of)
        self.digests_without = lru_cache(maxsize=4)(self._digests_without)

    def close(self) -> None:
        """Close the files; the store can't be used afterwards."""
        for part in self._parts:
            part.db.close()

    @property
    def live_parts(self) -> list[Mask | None]:
        """Which papers of each segment are live, None when all are."""
        return [part.live for part in self._parts]

    @cached_property
    def live(self) -> Mask | None:
        """Which paper numbers are live, None when all are."""
        if all(part.live is None for part in self._parts):
            return None
        return np.concatenate(
            [np.ones(p.count, dtype=np.bool_) if p.live is None else p.live for p in self._parts]
        )

    def papers(self, arxiv_ids: Iterable[str] | None = None) -> list[Paper]:
        """Return all papers in the digests' order, or those of the ids given."""
        if arxiv_ids is None:
            arxiv_ids = self._listed(None)
        return [paper for i in arxiv_ids if (paper := self.paper(i)) is not None]

    def allowed(self, filters: Filters) -> Mask:
        """Return which paper numbers `filters` allow, shape (size,).

        Conditions on an appearance must hold for one and the same appearance.
        """
        return np.concatenate([part.allowed(filters) for part in self._parts])

    def select(self, filters: Filters) -> list[str]:
        """Return the arXiv ids that `filters` allow, in the digests' order."""
        return self._listed(self.allowed(filters))

    def ids(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return {paper number: arXiv id}."""
        wanted = np.unique(np.fromiter(numbers, dtype=np.int64))
        starts = [part.start for part in self._parts]
        where = np.searchsorted(starts, wanted, side="right") - 1
        found: dict[int, str] = {}
        for n in np.unique(where):
            part = self._parts[n]
            group = wanted[where == n]
            ids = part.ids[group - part.start].tolist()
            found.update(zip(group.tolist(), (i.decode() for i in ids), strict=True))
        return found

    def number(self, arxiv_id: str) -> int | None:
        """Return the number of the live paper of that id (without version), or None."""
        found = self._locate(arxiv_id)
        return None if found is None else found[0].start + found[1]

    def place(self, arxiv_id: str) -> tuple[int, int]:
        """Return the segment's position and the local number of a live paper."""
        found = self._locate(arxiv_id)
        if found is None:
            raise KeyError(arxiv_id)
        return self._parts.index(found[0]), found[1]

    def named(self, keys: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return {name key: {arXiv id: weight}} of those keys that papers go by.

        Of a name that many papers have, those that it means most surely.
        """
        numbers: dict[str, dict[int, float]] = {}
        for part in self._parts:
            for key in keys:
                for number, weight in part.owners(key, _NAMESAKES):
                    numbers.setdefault(key, {})[part.start + number] = weight
        ids = self.ids({number for owners in numbers.values() for number in owners})
        return {
            key: {ids[number]: weight for number, weight in owners.items()}
            for key, owners in numbers.items()
        }

    def name_keys(self, weight: float) -> list[str]:
        """Return the name keys that mean a paper with at least that weight."""
        sql = "SELECT name, number FROM names WHERE weight >= ?"
        return list(
            dict.fromkeys(
                name
                for part in self._parts
                for name, number in part.rows(sql, (weight,))
                if number not in part.dead
            )
        )

    def _digests_without(self, column: str) -> list[str]:
        """Return the digests none of whose entries has a "category", a "day" or "authors"."""
        known: dict[str, bool] = {}
        for part in self._parts:
            if column == "authors":
                present = part.columns.present_among(part.signed, part.live)
            else:
                present = part.columns.present(column, part.live)
            for name, has in present.items():
                known[name] = known.get(name, False) or has
        return sorted(name for name, has in known.items() if not has)

    @cached_property
    def days_of_digests(self) -> dict[str, list[str]]:
        """{digest: the days that its entries carry, oldest first}."""
        found: dict[str, set[str]] = {}
        for part in self._parts:
            for name, days in part.columns.days(part.live).items():
                found.setdefault(name, set()).update(days)
        return {name: sorted(days) for name, days in found.items()}

    def has_author(self, name: str) -> bool:
        """Return whether an author's name contains `name`, by whole words."""
        return any(
            number not in part.dead for part in self._parts for number in part.by_author(name)
        )

    def authors_in(self, text: str) -> list[str]:
        """Return the comparison keys of the authors whose whole names stand in `text`.

        A name is two to five words here.
        """
        words = author_key(text).split()
        runs = dict.fromkeys(
            " ".join(words[start : start + length])
            for start in range(len(words))
            for length in range(2, min(_LONGEST_NAME, len(words) - start) + 1)
        )
        sql = "SELECT number FROM authors WHERE word = ? AND name = ?"
        found = []
        for run in runs:
            values = max(run.split(), key=len), f" {run} "
            rows = ((part, n) for part in self._parts for (n,) in part.rows(sql, values))
            if any(number not in part.dead for part, number in rows):
                found.append(run)
        return found

    @cached_property
    def tallies(self) -> dict[str, dict[str, int]]:
        """{column: {value: distinct papers}} of category, digest, day and announce."""
        found = {}
        for column in COLUMNS:
            total: Counter[str] = Counter()
            for part in self._parts:
                total += part.columns.tally(column, part.live)
            found[column] = dict(sorted(total.items()))
        return found

    def tally(self, column: str) -> dict[str, int]:
        """Return {value: distinct papers} of "category", "digest", "day" or "announce"."""
        return self.tallies[column]

    def in_digests(self, digests: Iterable[str]) -> set[str]:
        """Return the arXiv ids of the live papers that appeared in one of `digests`."""
        names = set(digests)
        numbers = [
            part.start + int(n)
            for part in self._parts
            for n in part.columns.appeared_in(names)
            if int(n) not in part.dead
        ]
        return set(self.ids(numbers).values())

    def live_papers(self, part: int) -> list[Paper]:
        """Return the live papers of the segment at position `part`, by number."""
        chosen = self._parts[part]
        rows = chosen.rows("SELECT number, body FROM papers ORDER BY number")
        return [chosen.decode(body) for n, body in rows if n not in chosen.dead]

    def _paper(self, arxiv_id: str) -> Paper | None:
        """Return the paper of that id (without version), or None."""
        found = self._locate(arxiv_id)
        if found is None:
            return None
        part, number = found
        return part.decode(part.rows("SELECT body FROM papers WHERE number = ?", (number,))[0][0])

    def _locate(self, arxiv_id: str) -> tuple[PaperFile, int] | None:
        for part in reversed(self._parts):
            rows = part.rows("SELECT number FROM papers WHERE arxiv_id = ?", (arxiv_id,))
            if rows and rows[0][0] not in part.dead:
                return part, rows[0][0]
        return None

    def _passages_of(self, arxiv_id: str) -> tuple[Passage, ...]:
        """Return the passages of the paper of that id, in order."""
        paper = self.paper(arxiv_id)
        return tuple(passages_of(paper)) if paper else ()

    def _listed(self, allowed: Mask | None) -> list[str]:
        """Return the ids of the live papers allowed, in the digests' order."""
        found: list[tuple[int, int, str]] = []
        for part in self._parts:
            few = None if allowed is None else self._local(part, allowed)
            where, values = "1", list[int]()
            if few is not None and len(few) < _PART:
                where, values = f"number IN ({_marks(few)})", few
            sql = f"SELECT number, digest, position, arxiv_id FROM papers WHERE {where}"
            wanted = None if few is None else set(few)
            found += [
                (self._order.get(digest, -1), position, arxiv_id)
                for number, digest, position, arxiv_id in part.rows(sql, values)
                if number not in part.dead and (wanted is None or number in wanted)
            ]
        return [arxiv_id for _, _, arxiv_id in sorted(found)]

    @staticmethod
    def _local(part: PaperFile, allowed: Mask) -> list[int]:
        mine: NDArray[np.int64] = np.flatnonzero(allowed[part.start : part.start + part.count])
        return [int(n) for n in mine]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
