"""The papers of one segment in SQLite: written once, never changed."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.columns import Columns, Mask, write_columns
from rag.durable import open_array
from rag.errors import IndexDamaged
from rag.layouts.base import find_arxiv_id
from rag.names import names_of
from rag.text import fold
from rag.types import Appearance, Filters, Paper, Rendition, record

_SCHEMA = """
CREATE TABLE papers (number INTEGER PRIMARY KEY, arxiv_id TEXT UNIQUE, digest TEXT,
    position INTEGER, body TEXT);
CREATE TABLE authors (word TEXT, name TEXT, number INTEGER);
CREATE TABLE names (name TEXT, weight REAL, number INTEGER,
    PRIMARY KEY (name, weight DESC, number)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX authors_by_word ON authors (word, name, number);
CREATE INDEX names_by_weight ON names (weight, name, number);
"""
_FILE, _IDS = "papers.sqlite", "ids.npy"


class PaperFile:
    """Read access to one segment's papers, by local number.

    `start` is the number of the segment's first paper in its generation, `dead`
    the local numbers of those that were superseded, `live` the mask of the
    others, or None when all are live.
    """

    def __init__(self, folder: Path, start: int = 0, dead: Sequence[int] = ()) -> None:
        """Open the file in `folder`; raises `IndexDamaged` when it can't be read."""
        self._path = folder / _FILE
        self.start = start
        uri = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self.db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise IndexDamaged.of(self._path) from error
        try:
            self.count = int(self.rows("SELECT COUNT(*) FROM papers")[0][0])
            self.dead = frozenset(dead)
            self.live: Mask | None = None
            if self.dead:
                self.live = np.ones(self.count, dtype=np.bool_)
                self.live[list(self.dead)] = False
            self.columns = Columns(folder, self.count)
            self.ids = _ids(folder, self.count)
        except BaseException:
            self.db.close()
            raise

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Return all rows of a query; raises `IndexDamaged` for a damaged file."""
        try:
            return self.db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise IndexDamaged.of(self._path) from error

    @cached_property
    def signed(self) -> Mask:
        """Which papers have authors, shape (count,)."""
        found = np.zeros(self.count, dtype=np.bool_)
        found[[n for (n,) in self.rows("SELECT DISTINCT number FROM authors")]] = True
        return found

    def owners(self, name: str, most: int) -> list[tuple[int, float]]:
        """Return up to `most` live papers that go by a name key, and how surely, surest first."""
        sql = "SELECT number, weight FROM names WHERE name = ? ORDER BY weight DESC, number"
        try:
            rows = ((n, w) for n, w in self.db.execute(sql, (name,)) if n not in self.dead)
            return list(islice(rows, most))
        except sqlite3.DatabaseError as error:
            raise IndexDamaged.of(self._path) from error

    def decode(self, body: str) -> Paper:
        """Return the paper that `body` is; raises `IndexDamaged` when it is none."""
        try:
            return decode_paper(body)
        except (ValueError, KeyError, TypeError) as error:
            raise IndexDamaged.of(self._path) from error

    def allowed(self, filters: Filters) -> Mask:
        """Return which papers of the segment `filters` allow, by local number."""
        found = self.columns.allowed(filters)
        if self.live is not None:
            found &= self.live
        for numbers in self._named_by(filters):
            named = np.zeros(self.count, dtype=np.bool_)
            named[numbers] = True
            found &= named
        return found

    def _named_by(self, filters: Filters) -> Iterator[list[int]]:
        if filters.arxiv_ids:
            ids = json.dumps([find_arxiv_id(given)[0] for given in filters.arxiv_ids])
            sql = "SELECT number FROM papers WHERE arxiv_id IN (SELECT value FROM json_each(?))"
            yield [n for (n,) in self.rows(sql, (ids,))]
        if filters.authors:
            yield [n for name in filters.authors for n in self.by_author(name)]

    def by_author(self, name: str) -> list[int]:
        """Return the papers with an author whose name contains `name`, by whole words."""
        key = author_key(name)
        if not key:
            return []
        sql = "SELECT number FROM authors WHERE word = ? AND instr(name, ?)"
        return [n for (n,) in self.rows(sql, (max(key.split(), key=len), f" {key} "))]


def write_papers(folder: Path, papers: Sequence[Paper]) -> None:
    """Write `papers` (number = position) and where they appeared in `folder`."""
    write_columns(folder, papers)
    np.save(folder / _IDS, np.array([p.arxiv_id for p in papers], dtype=np.bytes_))
    db = sqlite3.connect(folder / _FILE)
    try:
        # Nothing reads the file before it is whole: it is synced once, at the end.
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA synchronous=OFF")
        db.executescript(_SCHEMA)
        for table, rows in (
            ("papers VALUES (?, ?, ?, ?, ?)", _paper_rows(papers)),
            ("authors VALUES (?, ?, ?)", _author_rows(papers)),
            ("names VALUES (?, ?, ?)", _name_rows(papers)),
        ):
            db.executemany(f"INSERT INTO {table}", rows)
        db.executescript(_INDEXES)
        db.commit()
    finally:
        db.close()


def _paper_rows(papers: Sequence[Paper]) -> Iterator[tuple[object, ...]]:
    for number, paper in enumerate(papers):
        first = paper.appearances[0] if paper.appearances else Appearance("", 0, 0)
        yield number, paper.arxiv_id, first.digest, first.position, encode_paper(paper)


def _author_rows(papers: Sequence[Paper]) -> Iterator[tuple[object, ...]]:
    for number, paper in enumerate(papers):
        for key in dict.fromkeys(map(author_key, paper.authors)):
            for word in dict.fromkeys(key.split()):
                yield word, f" {key} ", number


def _name_rows(papers: Sequence[Paper]) -> Iterator[tuple[object, ...]]:
    for number, paper in enumerate(papers):
        for key, weight in names_of(paper).items():
            yield key, weight, number


def _ids(folder: Path, count: int) -> NDArray[np.bytes_]:
    """Return the arXiv id of every paper, by local number."""
    ids: NDArray[np.bytes_] = open_array(folder / _IDS)
    if ids.shape != (count,):
        raise IndexDamaged.of(folder / _IDS)
    return ids


def author_key(name: str) -> str:
    """Return an author's name for comparison: no accents, case or punctuation."""
    return " ".join(re.sub(r"[^\w\s]|_", " ", fold(name)).split())


def encode_paper(paper: Paper) -> str:
    """Return the paper as JSON; `decode_paper` is the inverse."""
    data = record(paper)
    for name in ("appearances", "renditions"):
        data[name] = [record(part) for part in data[name]]
    return json.dumps(data, ensure_ascii=False, default=date.isoformat)


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
