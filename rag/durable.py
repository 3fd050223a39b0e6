"""Files that should survive a crash: opened safely, replaced whole, marked while in use."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import portalocker
from numpy.typing import NDArray

from rag.errors import IndexDamaged, SettingError

_SHARED = portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING
_ALONE = portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
# NumPy reads an array's header with `ast.literal_eval`, and before Python 3.12 two
# threads in it at once may raise `SystemError` (CPython gh-106905).
_HEADERS = threading.Lock()
# So many bytes of rows are read before the pages that they came from are given back.
_MAPPED = 64 * 1024 * 1024


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open the SQLite file at `path` in WAL mode with `schema` applied.

    A damaged file is deleted and made anew, for everything in it can be made
    again. Raises `SettingError` where the folder can't be written.
    """
    try:
        return _connect(path, schema)
    except sqlite3.OperationalError as error:  # locked, or no place to write
        raise SettingError(
            f"The file '{path}' can't be written ({error}).",
            "Check the disk's space and your rights there, or set RAG_INDEX to another folder.",
        ) from error
    except sqlite3.DatabaseError:
        forget(path)
        return _connect(path, schema)


def sound(path: Path) -> bool:
    """Return whether the SQLite file at `path` is whole; it is not changed."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def forget(path: Path) -> None:
    """Delete the SQLite file at `path` with what belongs to it."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=60)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        # Whole after any crash; of the last commits a power cut may take some, and
        # they are made again.
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(schema)
        db.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that after a crash it is the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync(path.parent)


def open_array(path: Path) -> NDArray[Any]:
    """Open the array in `path` as it lies on the disk; several threads may at once.

    Raises `IndexDamaged` when there is none or it can't be read.
    """
    try:
        with _HEADERS:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        raise IndexDamaged.of(path) from error
    return array


class StoredRows:
    """The rows of an array on the disk, of which few are wanted at a time.

    They are mapped, and the map is let go of again and again: what was read once
    would count as this process's memory for ever. Several threads may read.
    """

    def __init__(self, path: Path) -> None:
        """Open the array; raises as `open_array` does."""
        array = open_array(path)
        self._map: object = array.base
        self._rows = np.asarray(array)
        self._read = 0

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of these rows, in this order."""
        found = np.take(self._rows, rows, axis=0)
        self._read += found.nbytes
        if self._read > _MAPPED:
            self._read = 0
            # Elsewhere than on Unix pages can't be given back.
            if isinstance(self._map, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                self._map.madvise(mmap.MADV_DONTNEED)
        return found


@contextmanager
def growing_array(path: Path, width: int) -> Iterator[Callable[[NDArray[np.int8]], None]]:
    """Write an array of bytes, `width` to a row, in parts: call what is given with each.

    The array in `path` has all their rows, in order, as if `np.save` had written them
    at once.
    """

    def head(rows: int) -> int:
        shape = {"descr": "|i1", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, shape)
        return file.tell()

    rows = 0

    def add(part: NDArray[np.int8]) -> None:
        nonlocal rows
        file.write(np.ascontiguousarray(part).data)
        rows += len(part)

    with path.open("wb") as file:
        start = head(0)
        yield add
        file.seek(0)
        # NumPy leaves room in a header for its first axis to grow.
        if head(rows) != start:
            raise ValueError("header")


def file_sum(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_sum(data: object) -> str:
    """Return the SHA-256 of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def sync(path: Path) -> None:
    """See to it that a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hold(path: Path) -> Callable[[], None]:
    """Mark the file at `path` as in use until the function returned is called.

    Any number of processes may hold it at once; the mark of one that dies goes
    with it. Where a lock can't be had (a read-only disk), nothing is marked.
    """
    try:
        lock = portalocker.Lock(path, "a", timeout=0, flags=_SHARED)
        lock.acquire()
    except (OSError, portalocker.LockException):
        return lambda: None
    return lock.release


def held(path: Path) -> bool:
    """Return whether any process holds the file at `path`."""
    if not path.exists():
        return False
    try:
        with portalocker.Lock(path, "a", timeout=0, flags=_ALONE):
            return False
    except (OSError, portalocker.LockException):
        return True
