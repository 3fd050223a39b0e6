"""Files that should survive a crash: opened safely, replaced whole, marked while in use."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
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
