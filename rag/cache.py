"""Vectors that were computed once, kept by content and encoder over all rebuilds.

The durable half of the index, beside the parsed digests. A passage's vector and those
of its sentences are stored each with the CRC-32 of their bytes; what does not fit is
made again.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.durable import connect, forget
from rag.embed import Encoder, Vectors
from rag.errors import IndexDamaged
from rag.sentences import SENTENCES_VERSION, Sentences, in_steps

# A table with row ids: without them SQLite gives every vector a page of its own.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    encoder TEXT, text TEXT, vector BLOB, PRIMARY KEY (encoder, text)
);
CREATE TABLE IF NOT EXISTS sentences (
    encoder TEXT, text TEXT, vector BLOB, PRIMARY KEY (encoder, text)
)
"""
_TABLES = ("vectors", "sentences")
_BATCH = 256
_PART = 500
# Bytes of a CRC-32.
_SUM = 4


def encode_cached(
    path: Path,
    encoder: Encoder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Return the passages' vectors, shape (len(texts), dimension), and how many are new.

    Those of their sentences are then known to `known_sentences`.

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


def known_sentences(path: Path, encoder: Encoder, texts: Sequence[str]) -> Iterator[Sentences]:
    """Yield the vectors of the sentences of `texts`, which were given to `encode_cached`.

    They come in the texts' order, some texts at a time. Raises `IndexDamaged` when
    they are no longer there.
    """
    with closing(connect(path, _SCHEMA)) as db:
        for start in range(0, len(texts), _PART):
            keys = [_key(text) for text in texts[start : start + _PART]]
            found = dict(_rows(db, "sentences", encoder, list(dict.fromkeys(keys))))
            if not all(_sound(found.get(key, b"")) for key in keys):
                raise IndexDamaged.of(path)
            yield _unpacked([found[key][:-_SUM] for key in keys], encoder.dimension)


def _encode(
    path: Path,
    encoder: Encoder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None,
) -> tuple[NDArray[np.float32], int]:
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(_key(text), []).append(row)
    matrix = np.zeros((len(texts), encoder.dimension), dtype=np.float32)
    with closing(connect(path, _SCHEMA)) as db:
        missing = dict.fromkeys(rows)
        for key, vector in _known(db, encoder, list(rows)):
            matrix[rows[key]] = vector
            del missing[key]
        wanted = list(missing)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            vectors, told = encoder.encode_sentences([texts[rows[key][0]] for key in batch])
            _store(db, encoder, batch, np.asarray(vectors, np.float32), told)
            for key, vector in zip(batch, vectors, strict=True):
                matrix[rows[key]] = vector
            if progress:
                progress(start + len(batch), len(wanted))
    return matrix, len(wanted)


def check_vectors(path: Path, *, drop: bool = True) -> tuple[int, int]:
    """Return how many vectors there are and how many are damaged; drop those if asked.

    A vector counts as damaged too when those of its sentences are.

    Raises `IndexDamaged` when the file itself is damaged and nothing is to be dropped.
    """
    try:
        with closing(connect(path, _SCHEMA)) as db:
            (total,) = db.execute("SELECT COUNT(*) FROM vectors").fetchone()
            bad: set[str] = set()
            for table in _TABLES:
                rows = db.execute(f"SELECT encoder, text, vector FROM {table}")
                unsound = [(encoder, key) for encoder, key, blob in rows if not _sound(blob)]
                bad.update(key for _, key in unsound)
                if drop:
                    sql = f"DELETE FROM {table} WHERE encoder = ? AND text = ?"
                    with db:
                        db.executemany(sql, unsound)
        return int(total), len(bad)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        if not drop:
            raise IndexDamaged(f"'{path.name}' is damaged.") from error
        forget(path)
        return 0, 0


def _store(
    db: sqlite3.Connection,
    encoder: Encoder,
    keys: Sequence[str],
    vectors: Vectors,
    sentences: Sequence[Vectors],
) -> None:
    blobs = {"vectors": [v.tobytes() for v in vectors], "sentences": [*map(_packed, sentences)]}
    with db:
        for table, data in blobs.items():
            name = _name(encoder, table)
            rows = [(name, key, _blob(d)) for key, d in zip(keys, data, strict=True)]
            db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)


def _known(
    db: sqlite3.Connection, encoder: Encoder, keys: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    size = encoder.dimension * np.dtype(np.float32).itemsize
    row = size // 4 + 4
    for start in range(0, len(keys), _PART):
        part = keys[start : start + _PART]
        told = dict(_rows(db, "sentences", encoder, part))
        for key, blob in _rows(db, "vectors", encoder, part):
            beside = told.get(key, b"")
            fits = len(blob) == size + _SUM and len(beside) % row == _SUM
            if fits and _sound(blob) and _sound(beside):
                yield key, np.frombuffer(blob[:size], dtype=np.float32)


def _rows(
    db: sqlite3.Connection, table: str, encoder: Encoder, keys: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Yield (key, blob) of those of a few keys that the table has."""
    marks = ",".join("?" * len(keys))
    sql = f"SELECT text, vector FROM {table} WHERE encoder = ? AND text IN ({marks})"
    yield from db.execute(sql, (_name(encoder, table), *keys))


def _name(encoder: Encoder, table: str) -> str:
    """Return what stands for all that the rows of a table depend on beside the text."""
    version = f" {SENTENCES_VERSION}" if table == "sentences" else ""
    return f"{encoder.fingerprint}{version}"


def _packed(sentences: Vectors) -> bytes:
    """Return the scales of all rows, then their whole numbers."""
    steps, scale = in_steps(np.asarray(sentences, np.float32))
    return scale.tobytes() + steps.tobytes()


def _unpacked(blobs: Sequence[bytes], dimension: int) -> Sentences:
    counts = [len(blob) // (dimension + 4) for blob in blobs]
    scales = b"".join(blob[: 4 * n] for blob, n in zip(blobs, counts, strict=True))
    steps = b"".join(blob[4 * n :] for blob, n in zip(blobs, counts, strict=True))
    return Sentences(
        counts=np.array(counts, dtype=np.int64),
        steps=np.frombuffer(steps, dtype=np.int8).reshape(-1, dimension),
        scale=np.frombuffer(scales, dtype=np.float32),
    )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _blob(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(_SUM, "big")


def _sound(blob: bytes) -> bool:
    return zlib.crc32(blob[:-_SUM]).to_bytes(_SUM, "big") == blob[-_SUM:]
