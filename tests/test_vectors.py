import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.errors import IndexDamaged, IndexUnwritable
from rag.vectors import VectorIndex, VectorPlace, drop_vectors, write_vectors


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(7).normal(size=(40, 16))
    return (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def place(tmp_path: Path, vectors: NDArray[np.float32]) -> VectorPlace:
    place = VectorPlace(tmp_path / "20250101T000000000000" / "chroma")
    write_vectors(place, vectors)
    return place


def files(folder: Path) -> dict[str, tuple[int, str]]:
    """{name: (time of change, hash)} of all files below `folder`."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def _own_temporary_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the views of other tests, which run beside this one, out of sight."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("views")))


def views() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("digest-rag-")}


def open_files(below: str) -> list[str]:
    links = [Path(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
    return [str(p.readlink()) for p in links if p.is_symlink() and below in str(p.readlink())]


def test_nearest_agrees_with_exact_cosine(place: VectorPlace, vectors: NDArray[np.float32]) -> None:
    index = VectorIndex(place)
    assert index.count == 40
    for row in range(0, 40, 7):
        exact = vectors @ vectors[row]
        order = np.argsort(-exact)[:5]
        rows, similarities = index.nearest(vectors[row], 5)
        assert rows.dtype == np.int64
        assert similarities.dtype == np.float32
        np.testing.assert_array_equal(rows, order)
        np.testing.assert_allclose(similarities, exact[order], atol=1e-5)
    index.close()


def test_similarities_lie_between_minus_one_and_one(
    place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(place)
    for vector in (*vectors, -vectors[0]):
        _, found = index.nearest(vector, 40)
        assert np.all(np.diff(found) <= 0)
        assert np.all(found >= -1.0 - 1e-6)
        assert np.all(found <= 1.0)


def test_the_length_of_the_question_vector_does_not_matter(
    place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(place)
    rows, similarities = index.nearest(vectors[3] * 9, 3)
    np.testing.assert_array_equal(rows, index.nearest(vectors[3], 3)[0])
    assert similarities[0] == pytest.approx(1.0)


def test_asking_for_more_than_there_are_gives_all(
    place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(place)
    assert sorted(index.nearest(vectors[0], 500)[0]) == list(range(40))
    assert len(index.nearest(vectors[0], 0)[0]) == 0


def test_no_embedding_function_is_stored(place: VectorPlace) -> None:
    stored = (place.folder / "chroma.sqlite3").read_bytes()
    for name in (b"onnx_mini_lm", b"DefaultEmbeddingFunction", b"sentence_transformer"):
        assert name not in stored


def test_more_vectors_than_one_batch_takes(tmp_path: Path) -> None:
    many = np.random.default_rng(1).normal(size=(6000, 4)).astype(np.float32)
    told: list[tuple[int, int]] = []
    write_vectors(VectorPlace(tmp_path), many, lambda done, total: told.append((done, total)))
    assert told[-1] == (6000, 6000)
    assert len(told) == 2
    index = VectorIndex(VectorPlace(tmp_path))
    assert index.count == 6000
    assert list(index.nearest(many[5999], 1)[0]) == [5999]


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_vectors_and_none(tmp_path: Path, rows: int) -> None:
    few = np.eye(3, 8, dtype=np.float32)[:rows]
    write_vectors(VectorPlace(tmp_path), few)
    index = VectorIndex(VectorPlace(tmp_path))
    assert index.count == rows
    assert sorted(index.nearest(np.ones(8, np.float32), 9)[0]) == list(range(rows))


@pytest.mark.parametrize("rows", [2, 40, 6001])
def test_nothing_is_left_to_replay(tmp_path: Path, rows: int) -> None:
    """Every row is in the saved graph, whatever the number of rows."""
    write_vectors(
        VectorPlace(tmp_path), np.random.default_rng(1).normal(size=(rows, 8)).astype(np.float32)
    )
    with closing(sqlite3.connect(tmp_path / "chroma.sqlite3")) as db:
        # The log's numbers up to which Chroma's two parts, rows and graph, are saved.
        assert db.execute("SELECT seq_id FROM max_seq_id").fetchall() == [(rows,)] * 2


def test_reading_changes_no_file_and_leaves_none(
    place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    before, views_before = files(place.folder), views()
    assert len(before) > 1
    index, second = VectorIndex(place), VectorIndex(place)
    for vector in vectors:
        index.nearest(vector, 9)
        second.nearest(vector, 9)
    second.close()
    index.nearest(vectors[0], 1)
    index.close()
    index.close()
    assert files(place.folder) == before
    assert views() <= views_before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_closing_releases_the_files(place: VectorPlace, vectors: NDArray[np.float32]) -> None:
    assert not open_files(place.folder.parent.name)
    index = VectorIndex(place)
    index.nearest(vectors[0], 1)
    assert open_files(place.folder.parent.name)
    index.close()
    assert not open_files(place.folder.parent.name)


def test_an_index_that_nobody_holds_leaves_no_view(place: VectorPlace) -> None:
    before = views()
    index = VectorIndex(place)
    assert len(views() - before) == 1
    del index
    assert views() <= before


def test_dropped_vectors_are_gone(place: VectorPlace) -> None:
    drop_vectors(place)
    assert not place.folder.exists()
    drop_vectors(place)
    with pytest.raises(IndexDamaged):
        VectorIndex(place)


@pytest.mark.parametrize("damage", ["gone", "no file", "empty", "rubbish"])
def test_a_damaged_collection_is_named(
    place: VectorPlace, vectors: NDArray[np.float32], damage: str
) -> None:
    database, before = place.folder / "chroma.sqlite3", views()
    match damage:
        case "gone":
            drop_vectors(place)
        case "no file":
            database.unlink()
        case "empty":
            database.write_bytes(b"")
        case "rubbish":
            database.write_bytes(b"rubbish" * 999)
    with pytest.raises(IndexDamaged, match="is missing or damaged"):
        VectorIndex(place).nearest(vectors[0], 1)
    assert views() <= before


def test_no_room_for_the_view_is_no_damage(
    place: VectorPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with pytest.raises(IndexUnwritable, match="temporary folder"):
            VectorIndex(place)
    before = views()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(IndexUnwritable, match="temporary folder"):
        VectorIndex(place)
    assert views() <= before


def test_a_question_vector_of_another_dimension_is_no_traceback(place: VectorPlace) -> None:
    with pytest.raises(IndexDamaged):
        VectorIndex(place).nearest(np.ones(3, dtype=np.float32), 1)
