"""A segment is sealed when it is written, and what changed afterwards is noticed."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder, encode_by

from rag.errors import IndexDamaged
from rag.segment import Segment, check_segment, drop_segment, write_segment
from rag.types import Paper, Rendition
from rag.verify import verify, verify_segment

PAPERS = [
    Paper("2501.00001", "Cats", "Cats sit.", renditions=(Rendition("tldr", "zh", "猫坐。", "a"),)),
    Paper("2501.00002", "Dogs", ""),
    Paper(
        "2501.00003",
        "Fish",
        "",
        renditions=(
            Rendition("tldr", "zh", "鱼游。", "a"),
            Rendition("method", "zh", "水里。", "a"),
        ),
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "segments" / "one"
    done: list[tuple[int, int]] = []
    rows = write_segment(folder, PAPERS, encode_by(WordEncoder()), lambda *s: done.append(s))
    assert rows == 5
    assert done == [(0, 3), (1, 3), (2, 3), (3, 3)]
    return folder


def test_rows_and_tellings(folder: Path) -> None:
    segment = Segment(folder)
    assert segment.papers == 3
    assert segment.first_row.tolist() == [0, 2, 3, 5]
    assert segment.author_first.tolist() == [True, True, False]
    assert segment.telling_paper.tolist() == [0, 0, 1, 2]
    tellings = segment.tellings * segment.telling_scale[:, None]
    np.testing.assert_allclose(np.linalg.norm(tellings, axis=1), 1, atol=1e-2)
    both = WordEncoder().encode_passages(["Fish\n鱼游。", "Fish\n水里。"]).sum(axis=0)
    np.testing.assert_allclose(tellings[3], both / np.linalg.norm(both), atol=1e-2)
    assert segment.nearest.nearest(tellings[3], 1)[0].tolist() == [3]


def test_a_sound_segment_passes_in_a_process_of_its_own(folder: Path) -> None:
    check_segment(folder, deep=True)
    verify([folder])
    verify([])


def test_an_unsound_one_does_not(folder: Path) -> None:
    (folder / "tellings.npy").write_bytes(b"")
    with pytest.raises(IndexDamaged, match="does not hold what it should"):
        verify([folder])


@pytest.mark.parametrize(
    "name",
    [
        *("spans.npy", "span_scale.npy", "first_span.npy"),
        *("tellings.npy", "telling_scale.npy", "first_row.npy"),
    ],
)
def test_an_array_that_does_not_fit_the_others_is_noticed(folder: Path, name: str) -> None:
    array = np.load(folder / name)
    np.save(folder / name, array[:-1])
    seal = folder / "segment.json"
    with pytest.raises(IndexDamaged):
        check_segment(folder)
    seal.unlink()
    from rag.segment import _seal

    _seal(folder)
    with pytest.raises(IndexDamaged):
        verify_segment(folder)


def flip(path: Path) -> os.stat_result:
    """Flip a bit of a file; return what its size and times were."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return stat


def test_a_bit_that_flips_without_a_trace_is_found_by_reading_all(folder: Path) -> None:
    path = folder / "chroma" / "chroma.sqlite3"
    stat = flip(path)
    assert stat.st_size > 64 * 1024
    with pytest.raises(IndexDamaged, match=r"chroma\.sqlite3"):
        check_segment(folder)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    check_segment(folder)
    with pytest.raises(IndexDamaged, match=r"chroma\.sqlite3"):
        check_segment(folder, deep=True)


@pytest.mark.parametrize("name", ["header.bin", "first_row.npy", "codes.json"])
def test_in_a_small_file_it_is_found_at_once(folder: Path, name: str) -> None:
    path = next(folder.rglob(name))
    stat = flip(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(IndexDamaged, match=name):
        check_segment(folder)


def test_a_dropped_segment_is_gone(folder: Path) -> None:
    drop_segment(folder)
    assert not folder.exists()
    drop_segment(folder)
