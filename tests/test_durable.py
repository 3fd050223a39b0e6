"""Files that survive a crash, and arrays that several threads open at once."""

from __future__ import annotations

import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag import durable
from rag.durable import (
    StoredRows,
    connect,
    data_sum,
    file_sum,
    growing_array,
    held,
    hold,
    open_array,
    sound,
    write_whole,
)
from rag.errors import IndexDamaged, SettingError

SCHEMA = "CREATE TABLE IF NOT EXISTS facts (name TEXT)"


@pytest.mark.parametrize("sizes", [[], [0], [3], [2, 0, 1500, 7]])
def test_an_array_written_in_parts_is_that_of_all_at_once(tmp_path: Path, sizes: list[int]) -> None:
    draw = np.random.default_rng(0)
    parts = [draw.integers(-127, 128, (n, 6)).astype(np.int8) for n in sizes]
    with growing_array(tmp_path / "parts.npy", 6) as add:
        for part in parts:
            add(part)
    np.save(tmp_path / "whole.npy", np.concatenate([np.zeros((0, 6), np.int8), *parts]))
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def mapped(path: Path) -> int:
    """How many KiB of a file are resident in this process."""
    here, found = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.partition(" ")[0]:
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


def test_rows_are_read_and_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).integers(-127, 128, (4000, 384)).astype(np.int8)
    np.save(tmp_path / "rows.npy", rows)
    stored = StoredRows(tmp_path / "rows.npy")
    assert len(stored) == 4000
    wanted = np.array([3999, 0, 7, 7])
    np.testing.assert_array_equal(stored.take(wanted), rows[wanted])
    every = np.arange(4000)
    if Path("/proc/self/smaps").exists():
        stored.take(every)
        assert mapped(tmp_path / "rows.npy") > 1000
        monkeypatch.setattr(durable, "_MAPPED", 0)
        stored.take(wanted)
        assert mapped(tmp_path / "rows.npy") == 0
    np.testing.assert_array_equal(stored.take(every), rows)
    with pytest.raises(IndexDamaged):
        StoredRows(tmp_path / "none.npy")


class _Garbage:
    """A cycle whose end lets other threads run, wherever the collector meets it."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        time.sleep(1e-5)


def test_many_threads_open_arrays_at_once(tmp_path: Path) -> None:
    # Unguarded, NumPy's reading of the headers fails before Python 3.12 when the
    # collector ends such an object in the middle of it.
    kind = np.dtype([(f"field{n}", "<i4") for n in range(60)])
    np.save(tmp_path / "rows.npy", np.zeros(3, kind))

    def opened(_: int) -> np.dtype[np.void]:
        _Garbage()
        return open_array(tmp_path / "rows.npy").dtype

    before = gc.get_threshold()
    gc.set_threshold(20, 1, 1)
    try:
        with ThreadPoolExecutor(8) as pool:
            kinds = set(pool.map(opened, range(200)))
    finally:
        gc.set_threshold(*before)
    assert kinds == {kind}


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x06\x00{1:,,}"])
def test_an_array_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(IndexDamaged):
        open_array(tmp_path / "a.npy")


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(IndexDamaged):
        open_array(tmp_path / "a.npy")


def test_an_array_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4))
    assert isinstance(open_array(tmp_path / "a.npy"), np.memmap)


class TestSqlite:
    def test_keeps_what_was_committed(self, tmp_path: Path) -> None:
        with closing(connect(tmp_path / "f.sqlite", SCHEMA)) as db, db:
            db.execute("INSERT INTO facts VALUES ('a')")
        with closing(connect(tmp_path / "f.sqlite", SCHEMA)) as db:
            assert db.execute("SELECT name FROM facts").fetchall() == [("a",)]
        assert sound(tmp_path / "f.sqlite")

    def test_begins_anew_where_the_file_is_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "f.sqlite").write_bytes(b"no database at all, but long enough" * 200)
        assert not sound(tmp_path / "f.sqlite")
        with closing(connect(tmp_path / "f.sqlite", SCHEMA)) as db:
            assert db.execute("SELECT COUNT(*) FROM facts").fetchone() == (0,)

    def test_says_where_it_can_not_write(self, tmp_path: Path) -> None:
        with pytest.raises(SettingError, match="can't be written"):
            connect(tmp_path / "absent" / "f.sqlite", SCHEMA)


def test_a_small_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "CURRENT"
    write_whole(path, "one")

    def no_disk(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", no_disk)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, "two")
    assert path.read_text() == "one"


def test_sums_tell_contents_apart_and_not_the_order_of_keys(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-4's example.
    assert file_sum(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert data_sum({"a": 1, "b": [2]}) == data_sum({"b": [2], "a": 1})
    assert data_sum({"a": 1}) != data_sum({"a": "1"})


def test_a_file_is_held_until_the_last_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "held"
    assert not held(path)
    first, second = hold(path), hold(path)
    first()
    assert held(path)
    second()
    assert not held(path)
    assert hold(tmp_path / "absent" / "held")() is None
