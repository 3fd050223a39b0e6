"""The papers and passages of one index generation, in SQLite, and exact selection.

The file is written once and never changed, so that any number of threads and
processes may read it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from rag.errors import IndexDamaged
from rag.layouts.base import find_arxiv_id
from rag.names import names_of
from rag.text import fold
from rag.types import Appearance, Filters, Paper, Passage, Rendition

T = TypeVar("T")

_SUFFIX = re.compile(r"\.(?:txt|md|markdown)$", re.IGNORECASE)

_SCHEMA = """
CREATE TABLE papers (position INTEGER PRIMARY KEY, arxiv_id TEXT UNIQUE, body TEXT);
CREATE TABLE passages (row INTEGER PRIMARY KEY, id TEXT UNIQUE, arxiv_id TEXT, body TEXT);
CREATE INDEX passages_of ON passages (arxiv_id);
CREATE TABLE appearances (arxiv_id TEXT, digest TEXT, category TEXT, day TEXT, announce TEXT);
CREATE INDEX appearances_by_day ON appearances (day);
CREATE INDEX appearances_by_category ON appearances (category);
CREATE INDEX appearances_by_digest ON appearances (digest);
CREATE TABLE authors (arxiv_id TEXT, name TEXT);
CREATE TABLE names (name TEXT, arxiv_id TEXT, weight REAL, PRIMARY KEY (name, arxiv_id))
    WITHOUT ROWID;
"""


class PaperStore:
    """Read access to one generation's papers and passages.

    A passage's row is its number in the lexical index and counts from 0.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; raises `IndexDamaged` when it is missing or no store."""
        self._path = path
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise IndexDamaged.of(path) from error
        try:
            self.passage_count = self._count("passages")
            self.paper_count = self._count("papers")
        except IndexDamaged:
            self._db.close()
            raise
        self.paper = lru_cache(maxsize=4096)(self._paper)
        self.passages_of = lru_cache(maxsize=4096)(self._passages_of)

    def close(self) -> None:
        """Close the file; the store can't be used afterwards."""
        self._db.close()

    def _paper(self, arxiv_id: str) -> Paper | None:
        """Return the paper of that id (without version), or None."""
        rows = self._rows("SELECT body FROM papers WHERE arxiv_id = ?", (arxiv_id,))
        return self._decode(decode_paper, rows[0][0]) if rows else None

    def _passages_of(self, arxiv_id: str) -> tuple[Passage, ...]:
        """Return the passages of the paper of that id, in order."""
        sql = "SELECT body FROM passages WHERE arxiv_id = ? ORDER BY row"
        return tuple(self._decode(_passage, body) for (body,) in self._rows(sql, (arxiv_id,)))

    def papers(self, arxiv_ids: Iterable[str] | None = None) -> list[Paper]:
        """Return all papers in the digests' order, or those of the ids given."""
        if arxiv_ids is None:
            sql = "SELECT body FROM papers ORDER BY position"
            return [self._decode(decode_paper, body) for (body,) in self._rows(sql)]
        return [paper for i in arxiv_ids if (paper := self.paper(i)) is not None]

    def owners(self) -> list[str]:
        """Return the arXiv id of every passage, by row."""
        return [i for (i,) in self._rows("SELECT arxiv_id FROM passages ORDER BY row")]

    def passage_ids(self) -> list[str]:
        """Return the id of every passage, by row."""
        return [i for (i,) in self._rows("SELECT id FROM passages ORDER BY row")]

    def passages(self, rows: Sequence[int]) -> dict[int, Passage]:
        """Return {row: passage} of the rows given."""
        marks = ",".join("?" * len(rows))
        sql = f"SELECT row, body FROM passages WHERE row IN ({marks})"
        return {n: self._decode(_passage, body) for n, body in self._rows(sql, tuple(rows))}

    def select(self, filters: Filters) -> list[str]:
        """Return the arXiv ids that `filters` allow, in the digests' order.

        Conditions on an appearance must hold for one and the same appearance.
        """
        conditions, values = _conditions(filters)
        sql = f"SELECT arxiv_id FROM papers WHERE {conditions} ORDER BY position"
        # SQLite takes no lone surrogates, which a terminal makes of odd bytes.
        bound = [v.encode(errors="replace").decode() if isinstance(v, str) else v for v in values]
        return [i for (i,) in self._rows(sql, tuple(bound))]

    def named(self, keys: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return {name key: {arXiv id: weight}} of those keys that papers go by."""
        found: dict[str, dict[str, float]] = {}
        for start in range(0, len(keys), 500):
            part = tuple(keys[start : start + 500])
            sql = f"SELECT name, arxiv_id, weight FROM names WHERE name IN ({_marks(part)})"
            for name, arxiv_id, weight in self._rows(sql, part):
                found.setdefault(name, {})[arxiv_id] = weight
        return found

    def name_keys(self, weight: float) -> list[str]:
        """Return the name keys that mean a paper with at least that weight."""
        sql = "SELECT DISTINCT name FROM names WHERE weight >= ?"
        return [name for (name,) in self._rows(sql, (weight,))]

    def digests_without(self, column: str) -> list[str]:
        """Return the digests none of whose entries has a "category" or a "day"."""
        if column not in {"category", "day"}:
            raise ValueError(column)
        sql = (
            f"SELECT digest FROM appearances GROUP BY digest HAVING COUNT({column}) = 0 "
            "ORDER BY digest"
        )
        return [name for (name,) in self._rows(sql)]

    def author_names(self) -> dict[str, list[str]]:
        """Return {author's comparison key: arXiv ids}."""
        found: dict[str, list[str]] = {}
        for name, arxiv_id in self._rows("SELECT name, arxiv_id FROM authors"):
            found.setdefault(name.strip(), []).append(arxiv_id)
        return found

    def tally(self, column: str) -> dict[str, int]:
        """Return {value: distinct papers} of "category", "digest", "day" or "announce"."""
        if column not in {"category", "digest", "day", "announce"}:
            raise ValueError(column)
        sql = (
            f"SELECT {column}, COUNT(DISTINCT arxiv_id) FROM appearances "
            f"WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY {column}"
        )
        return dict(self._rows(sql))

    def _count(self, table: str) -> int:
        return int(self._rows(f"SELECT COUNT(*) FROM {table}")[0][0])

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise IndexDamaged.of(self._path) from error

    def _decode(self, decode: Callable[[str], T], body: str) -> T:
        try:
            return decode(body)
        except (ValueError, KeyError, TypeError) as error:
            raise IndexDamaged.of(self._path) from error


def write_store(path: Path, papers: Sequence[Paper], passages: Sequence[Passage]) -> None:
    """Write a new store of `papers` and their `passages` (row = position) at `path`."""
    db = sqlite3.connect(path)
    try:
        db.executescript(_SCHEMA)
        db.executemany(
            "INSERT INTO papers VALUES (?, ?, ?)",
            ((n, p.arxiv_id, encode_paper(p)) for n, p in enumerate(papers)),
        )
        db.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?)",
            ((n, p.id, p.arxiv_id, _json(p)) for n, p in enumerate(passages)),
        )
        db.executemany(
            "INSERT INTO appearances VALUES (?, ?, ?, ?, ?)",
            (
                (p.arxiv_id, a.digest, a.category, a.date and a.date.isoformat(), a.announce)
                for p in papers
                for a in p.appearances
            ),
        )
        db.executemany(
            "INSERT INTO authors VALUES (?, ?)",
            ((p.arxiv_id, f" {author_key(name)} ") for p in papers for name in p.authors),
        )
        db.executemany(
            "INSERT INTO names VALUES (?, ?, ?)",
            ((key, p.arxiv_id, w) for p in papers for key, w in names_of(p).items()),
        )
        db.commit()
    finally:
        db.close()


def author_key(name: str) -> str:
    """Return an author's name for comparison: no accents, case or punctuation."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", fold(name)).split())


def encode_paper(paper: Paper) -> str:
    """Return the paper as JSON; `decode_paper` is the inverse."""
    return _json(paper)


def decode_paper(body: str) -> Paper:
    """Return the paper that `encode_paper` wrote."""
    data = json.loads(body)
    return Paper(
        arxiv_id=data["arxiv_id"],
        title=data["title"],
        abstract=data["abstract"],
        authors=tuple(data["authors"]),
        categories=tuple(data["categories"]),
        appearances=tuple(_appearance(a) for a in data["appearances"]),
        renditions=tuple(Rendition(**r) for r in data["renditions"]),
    )


def _appearance(data: dict[str, Any]) -> Appearance:
    day = data.pop("date")
    return Appearance(**data, date=date.fromisoformat(day) if day else None)


def _passage(body: str) -> Passage:
    return Passage(**json.loads(body))


def _json(record: Paper | Passage) -> str:
    return json.dumps(dataclasses.asdict(record), ensure_ascii=False, default=date.isoformat)


def _conditions(filters: Filters) -> tuple[str, list[object]]:
    """Return the WHERE clause of `filters` and its values."""
    where, values = ["1"], list[object]()
    if filters.arxiv_ids:
        where.append("arxiv_id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps([find_arxiv_id(given)[0] for given in filters.arxiv_ids]))
    inner, inner_values = _appearance_conditions(filters)
    if inner:
        where.append(f"arxiv_id IN (SELECT arxiv_id FROM appearances WHERE {' AND '.join(inner)})")
        values += inner_values
    if filters.authors:
        names = " OR ".join("instr(name, ?)" for _ in filters.authors)
        where.append(f"arxiv_id IN (SELECT arxiv_id FROM authors WHERE {names})")
        values += [f" {author_key(name)} " for name in filters.authors]
    return " AND ".join(where), values


def _appearance_conditions(filters: Filters) -> tuple[list[str], list[object]]:
    inner, values = list[str](), list[object]()
    if filters.categories:
        inner.append(f"category COLLATE NOCASE IN ({_marks(filters.categories)})")
        values += filters.categories
    if filters.announce:
        inner.append(f"announce IN ({_marks(filters.announce)})")
        values += filters.announce
    if filters.digests:
        inner.append(
            "(" + " OR ".join("substr(digest, 1, length(?)) = ?" for _ in filters.digests) + ")"
        )
        names = [_SUFFIX.sub("", digest) for digest in filters.digests]
        values += [name for name in names for _ in range(2)]
    for day, sign in ((filters.since, ">="), (filters.until, "<=")):
        if day:
            inner.append(f"day {sign} ?")
            values.append(day.isoformat())
    return inner, values


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
