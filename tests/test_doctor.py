"""Every file of the index is looked at, and mended when it is damaged."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from digest_files import entry, titled

from rag.build import build_index
from rag.doctor import examine, repair
from rag.search import search
from rag.settings import Settings

Tiny = Callable[..., Settings]
ONE = titled([entry("2501.00001", "Cats on mats"), entry("2501.00002", "Dogs in fog")])


def bad(settings: Settings) -> set[str]:
    return {finding.part for finding in examine(settings) if not finding.ok}


def test_a_sound_index_is_found_sound(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    found = list(examine(settings))
    assert all(finding.ok for finding in found)
    assert [f.part for f in found] == [
        *("generation", "segments", "digests read", "vectors kept", "up to date", "disk"),
    ]
    assert "2 papers in 2 passages, 1 segments" in found[0].sentence


def test_no_index_is_told_and_can_be_repaired_into_one(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    assert "generation" in bad(settings)
    assert repair(settings).papers == 2
    assert bad(settings) == set()


def test_a_new_digest_is_no_damage(tiny_settings: Tiny) -> None:
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    tiny_settings({"b.md": titled([entry("2501.00003")])})
    assert bad(settings) == {"up to date"}


def flip(path: Path) -> None:
    """Change one bit and leave size and time as they were, as a disk may."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def spoil(path: Path, table: str, column: str) -> None:
    db = sqlite3.connect(path)
    db.execute(f"UPDATE {table} SET {column} = substr({column}, 2)")
    db.commit()
    db.close()


@pytest.fixture
def copied(tiny_settings: Tiny, tmp_path: Path) -> Settings:
    """An index that no process has open."""
    settings = tiny_settings({"a.md": ONE})
    build_index(settings=settings)
    copy = replace(settings, index_dir=tmp_path / "copy")
    shutil.copytree(settings.index_dir, copy.index_dir)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "damage"),
    [
        ("segments", lambda d: flip(next(d.glob("segments/*/spans.npy")))),
        ("segments", lambda d: flip(next(d.glob("segments/*/papers.sqlite")))),
        ("segments", lambda d: flip(next(d.glob("segments/*/chroma/*/data_level0.bin")))),
        ("segments", lambda d: flip(next(d.glob("segments/*/postings/rows.npy")))),
        ("segments", lambda d: shutil.rmtree(next(d.glob("segments/*")))),
        ("generation", lambda d: flip(next(d.glob("generations/*/manifest.json")))),
        ("generation", lambda d: (d / "CURRENT").unlink()),
        ("digests read", lambda d: spoil(d / "library.sqlite", "entries", "body")),
        ("digests read", lambda d: (d / "library.sqlite").write_bytes(b"rubbish" * 99)),
        ("vectors kept", lambda d: spoil(d / "vectors.sqlite", "vectors", "vector")),
        ("vectors kept", lambda d: spoil(d / "vectors.sqlite", "sentences", "vector")),
        ("vectors kept", lambda d: (d / "vectors.sqlite").unlink()),
    ],
)
def test_damage_is_found_and_repaired(
    copied: Settings, part: str, damage: Callable[[Path], object]
) -> None:
    damage(copied.index_dir)
    assert part in bad(copied)
    repair(copied)
    assert bad(copied) <= {"vectors kept"}
    repair(copied)
    assert search("cat", settings=copied)[0].paper.arxiv_id == "2501.00001"
