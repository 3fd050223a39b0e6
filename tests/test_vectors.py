from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.errors import IndexDamaged
from rag.vectors import VectorIndex, write_vectors

IDS = [f"2501.{n:05}/abstract" for n in range(40)]


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(7).normal(size=(40, 16))
    return (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, vectors: NDArray[np.float32]) -> Path:
    write_vectors(tmp_path / "chroma", IDS, vectors, [{"part": "abstract"}] * 40)
    return tmp_path / "chroma"


def test_nearest_agrees_with_exact_cosine(folder: Path, vectors: NDArray[np.float32]) -> None:
    index = VectorIndex(folder)
    assert index.count == 40
    for row in range(0, 40, 7):
        exact = vectors @ vectors[row]
        order = np.argsort(-exact)[:5]
        found = index.nearest(vectors[row], 5)
        assert [i for i, _ in found] == [IDS[n] for n in order]
        np.testing.assert_allclose([s for _, s in found], exact[order], atol=1e-5)


def test_similarities_lie_between_minus_one_and_one(
    folder: Path, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(folder)
    for vector in (*vectors, -vectors[0]):
        found = [similarity for _, similarity in index.nearest(vector, 40)]
        assert found == sorted(found, reverse=True)
        assert all(-1.0 - 1e-6 <= similarity <= 1.0 for similarity in found)


def test_the_length_of_the_question_vector_does_not_matter(
    folder: Path, vectors: NDArray[np.float32]
) -> None:
    found = VectorIndex(folder).nearest(vectors[3] * 9, 3)
    assert [i for i, _ in found] == [i for i, _ in VectorIndex(folder).nearest(vectors[3], 3)]
    assert found[0][1] == pytest.approx(1.0)


def test_only_the_allowed_passages_are_found(folder: Path, vectors: NDArray[np.float32]) -> None:
    index = VectorIndex(folder)
    allowed = IDS[10:13]
    assert {i for i, _ in index.nearest(vectors[0], 40, allowed)} == set(allowed)
    assert len(index.nearest(vectors[0], 2, allowed)) == 2
    assert index.nearest(vectors[0], 5, []) == []
    assert index.nearest(vectors[0], 0) == []


def test_asking_for_more_than_there_are_gives_all(
    folder: Path, vectors: NDArray[np.float32]
) -> None:
    assert {i for i, _ in VectorIndex(folder).nearest(vectors[0], 500)} == set(IDS)


def test_no_embedding_function_is_stored(folder: Path) -> None:
    stored = (folder / "chroma.sqlite3").read_bytes()
    for name in (b"onnx_mini_lm", b"DefaultEmbeddingFunction", b"sentence_transformer"):
        assert name not in stored


def test_more_vectors_than_one_batch_takes(tmp_path: Path) -> None:
    many = np.random.default_rng(1).normal(size=(6000, 4)).astype(np.float32)
    ids = [str(n) for n in range(6000)]
    write_vectors(tmp_path, ids, many, [{"n": i} for i in ids])
    index = VectorIndex(tmp_path)
    assert index.count == 6000
    assert index.nearest(many[5999], 1)[0][0] == "5999"


@pytest.mark.parametrize("damage", ["gone", "no file", "empty", "rubbish"])
def test_a_damaged_collection_is_named(
    folder: Path, vectors: NDArray[np.float32], damage: str
) -> None:
    # Elsewhere, for Chroma keeps the folder it has written open.
    moved = folder.rename(folder.with_name("moved"))
    database = moved / "chroma.sqlite3"
    match damage:
        case "gone":
            moved = moved / "nowhere"
        case "no file":
            database.unlink()
        case "empty":
            database.write_bytes(b"")
        case "rubbish":
            database.write_bytes(b"rubbish" * 999)
    with pytest.raises(IndexDamaged, match="is missing or damaged"):
        VectorIndex(moved).nearest(vectors[0], 1)


def test_a_question_vector_of_another_dimension_is_no_traceback(folder: Path) -> None:
    with pytest.raises(IndexDamaged):
        VectorIndex(folder).nearest(np.ones(3, dtype=np.float32), 1)
