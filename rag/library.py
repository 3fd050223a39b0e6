"""What was read out of every digest, kept by content, so that a file is read once.

The durable half of the index, beside the vectors: a SQLite file in WAL mode.
All of it can be read again from the digests; a row whose checksum does not fit
is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rag.digests import Parsed, Placed, layout_versions, parse
from rag.durable import connect, forget
from rag.errors import IndexDamaged
from rag.layouts import Entry
from rag.types import record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, body TEXT, sum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    key TEXT, position INTEGER, arxiv_id TEXT, body TEXT, sum INTEGER,
    PRIMARY KEY (key, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_of ON entries (arxiv_id);
"""
_PART = 500


class Library:
    """The parsed digests, by content; use it as a context manager.

    Raises `SettingError` where the folder may not be written.
    """

    def __init__(self, path: Path) -> None:
        """Open the file at `path`; it is made if missing, and anew if damaged."""
        self._path = path
        self._db = connect(path, _SCHEMA)

    def __enter__(self) -> Self:
        """Return the library itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._db.close()

    def read(
        self,
        named: Sequence[tuple[str, Path]],
        fingerprints: Mapping[str, str],
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[str, Parsed]:
        """Return {digest name: what it holds, without the entries' texts}.

        Files whose content is unknown are parsed and kept, one transaction each.
        `entries` of the results are empty; `placed` gives them.
        """
        found = {}
        for done, (name, path) in enumerate(named, start=1):
            key = _key(fingerprints[name])
            summary = self._summary(key)
            if summary is None:
                parsed = parse(path)
                if parsed.readable:  # what could not be opened may be another time
                    self._keep(key, parsed)
                summary = dataclasses.replace(parsed, entries=())
            found[name] = summary
            if progress:
                progress(done, len(named))
        return found

    def placed(
        self, fingerprints: Mapping[str, str], arxiv_ids: Iterable[str] | None = None
    ) -> Iterator[Placed]:
        """Yield the entries of the digests named, or only those of some papers.

        They come in the order of the digests and of their positions. Raises
        sqlite3.DatabaseError for a damaged row: delete the file and read again.
        """
        if arxiv_ids is None:
            for name, print_ in fingerprints.items():
                sql = "SELECT position, body, sum FROM entries WHERE key = ? ORDER BY position"
                for position, body, total in self._db.execute(sql, (_key(print_),)):
                    yield name, position, _decoded(body, total)
            return
        names: dict[str, list[str]] = {}
        for name, print_ in fingerprints.items():
            names.setdefault(_key(print_), []).append(name)
        order = {name: number for number, name in enumerate(fingerprints)}
        rows = [
            (order[name], name, position, body, total)
            for key, position, body, total in self._of(list(arxiv_ids))
            for name in names.get(key, ())
        ]
        for _, name, position, body, total in sorted(rows):
            yield name, position, _decoded(body, total)

    def forget(self, fingerprints: Iterable[Mapping[str, str]]) -> None:
        """Drop all files but those of the digests given."""
        keep = {_key(print_) for prints in fingerprints for print_ in prints.values()}
        known = [key for (key,) in self._db.execute("SELECT key FROM files")]
        with self._db:
            for key in known:
                if key not in keep:
                    self._drop(key)

    def damaged(self) -> set[str]:
        """Return the keys of the files with a row whose checksum does not fit.

        Raises `IndexDamaged` when the file itself is damaged.
        """
        try:
            return {
                key
                for table in ("files", "entries")
                for key, body, total in self._db.execute(f"SELECT key, body, sum FROM {table}")
                if _sum(body) != total
            }
        except sqlite3.DatabaseError as error:
            raise IndexDamaged(f"'{self._path.name}' is damaged.") from error

    def check(self) -> None:
        """Drop what is damaged."""
        try:
            bad = self.damaged()
            with self._db:
                for key in bad:
                    self._drop(key)
        except (IndexDamaged, sqlite3.DatabaseError):
            self._db.close()
            forget(self._path)
            self._db = connect(self._path, _SCHEMA)

    def _of(self, arxiv_ids: list[str]) -> Iterator[tuple[str, int, str, int]]:
        for start in range(0, len(arxiv_ids), _PART):
            part = arxiv_ids[start : start + _PART]
            marks = ",".join("?" * len(part))
            sql = f"SELECT key, position, body, sum FROM entries WHERE arxiv_id IN ({marks})"
            yield from self._db.execute(sql, part)

    def _summary(self, key: str) -> Parsed | None:
        """Return what is known of a file, None when it must be parsed."""
        row = self._db.execute("SELECT body, sum FROM files WHERE key = ?", (key,)).fetchone()
        if row is None or _sum(row[0]) != row[1]:
            return None
        data = json.loads(row[0])
        return Parsed(
            count=data["count"],
            incomplete=tuple((i, line, tuple(missing)) for i, line, missing in data["incomplete"]),
            failed=tuple((line, reason) for line, reason in data["failed"]),
            readable=data["readable"],
        )

    def _keep(self, key: str, parsed: Parsed) -> None:
        entries = [
            (key, position, entry.arxiv_id, body, _sum(body))
            for position, entry in parsed.entries
            for body in (encode_entry(entry),)
        ]
        summary = json.dumps(
            {
                "count": parsed.count,
                "incomplete": parsed.incomplete,
                "failed": parsed.failed,
                "readable": parsed.readable,
            },
            ensure_ascii=False,
        )
        with self._db:
            self._drop(key)
            self._db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries)
            self._db.execute("INSERT INTO files VALUES (?, ?, ?)", (key, summary, _sum(summary)))

    def _drop(self, key: str) -> None:
        self._db.execute("DELETE FROM entries WHERE key = ?", (key,))
        self._db.execute("DELETE FROM files WHERE key = ?", (key,))


def encode_entry(entry: Entry) -> str:
    """Return the entry as JSON; `decode_entry` is the inverse."""
    return json.dumps(record(entry), ensure_ascii=False, default=date.isoformat)


def decode_entry(body: str) -> Entry:
    """Return the entry that `encode_entry` wrote."""
    data: dict[str, Any] = json.loads(body)
    day = data["date"]
    return Entry(
        **{
            **data,
            "date": date.fromisoformat(day) if day else None,
            "authors": tuple(data["authors"]),
            "parts": tuple((part, text) for part, text in data["parts"]),
        }
    )


def _decoded(body: str, total: int) -> Entry:
    if _sum(body) != total:
        raise sqlite3.DatabaseError("an entry's checksum does not fit")
    return decode_entry(body)


def _key(fingerprint: str) -> str:
    """Return what a file's parsing depends on: its bytes and the layouts' versions."""
    versions = json.dumps(layout_versions(), sort_keys=True)
    return f"{fingerprint}-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"


def _sum(body: str) -> int:
    return zlib.crc32(body.encode())
