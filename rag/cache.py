"""Vectors that were computed once, kept by content and encoder over all rebuilds."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
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

    Known vectors come from the SQLite file at `path`, which is made if missing;
    new ones are stored batch by batch, so that an interrupted build loses little.
    `progress` is called with (new vectors done, new vectors in all).
    """
    keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    with sqlite3.connect(path, timeout=60) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(_SCHEMA)
        known = _known(db, encoder.fingerprint, keys)
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
        wanted = list(new.items())
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            vectors = encoder.encode_passages([text for _, text in batch])
            rows = list(zip([key for key, _ in batch], vectors, strict=True))
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(encoder.fingerprint, key, vector.tobytes()) for key, vector in rows],
            )
            db.commit()
            known.update(rows)
            if progress:
                progress(start + len(batch), len(wanted))
    db.close()
    matrix = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    for row, key in enumerate(keys):
        matrix[row] = known[key]
    return matrix, len(wanted)


def _known(
    db: sqlite3.Connection, encoder: str, keys: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        marks = ",".join("?" * len(part))
        sql = f"SELECT text, vector FROM vectors WHERE encoder = ? AND text IN ({marks})"
        for key, blob in db.execute(sql, (encoder, *part)):
            found[key] = np.frombuffer(blob, dtype=np.float32)
    return found
