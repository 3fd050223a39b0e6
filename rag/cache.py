"""Vectors that were computed once, kept by content and encoder over all rebuilds."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embed import Encoder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT, text TEXT, vector BLOB, PRIMARY KEY (encoder, text)
) WITHOUT ROWID
"""
_BATCH = 256


def encode_cached(
    path: Path,
    encoder: Encoder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Return the passages' vectors, shape (len(texts), dimension), and how many are new.

    Known vectors come from the SQLite file at `path`, which is made if missing
    and made anew if damaged; new ones are stored batch by batch, so that an
    interrupted build loses little. `progress` is called with (new vectors done,
    new vectors in all).
    """
    keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    with closing(_open(path)) as db:
        known = _known(db, encoder, keys)
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
        wanted = list(new.items())
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            vectors = np.asarray(encoder.encode_passages([t for _, t in batch]), dtype=np.float32)
            rows = list(zip([key for key, _ in batch], vectors, strict=True))
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(encoder.fingerprint, key, vector.tobytes()) for key, vector in rows],
            )
            db.commit()
            known.update(rows)
            if progress:
                progress(start + len(batch), len(wanted))
    matrix = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    for row, key in enumerate(keys):
        matrix[row] = known[key]
    return matrix, len(wanted)


def _open(path: Path) -> sqlite3.Connection:
    """Open the cache; a damaged one is deleted, for all of it can be made again."""
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # locked, or no place to write
            raise
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_SCHEMA)
        if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError(f"'{path.name}' is damaged")
    except BaseException:
        db.close()
        raise
    return db


def _known(
    db: sqlite3.Connection, encoder: Encoder, keys: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT text, vector FROM vectors WHERE encoder = ? AND text IN ({marks})"
        for key, blob in db.execute(sql, (encoder.fingerprint, *part)):
            if len(blob) == encoder.dimension * np.dtype(np.float32).itemsize:
                found[key] = np.frombuffer(blob, dtype=np.float32)
    return found
