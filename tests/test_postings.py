import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import numpy as np
import pytest
from conftest import SEEDS
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag import postings
from rag.digests import read_digests
from rag.errors import IndexDamaged
from rag.invert import write_postings
from rag.lexical import tokens
from rag.passages import all_passages
from rag.postings import Postings

WORDS = "alpha beta gamma delta sigma omega 模型 强化学习 GPT-4o Qwen2.5-VL the".split()
Mask = NDArray[np.bool_]

text = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
segments = st.lists(st.lists(text, max_size=8), max_size=4)
Open = Callable[..., Postings]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Write lists of texts, a segment each, and open them: opened([["a"], ["b"]], live)."""

    def make(parts: Sequence[Sequence[str]], live: Sequence[Mask | None] | None = None) -> Postings:
        folder = tmp_path_factory.mktemp("segments")
        folders = [folder / str(number) for number in range(len(parts))]
        for path, texts in zip(folders, parts, strict=True):
            write_postings(path, texts)
        return Postings(folders, live or [None] * len(parts))

    return make


def reference(texts: Sequence[str], question: str) -> NDArray[np.float64]:
    """BM25 as its formula is written."""
    documents = [tokens(t) for t in texts]
    lengths = [max(1, len(d)) for d in documents]
    scores = np.zeros(len(texts))
    for word in dict.fromkeys(tokens(question)):
        frequency = sum(word in d for d in documents)
        idf = math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
        for row, document in enumerate(documents):
            norm = 1.2 * (1 - 0.75 + 0.75 * lengths[row] / (sum(lengths) / len(texts)))
            scores[row] += idf * document.count(word) / (document.count(word) + norm)
    return scores


def best(scores: NDArray[np.floating], count: int) -> list[int]:
    order = np.lexsort((np.arange(len(scores)), -scores))[:count]
    return [int(row) for row in order if scores[row] > 0]


def found(index: Postings, question: str) -> list[int]:
    return [int(row) for row in index.top(question, 5)[0]]


def everything(index: Postings) -> NDArray[np.int64]:
    return np.arange(index.rows)


@given(texts=st.lists(text, min_size=1, max_size=12), question=text)
def test_scores_are_those_of_the_formula(opened: Open, texts: list[str], question: str) -> None:
    index = opened([texts])
    scores = index.scores_of(question, everything(index))
    np.testing.assert_allclose(scores, reference(texts, question), rtol=1e-6)
    assert index.top(question, 5)[0].tolist() == best(scores, 5)


@given(texts=st.lists(text, min_size=1, max_size=12), question=text)
def test_scores_are_those_of_bm25s(opened: Open, texts: list[str], question: str) -> None:
    other = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    other.index([tokens(t) or [""] for t in texts], show_progress=False)
    known = [t for t in dict.fromkeys(tokens(question)) if t in other.vocab_dict]
    expected = other.get_scores(known) if known else np.zeros(len(texts))
    rows, scores = opened([texts]).top(question, len(texts))
    assert sorted(rows) == np.flatnonzero(expected).tolist()
    np.testing.assert_allclose(scores, expected[rows], rtol=1e-5)


@pytest.fixture(params=["usual", "always", "never"])
def leaving_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for rows to leave out as usual, wherever it is possible, or nowhere."""
    if request.param != "usual":
        worth = 0 if request.param == "always" else 10**9
        monkeypatch.setattr(postings, "_WORTH_IT", worth)
        monkeypatch.setattr(postings, "_LOOK_UP", 0)
        monkeypatch.setattr(postings, "_FEW", 0.6 if worth == 0 else 0.0)


@given(data=st.data(), parts=segments, question=text, count=st.integers(1, 10))
def test_segments_with_dead_rows_are_as_good_as_new(
    opened: Open, data: st.DataObject, parts: list[list[str]], question: str, count: int
) -> None:
    live = [
        data.draw(st.none() | st.lists(st.booleans(), min_size=len(p), max_size=len(p)))
        for p in parts
    ]
    masks = [None if mask is None else np.array(mask, dtype=bool) for mask in live]
    index = opened(parts, masks)
    alive = np.array([a for p, m in zip(parts, live, strict=True) for a in m or [True] * len(p)])
    kept = [t for t, a in zip([t for p in parts for t in p], alive, strict=True) if a]
    afresh = opened([kept])
    old_rows = np.flatnonzero(alive)
    assert (index.rows, index.live_rows) == (len(alive), len(kept))
    for token in tokens(question):
        assert index.document_frequency(token) == afresh.document_frequency(token)
    rows, scores = index.top(question, count)
    new_rows, new_scores = afresh.top(question, count)
    assert rows.tolist() == old_rows[new_rows].tolist()
    np.testing.assert_array_equal(scores, new_scores)
    np.testing.assert_array_equal(
        index.scores_of(question, old_rows), afresh.scores_of(question, everything(afresh))
    )


def zipfs(rng: np.random.Generator, texts: int) -> list[str]:
    """Texts of a vocabulary in which few words are frequent and many are rare."""
    names = [a + b for a in "bdfgklmnprst" for b in ("ab", "ek", "ol", "ux", "im", "ov")]
    chances = 1 / np.arange(1, len(names) + 1)
    chances /= chances.sum()
    return [" ".join(rng.choice(names, int(rng.integers(40)), p=chances)) for _ in range(texts)]


@pytest.fixture(scope="module")
def large(opened: Open) -> Postings:
    rng = np.random.default_rng(7)
    return opened(
        [zipfs(rng, number) for number in (3000, 500, 1, 40)],
        [None, rng.random(500) < 0.7, None, rng.random(40) < 0.5],
    )


@pytest.mark.usefixtures("leaving_out")
@pytest.mark.parametrize("share", [None, 0.0, 0.005, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [0, 1, 20, 5000])
def test_nothing_good_is_left_out(large: Postings, share: float | None, count: int) -> None:
    rng = np.random.default_rng(11)
    allowed = None if share is None else rng.random(large.rows) < share
    for question in zipfs(rng, 12):
        scores = large.scores_of(question, everything(large))
        if allowed is not None:
            scores[~allowed] = 0
        rows, found = large.top(question, count, allowed)
        assert rows.tolist() == best(scores, count)
        np.testing.assert_array_equal(found, scores[rows])
        assert (rows.dtype, found.dtype) == (np.int64, np.float32)


def test_a_tie_goes_to_the_first_row(opened: Open) -> None:
    index = opened([["same words"] * 30, ["same words"] * 30])
    assert index.top("words", 40)[0].tolist() == list(range(40))


def test_dead_rows_never_appear_and_score_nothing(opened: Open) -> None:
    index = opened([["alpha", "alpha beta"], ["alpha"]], [np.array([True, False]), None])
    assert index.top("alpha beta", 9)[0].tolist() == [0, 2]
    assert index.document_frequency("beta") == 0
    assert index.scores_of("alpha beta", np.array([1])).tolist() == [0.0]


def test_a_word_counts_once_however_often_it_is_asked(large: Postings) -> None:
    for one, many in (("bab", "bab Bab babs BAB"), ("bab dek", "dek bab dek")):
        np.testing.assert_allclose(large.top(one, 9)[1], large.top(many, 9)[1], rtol=1e-6)


@pytest.mark.parametrize("question", ["", "zebra", "the", "。", "\0", "𠮷", "\ud800"])
@pytest.mark.parametrize("parts", [[], [[]], [["alpha", ""], []], [["", "…", "的"]]])
def test_nothing_in_common_finds_nothing(
    opened: Open, parts: list[list[str]], question: str
) -> None:
    index = opened(parts)
    rows, scores = index.top(question, 3)
    assert (len(rows), len(scores)) == (0, 0)
    assert not index.scores_of(question, everything(index)).any()


@pytest.mark.parametrize("question", ["cat", "cat dog GPT-4o", "模型 cats zebra", "zebra", ""])
def test_what_is_possible_is_the_sum_of_the_words_idf(opened: Open, question: str) -> None:
    texts = ["The cat sat on GPT-4o", "A dog and a cat; dogs", "中文模型 cat", "…"]
    index = opened([texts])
    seen = [f for t in set(tokens(question)) if (f := index.document_frequency(t))]
    expected = sum(np.log(1 + (4 - f + 0.5) / (f + 0.5)) for f in seen)
    assert index.possible(question) == pytest.approx(expected)
    assert (index.scores_of(question, everything(index)) <= index.possible(question)).all()


def test_a_passage_of_nothing_but_the_question_nears_what_is_possible(opened: Open) -> None:
    index = opened([["zebra " * 250, *["a text of other words"] * 9]])
    (row,), (score,) = index.top("zebra", 1)
    assert row == 0
    assert score > 0.9 * index.possible("zebra")


def test_words_can_be_given_with_their_weights(opened: Open) -> None:
    index = opened([["a cat", "a dog"], ["cat and dog", "none"]])
    rows = everything(index)
    cat, dog = (index.scores_of(word, rows) for word in ("cat", "dog"))
    words = {"cat": 1.0, "dog": 0.25, "zebra": 1.0}
    np.testing.assert_allclose(index.scores_of(words, rows), cat + 0.25 * dog, rtol=1e-5)
    assert index.top(words, 3)[0].tolist() == [0, 2, 1]
    expected = index.possible("cat") + 0.25 * index.possible("dog")
    assert index.possible(words) == pytest.approx(expected)
    assert index.possible({}) == 0.0
    assert index.top({}, 3)[0].tolist() == []


def test_document_frequency(opened: Open) -> None:
    index = opened([["The cat sat", "dogs"], ["A dog and a cat; dogs", "中文模型 cat", "…"]])
    found = [index.document_frequency(t) for t in ("cat", "dog", "模型", "zebra", "")]
    assert found == [3, 2, 1, 0, 0]


def test_every_seed_passage_matches_itself_best(opened: Open) -> None:
    passages = all_passages(read_digests([SEEDS]).papers)
    index = opened([[p.indexed_text for p in passages]])
    for row in range(0, len(passages), 25):
        rows, _ = index.top(passages[row].indexed_text, 1)
        assert passages[rows[0]].arxiv_id == passages[row].arxiv_id


def test_threads_get_the_same_answers(opened: Open) -> None:
    texts = zipfs(np.random.default_rng(3), 400)
    index, alone = opened([texts]), opened([texts])
    expected = {question: found(alone, question) for question in texts}
    wrong: list[str] = []

    def ask(start: int) -> None:
        wrong.extend(q for q in texts[start::8] if found(index, q) != expected[q])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FILES = ["words", "words_at", "starts", "rows", "counts", "lengths"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_postings(tmp_path / "lexical", ["The cat sat on GPT-4o", "A dog", "中文模型 cat", "…"])
    return tmp_path / "lexical"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "rubbish", "folder", "kind", "long"])
def test_a_damaged_file_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / f"{name}.npy"
    content = path.read_bytes()
    array = np.load(path)
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[:-1])
        case "rubbish":
            path.write_bytes(b"\x93\xff rubbish")
        case "folder":
            path.unlink()
            path.mkdir()
        case "kind":
            np.save(path, array.astype(np.float64))
        case "long":
            np.save(path, np.append(array, array[-1:]))
    with pytest.raises(IndexDamaged, match=f"'({name}.npy|lexical)' is missing or damaged"):
        Postings([folder], [np.ones(4, dtype=bool)])


def test_objects_are_not_unpickled(folder: Path) -> None:
    np.save(folder / "rows.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(IndexDamaged):
        Postings([folder], [None])


def test_a_row_that_is_not_there_is_damage(folder: Path) -> None:
    rows = np.load(folder / "rows.npy")
    np.save(folder / "rows.npy", rows + 100)
    with pytest.raises(IndexDamaged):
        Postings([folder], [None]).top("cat", 3)


def test_a_mask_of_another_segment_is_damage(folder: Path) -> None:
    with pytest.raises(IndexDamaged):
        Postings([folder], [np.ones(3, dtype=bool)])
