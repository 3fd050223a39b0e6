"""One immutable segment of the index: papers, their passages' vectors and words.

    segments/NAME/
        papers.sqlite, ids.npy, appearances.npy, codes.json
                           the papers and where they appeared
        first_row.npy      the row of each paper's first passage, and the number of rows
        author_first.npy   whether that is the author's (the abstract, else the title)
        spans.npy          one unit vector per sentence of a passage, in whole numbers; per
                           passage where the encoder knows no sentences
        span_scale.npy     what those numbers are multiplied with
        first_span.npy     the first sentence of each passage, and the number of sentences;
                           missing where the encoder knows none
        tellings.npy       one unit vector per telling of a paper, in whole numbers
        telling_scale.npy  what those numbers are multiplied with
        telling_paper.npy  the paper of each telling
        postings/          the words of the passages
        chroma/            the tellings, for nearest neighbours
        segment.json       size, time and SHA-256 of each of these files

A telling is how one side tells of a paper: its author (the abstract, else the
title), or the digests (the mean direction of all renditions).
"""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.durable import (
    StoredRows,
    data_sum,
    file_sum,
    growing_array,
    open_array,
    sync,
    write_whole,
)
from rag.embed import Vectors, unit_rows
from rag.errors import IndexDamaged, ServiceDown
from rag.invert import write_postings
from rag.papers import write_papers
from rag.passages import all_passages, telling_of
from rag.sentences import Sentences, in_steps
from rag.types import Paper
from rag.vectors import VectorIndex, VectorPlace, drop_vectors, write_vectors

# Address, token and database of the Chroma service that holds the vectors; the
# segment itself does where the address is "".
Where = tuple[str, str, str]
HERE: Where = ("", "", "")

SEGMENTS = "segments"
_SEAL = "segment.json"
_CHROMA = "chroma"
# Files up to this size are read through whenever a segment is opened: it takes no
# time, and among them are those whose damage kills the process (Chroma's headers).
_SMALL = 64 * 1024
_PART = 4096

Encode = Callable[[Sequence[str]], tuple[Vectors, Iterable[Sentences]]]


class Segment:
    """An open segment; its parts are opened on first use and then shared."""

    def __init__(self, folder: Path, where: Where = HERE) -> None:
        """Keep what to open; see `check_segment`."""
        self.folder = folder
        self._place = VectorPlace(folder / _CHROMA, *where)

    @cached_property
    def first_row(self) -> NDArray[np.int64]:
        """The row of each paper's first passage; one more at the end, shape (papers + 1,)."""
        return self._array("first_row")

    @cached_property
    def author_first(self) -> NDArray[np.bool_]:
        """Whether each paper's first passage is its author's; no other one is."""
        return self._array("author_first")

    @cached_property
    def spans(self) -> StoredRows:
        """The sentences' unit vectors in steps of `span_scale`, shape (sentences, dimension).

        Those of the passages where the encoder knows no sentences.
        """
        return StoredRows(self.folder / "spans.npy")

    @cached_property
    def span_scale(self) -> NDArray[np.float32]:
        """The step of each sentence's vector, shape (sentences,)."""
        return self._array("span_scale")

    @property
    def has_sentences(self) -> bool:
        """Whether `spans` are of sentences, not of whole passages."""
        return self._first_span is not None

    @cached_property
    def first_span(self) -> NDArray[np.int64]:
        """The first sentence of each passage; one more at the end, shape (passages + 1,)."""
        known = self._first_span
        return np.arange(self.first_row[-1] + 1) if known is None else known

    @cached_property
    def _first_span(self) -> NDArray[np.int64] | None:
        there = (self.folder / "first_span.npy").exists()
        return self._array("first_span") if there else None

    @cached_property
    def tellings(self) -> NDArray[np.int8]:
        """The tellings' unit vectors in steps of `telling_scale`, shape (tellings, dimension)."""
        return self._array("tellings")

    @cached_property
    def telling_scale(self) -> NDArray[np.float32]:
        """The step of each telling's vector, shape (tellings,)."""
        return self._array("telling_scale")

    @cached_property
    def telling_paper(self) -> NDArray[np.int32]:
        """The local paper number of each telling, rising."""
        return self._array("telling_paper")

    @cached_property
    def nearest(self) -> VectorIndex:
        """The tellings in Chroma."""
        index = VectorIndex(self._place)
        if index.count != len(self.telling_paper):
            raise IndexDamaged.of(self.folder / _CHROMA)
        weakref.finalize(self, index.close)
        return index

    @property
    def papers(self) -> int:
        """How many papers the segment holds, dead or live."""
        return len(self.first_row) - 1

    def _array(self, name: str) -> NDArray[Any]:
        return open_array(self.folder / f"{name}.npy")


def write_segment(
    folder: Path,
    papers: Sequence[Paper],
    encode: Encode,
    progress: Callable[[int, int], None],
    where: Where = HERE,
) -> int:
    """Write the segment of `papers` in the new `folder`; return how many passages it has.

    `encode` gives the vectors of the passages' texts, shape (passages, dimension), and
    those of their sentences, in parts; `progress` is called with (parts written, parts
    in all).
    """
    passages = all_passages(papers)
    texts = [passage.indexed_text for passage in passages]
    vectors, sentences = encode(texts)
    folder.mkdir(parents=True)
    progress(0, 3)
    write_papers(folder, papers)
    progress(1, 3)
    write_postings(folder / "postings", texts)
    progress(2, 3)
    numbers = {paper.arxiv_id: number for number, paper in enumerate(papers)}
    owners = np.array([numbers[p.arxiv_id] for p in passages], dtype=np.int64)
    author = np.array([telling_of(p.id)[1] == "author" for p in passages], dtype=np.bool_)
    first_row = np.searchsorted(owners, np.arange(len(papers) + 1))
    np.save(folder / "first_row.npy", first_row)
    np.save(folder / "author_first.npy", author[first_row[:-1]])
    _write_spans(folder, vectors, sentences)
    tellings, telling_paper = _tellings(vectors, owners, author)
    steps, scale = in_steps(tellings)
    np.save(folder / "tellings.npy", steps)
    np.save(folder / "telling_scale.npy", scale)
    np.save(folder / "telling_paper.npy", telling_paper)
    write_vectors(VectorPlace(folder / _CHROMA, *where), tellings)
    _seal(folder)
    progress(3, 3)
    return len(passages)


def _write_spans(folder: Path, vectors: Vectors, sentences: Iterable[Sentences]) -> None:
    """Write the sentences' vectors as they come, or the passages' where there are none."""
    counts = _written(folder, vectors.shape[1], sentences)
    if counts.any():
        np.save(folder / "first_span.npy", np.concatenate([[0], np.cumsum(counts)]))
    else:
        _written(folder, vectors.shape[1], _whole(vectors))


def _whole(vectors: Vectors) -> Iterator[Sentences]:
    """Yield the passages' vectors in parts, as if each were one sentence."""
    for start in range(0, len(vectors), _PART):
        part = vectors[start : start + _PART]
        yield Sentences(np.ones(len(part), dtype=np.int64), *in_steps(part))


def _written(folder: Path, width: int, parts: Iterable[Sentences]) -> NDArray[np.int64]:
    """Write the parts' vectors and scales; return how many each passage has."""
    counts, scales = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.float32)]
    with growing_array(folder / "spans.npy", width) as add:
        for part in parts:
            add(part.steps)
            counts.append(part.counts)
            scales.append(part.scale)
    np.save(folder / "span_scale.npy", np.concatenate(scales))
    return np.concatenate(counts)


def check_segment(folder: Path, *, deep: bool = False) -> None:
    """Raise `IndexDamaged` unless the segment's files are as they were written.

    A large file of the same size and time is taken for unchanged, one of another
    time is read through; `deep` reads every file through.
    """
    try:
        seal = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        files = dict(seal["files"])
        if seal["sum"] != data_sum(files):
            raise ValueError("checksum")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamaged.of(folder / _SEAL) from error
    for name, (size, changed, total) in files.items():
        path = folder / name
        try:
            now = path.stat()
            same = now.st_size == size
            if same and (deep or size <= _SMALL or now.st_mtime_ns != changed):
                same = file_sum(path) == total
        except OSError as error:
            raise IndexDamaged.of(path) from error
        if not same:
            raise IndexDamaged.of(path)


def drop_segment(folder: Path, where: Where = HERE) -> None:
    """Delete a segment that no generation names, and its vectors wherever they are.

    Where the service that holds them does not answer, all is left for the next time.
    """
    with suppress(ServiceDown):
        drop_vectors(VectorPlace(folder / _CHROMA, *where))
        shutil.rmtree(folder, ignore_errors=True)


def _tellings(
    vectors: NDArray[np.float32], owners: NDArray[np.int64], author: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the tellings' vectors and papers, ordered by paper, the author's first."""
    group = owners * 2 + ~author  # neighbours, for a paper's passages lie side by side
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    means = np.add.reduceat(vectors, starts, axis=0) if len(starts) else vectors[:0]
    return unit_rows(means), owners[starts].astype(np.int32)


def _seal(folder: Path) -> None:
    """Note what every file is, and see to it that all of it is on the disk."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        sync(path)
        stat = path.stat()
        files[path.relative_to(folder).as_posix()] = [
            stat.st_size,
            stat.st_mtime_ns,
            file_sum(path),
        ]
    text = json.dumps({"files": files, "sum": data_sum(files)}, indent=1)
    write_whole(folder / _SEAL, text)
    for path in (*(p for p in folder.rglob("*") if p.is_dir()), folder.parent):
        sync(path)
