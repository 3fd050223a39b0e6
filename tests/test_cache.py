import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder
from numpy.typing import NDArray

from rag import cache
from rag.cache import check_vectors, encode_cached, known_sentences
from rag.errors import IndexDamaged
from rag.sentences import in_steps, spans_of


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


def told(path: Path, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    """The vectors of each text's sentences, as they are kept."""
    found: list[NDArray[np.float32]] = []
    for part in known_sentences(path, WordEncoder(), texts):
        rows = part.steps * part.scale[:, None]
        found += np.split(rows, np.cumsum(part.counts)[:-1])
    return found


TOLD = ["T\nA cat. A dog.", "T\nOne fish", "T\nA cat. A dog.", "火星\n猫。狗。鱼。"]


def test_sentences_come_in_the_texts_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_PART", 3)
    encode_cached(path, WordEncoder(), TOLD)
    found = told(path, TOLD)
    assert [len(rows) for rows in found] == [2, 1, 2, 3]
    for text, rows in zip(TOLD, found, strict=True):
        exact = WordEncoder().encode_queries([text[a:b] for a, b in spans_of(text)])
        steps, scale = in_steps(exact)
        np.testing.assert_array_equal(rows, steps * scale[:, None])
    assert told(path, []) == []


def test_a_vector_kept_without_its_sentences_is_made_anew(path: Path) -> None:
    encode_cached(path, WordEncoder(), TOLD)
    db = sqlite3.connect(path)
    db.execute("DROP TABLE sentences")
    db.commit()
    db.close()
    assert encode_cached(path, WordEncoder(), TOLD)[1] == 3
    assert len(told(path, TOLD)) == 4


@pytest.mark.parametrize("change", ["x'00'", "substr(vector, 2)", "CAST(vector || x'00' AS BLOB)"])
def test_damaged_sentences_are_noticed_and_made_anew(path: Path, change: str) -> None:
    encode_cached(path, WordEncoder(), TOLD)
    db = sqlite3.connect(path)
    db.execute(f"UPDATE sentences SET vector = {change}")
    db.commit()
    db.close()
    with pytest.raises(IndexDamaged):
        told(path, TOLD)
    assert check_vectors(path, drop=False) == (3, 3)
    assert encode_cached(path, WordEncoder(), TOLD)[1] == 3
    assert check_vectors(path) == (3, 0)
    assert len(told(path, TOLD)) == 4


class Passages(WordEncoder):
    """Knows no sentences."""

    def encode_sentences(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        return self.encode_passages(texts), [np.zeros((0, 64), np.float32)] * len(texts)


def test_an_encoder_without_sentences_has_none_and_is_not_asked_again(path: Path) -> None:
    encode_cached(path, Passages(), TOLD)
    assert [len(rows) for rows in told(path, TOLD)] == [0] * 4
    assert encode_cached(path, Passages(), TOLD)[1] == 0


def test_sentences_of_another_version_are_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_cached(path, WordEncoder(), TOLD)
    monkeypatch.setattr(cache, "SENTENCES_VERSION", cache.SENTENCES_VERSION + 1)
    assert encode_cached(path, WordEncoder(), TOLD)[1] == 3
    assert encode_cached(path, WordEncoder(), TOLD)[1] == 0
