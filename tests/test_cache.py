import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder
from numpy.typing import NDArray

from rag import cache
from rag.cache import encode_cached


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BATCH", 2)


def test_vectors_are_those_of_the_encoder_in_the_texts_order(path: Path) -> None:
    encoder = WordEncoder()
    texts = ["a cat", "a dog", "a cat", "火星"]
    vectors, new = encode_cached(path, encoder, texts)
    np.testing.assert_array_equal(vectors, WordEncoder().encode_passages(texts))
    assert (new, vectors.dtype, vectors.shape) == (3, np.float32, (4, 64))


def test_unchanged_texts_are_not_encoded_again(path: Path) -> None:
    encode_cached(path, WordEncoder(), ["cat", "dog", "fish"])
    encoder = WordEncoder()
    vectors, new = encode_cached(path, encoder, ["dog", "bird", "cat"])
    assert (new, encoder.encoded) == (1, ["bird"])
    np.testing.assert_array_equal(vectors, WordEncoder().encode_passages(["dog", "bird", "cat"]))


def test_another_encoder_does_not_get_these_vectors(path: Path) -> None:
    encode_cached(path, WordEncoder(), ["cat"])
    other = WordEncoder("others")
    vectors, new = encode_cached(path, other, ["cat"])
    assert new == 1
    np.testing.assert_array_equal(vectors, WordEncoder("others").encode_passages(["cat"]))
    assert encode_cached(path, WordEncoder(), ["cat"])[1] == 0


def test_progress_counts_the_new_ones(path: Path) -> None:
    seen: list[tuple[int, int]] = []
    encode_cached(path, WordEncoder(), ["cat"])
    encode_cached(
        path,
        WordEncoder(),
        ["cat", *"abcde"],
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]


class Interrupted(WordEncoder):
    """Is interrupted at the second batch."""

    def encode_passages(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        if self.encoded:
            raise KeyboardInterrupt
        return super().encode_passages(texts, progress)


def test_an_interrupted_run_keeps_its_finished_batches(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        encode_cached(path, Interrupted(), ["one", "two", "three", "four"])
    encoder = WordEncoder()
    assert encode_cached(path, encoder, ["one", "two", "three", "four"])[1] == 2
    assert encoder.encoded == ["three", "four"]


def test_no_texts_give_no_vectors(path: Path) -> None:
    vectors, new = encode_cached(path, WordEncoder(), [])
    assert (vectors.shape, new) == ((0, 64), 0)


@pytest.mark.parametrize("damage", ["rubbish", "cut"])
def test_a_damaged_cache_is_made_anew(path: Path, damage: str) -> None:
    texts = [f"text {n}" for n in range(200)]
    encode_cached(path, WordEncoder(), texts)
    path.write_bytes(b"rubbish" * 999 if damage == "rubbish" else path.read_bytes()[:9000])
    vectors, _ = encode_cached(path, WordEncoder(), texts)
    np.testing.assert_array_equal(vectors, WordEncoder().encode_passages(texts))


def test_a_vector_of_the_wrong_length_is_made_anew(path: Path) -> None:
    encode_cached(path, WordEncoder(), ["cat"])
    db = sqlite3.connect(path)
    db.execute("UPDATE vectors SET vector = x'00'")
    db.commit()
    db.close()
    assert encode_cached(path, WordEncoder(), ["cat"])[1] == 1


def test_many_texts_are_looked_up_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BATCH", 256)
    texts = [str(n) for n in range(1200)]
    assert encode_cached(path, WordEncoder(), texts)[1] == 1200
    assert encode_cached(path, WordEncoder(), texts)[1] == 0
