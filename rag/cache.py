"""Vectors that were computed once, kept by content and encoder over all rebuilds.

The durable half of the index, beside the parsed digests. Each vector is stored
with the CRC-32 of its bytes; one that does not fit is made again.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.durable import connect, forget
from rag.embed import Encoder
from rag.errors import IndexDamaged

# A table with row ids: without them SQLite gives every vector a page of its own.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT, text TEXT, vector BLOB, PRIMARY KEY (encoder, text)
)
"""
_BATCH = 256
_PART = 500


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
    try:
        return _encode(path, encoder, texts, progress)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        forget(path)
        return _encode(path, encoder, texts, progress)


def _encode(
    path: Path,
    encoder: Encoder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.float32], int]:
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(hashlib.sha256(text.encode()).hexdigest(), []).append(row)
    matrix = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    with closing(connect(path, _SCHEMA)) as db:
        missing = dict.fromkeys(rows)
        for key, vector in _known(db, encoder, list(rows)):
            matrix[rows[key]] = vector
            del missing[key]
        wanted = list(missing)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            vectors = encoder.encode_passages([texts[rows[key][0]] for key in batch])
            _store(db, encoder, dict(zip(batch, np.asarray(vectors, np.float32), strict=True)))
            for key, vector in zip(batch, vectors, strict=True):
                matrix[rows[key]] = vector
            if progress:
                progress(start + len(batch), len(wanted))
    return matrix, len(wanted)


def check_vectors(path: Path, *, drop: bool = True) -> tuple[int, int]:
    """Return how many vectors there are and how many are damaged; drop those if asked.

    Raises `IndexDamaged` when the file itself is damaged and nothing is to be dropped.
    """
    try:
        with closing(connect(path, _SCHEMA)) as db:
            rows = db.execute("SELECT encoder, text, vector FROM vectors")
            sound = [((encoder, key), _sound(blob)) for encoder, key, blob in rows]
            bad = [place for place, fits in sound if not fits]
            if drop:
                with db:
                    db.executemany("DELETE FROM vectors WHERE encoder = ? AND text = ?", bad)
        return len(sound), len(bad)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        if not drop:
            raise IndexDamaged(f"'{path.name}' is damaged.") from error
        forget(path)
        return 0, 0


def _store(
    db: sqlite3.Connection, encoder: Encoder, vectors: Mapping[str, NDArray[np.float32]]
) -> None:
    with db:
        db.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            [
                (encoder.fingerprint, key, _blob(vector.tobytes()))
                for key, vector in vectors.items()
            ],
        )


def _known(
    db: sqlite3.Connection, encoder: Encoder, keys: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    size = encoder.dimension * np.dtype(np.float32).itemsize
    for start in range(0, len(keys), _PART):
        part = keys[start : start + _PART]
        marks = ",".join("?" * len(part))
        sql = f"SELECT text, vector FROM vectors WHERE encoder = ? AND text IN ({marks})"
        for key, blob in db.execute(sql, (encoder.fingerprint, *part)):
            if len(blob) == size + 4 and _sound(blob):
                yield key, np.frombuffer(blob[:size], dtype=np.float32)


def _blob(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4, "big")


def _sound(blob: bytes) -> bool:
    return zlib.crc32(blob[:-4]).to_bytes(4, "big") == blob[-4:]
