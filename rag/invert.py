"""Write the lexical index of a segment: its passages inverted, word by word."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from rag.lexical import tokens

# What one byte holds. A word that is said more often says no more.
MOST = 255
# How many texts are inverted at a time, which bounds the memory of a build.
_AT_A_TIME = 8192


def write_postings(folder: Path, texts: Iterable[str]) -> None:
    """Write into the new `folder` the inverted index of `texts`, one row each, from 0.

    The files are NumPy arrays, the same bytes for the same texts:

        words.npy      all words, sorted, as one run of UTF-8 bytes
        words_at.npy   where each word begins in it, and the end
        starts.npy     where each word's postings begin in the next two, and the end
        rows.npy       the rows that have the word, rising
        counts.npy     how often each of them has it, up to 255
        lengths.npy    how many words each row has; 1 for one without any

    Memory grows with the vocabulary, not with the texts: they are inverted in
    runs of a few thousand, put aside in files and merged.
    """
    folder.mkdir(parents=True)
    runs = folder / "runs"
    runs.mkdir()
    numbers: dict[str, int] = {}
    sizes: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    names: list[Path] = []
    rest = iter(texts)
    while chunk := list(islice(rest, _AT_A_TIME)):
        first_row = sum(map(len, sizes))
        words, rows, counts = _inverted(chunk, numbers, sizes)
        names.append(runs / f"{len(names)}.npz")
        np.savez(names[-1], words=words, rows=rows + np.uint32(first_row), counts=counts)
    np.save(folder / "lengths.npy", np.maximum(np.concatenate(sizes), 1).astype(np.uint32))
    rank = _write_vocabulary(folder, numbers)
    _merge(folder, names, rank)
    shutil.rmtree(runs)


def _inverted(
    texts: list[str], numbers: dict[str, int], sizes: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]:
    """Return word, row in `texts` and count of every posting, by word and row.

    New words get their numbers; the texts' lengths are appended to `sizes`.
    """
    seen, size = array("I"), array("I")
    for text in texts:
        found = tokens(text)
        size.append(len(found))
        seen.extend([numbers.setdefault(token, len(numbers)) for token in found])
    sizes.append(np.array(size, dtype=np.int64))
    words = np.array(seen, dtype=np.int64)
    keys = words * len(texts) + np.repeat(np.arange(len(texts)), sizes[-1])
    keys, counts = np.unique(keys, return_counts=True)
    words, rows = np.divmod(keys, len(texts))
    return words, rows.astype(np.uint32), np.minimum(counts, MOST).astype(np.uint8)


def _write_vocabulary(folder: Path, numbers: dict[str, int]) -> NDArray[np.int64]:
    """Write the words in the order of their bytes; return each number's place in it."""
    # Python compares strings by code point, and UTF-8 keeps that order.
    ordered = sorted(numbers)
    rank = np.empty(len(ordered), dtype=np.int64)
    rank[np.fromiter((numbers[word] for word in ordered), np.int64, len(ordered))] = np.arange(
        len(ordered)
    )
    written = [word.encode() for word in ordered]
    ends = np.cumsum(np.fromiter(map(len, written), np.int64, len(written)))
    np.save(folder / "words.npy", np.frombuffer(b"".join(written), dtype=np.uint8))
    np.save(folder / "words_at.npy", np.concatenate(([0], ends)).astype(np.int64))
    return rank


def _merge(folder: Path, runs: list[Path], rank: NDArray[np.int64]) -> None:
    """Write the runs' postings, word by word in the order that `rank` gives them."""
    starts = np.zeros(len(rank) + 1, dtype=np.int64)
    for run in runs:
        with np.load(run) as parts:
            starts[1:] += np.bincount(rank[parts["words"]], minlength=len(rank))
    np.cumsum(starts, out=starts)
    np.save(folder / "starts.npy", starts)
    whole = {
        name: open_memmap(folder / f"{name}.npy", "w+", np.dtype(kind), (int(starts[-1]),))
        for name, kind in (("rows", np.uint32), ("counts", np.uint8))
    }
    free = starts[:-1].copy()
    for run in runs:
        with np.load(run) as parts:
            # A run is sorted by word number, so its postings of a word lie together.
            words, first, number = np.unique(parts["words"], return_index=True, return_counts=True)
            places = np.repeat(free[rank[words]] - first, number)
            places += np.arange(len(places))
            free[rank[words]] += number
            for name, written in whole.items():
                written[places] = parts[name]
    for written in whole.values():
        written.flush()
