from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import invert
from rag.invert import write_postings
from rag.lexical import tokens

FILES = ["counts.npy", "lengths.npy", "rows.npy", "starts.npy", "words.npy", "words_at.npy"]


def read(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """{word: [(row, count)]} of an inverted index."""
    arrays = {name[:-4]: np.load(folder / name) for name in FILES}
    found = {}
    for number, start in enumerate(arrays["starts"][:-1]):
        end = arrays["starts"][number + 1]
        word = bytes(arrays["words"][slice(*arrays["words_at"][number : number + 2])]).decode()
        pairs = zip(arrays["rows"][start:end], arrays["counts"][start:end], strict=True)
        found[word] = [(int(row), int(count)) for row, count in pairs]
    return found


@pytest.mark.parametrize("at_a_time", [1, 3, 1000])
@given(texts=st.lists(st.text(alphabet="abc 模型-1", max_size=12), max_size=9))
def test_every_word_knows_its_rows(
    tmp_path_factory: pytest.TempPathFactory, at_a_time: int, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lexical") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invert, "_AT_A_TIME", at_a_time)
        write_postings(folder, iter(texts))
    documents = [tokens(t) for t in texts]
    words = sorted({word for document in documents for word in document})
    assert read(folder) == {
        word: [(row, d.count(word)) for row, d in enumerate(documents) if word in d]
        for word in words
    }
    assert np.load(folder / "lengths.npy").tolist() == [max(1, len(d)) for d in documents]


@pytest.mark.parametrize("at_a_time", [2, 1000])
def test_the_same_texts_give_the_same_bytes_and_nothing_else(
    tmp_path: Path, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["The cat sat on GPT-4o", "A dog and a cat; dogs", "中文模型 cat", "…"]
    write_postings(tmp_path / "one", texts)
    monkeypatch.setattr(invert, "_AT_A_TIME", at_a_time)
    write_postings(tmp_path / "two", texts)
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(("times", "count"), [(1, 1), (255, 255), (256, 255), (70_000, 255)])
def test_a_word_counts_255_times_at_most(tmp_path: Path, times: int, count: int) -> None:
    write_postings(tmp_path / "new", ["cat " * times, "dog"])
    assert read(tmp_path / "new") == {"cat": [(0, count)], "dog": [(1, 1)]}
    assert np.load(tmp_path / "new" / "lengths.npy").tolist() == [times, 1]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(FileExistsError):
        write_postings(tmp_path, ["cat"])
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
