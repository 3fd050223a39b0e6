from pathlib import Path

import numpy as np
import pytest
from conftest import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from rag.digests import read_digests
from rag.errors import IndexDamaged
from rag.lexical import LexicalIndex, tokens, write_lexical
from rag.passages import all_passages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Agents learning quickly", ["agent", "learn", "quick"]),
        ("the of and", []),
        ("GPT-4o", ["gpt4o", "gpt-4o", "gpt", "4", "o"]),
        ("Qwen2.5-VL-7B", ["qwen25vl7b", "qwen2.5-vl-7b", "qwen", "2.5", "vl", "7", "b"]),
        ("PromptArmor", ["promptarmor", "prompt", "armor"]),
        ("multi-agent", ["multiag", "multi-agent", "multi", "agent"]),
        ("10.5%", ["10.5"]),
        ("LLMs and an LLM, gpus", ["llm", "llm", "gpu"]),
        ("Einstein's class", ["einstein", "class"]),
        ("naïve Schrödinger", ["naiv", "schroding"]),
        ("Ｆｕｌｌ width", ["full", "width"]),
        ("β-VAE", ["βvae", "β-vae", "β", "vae"]),
        ("C++", ["c++"]),
        ("大语言模型", ["大语", "语言", "言模", "模型"]),
        ("火", ["火"]),
        ("的", []),
        ("這篇論文", ["這篇", "篇論", "論文"]),
        ("𠮷野家", ["𠮷野", "野家"]),
        ("GPT模型", ["gpt", "模型"]),
        ("基于GPT-4o的", ["基于", "gpt4o", "gpt-4o", "gpt", "4", "o"]),
        ("\u200b…!?—", []),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("GPT-4o", "we use GPT4o here"),
        ("gpt4o", "基于GPT-4o的方法"),
        ("Qwen2.5", "evaluated on Qwen2.5-VL-7B"),
        ("Qwen 2.5 VL", "evaluated on Qwen2.5-VL-7B"),
        ("prompt armor", "PromptArmor"),
        ("LLM", "many LLMs"),
        ("mllms", "an MLLM"),
        ("模型", "GPT模型"),
        ("Schrodinger", "Schrödinger's cat"),
        ("multi agent", "a multi-agent system"),
        ("强化学习", "基于强化学习（RL）"),
    ],
)
def test_question_and_passage_share_a_token(question: str, passage: str) -> None:
    assert set(tokens(question)) & set(tokens(passage))


@given(st.text())
def test_tokens_of_any_text_are_plain_words(text: str) -> None:
    for token in tokens(text):
        assert token
        assert not any(ch.isspace() for ch in token)
        assert token == token.casefold()


@given(st.text(alphabet=" GPT-4o模型学习agents.", max_size=30))
def test_white_space_between_the_scripts_changes_nothing(text: str) -> None:
    assert tokens(f"模型 {text.strip()} model") == tokens(f"模型\n{text.strip()}\tmodel")


TEXTS = ["The cat sat on GPT-4o", "A dog and a cat; dogs", "中文模型 cat", "…"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lexical(tmp_path / "lexical", TEXTS)
    return tmp_path / "lexical"


def test_scores_are_those_of_bm25_in_lucenes_form(folder: Path) -> None:
    scores = LexicalIndex(folder).scores("cat")
    counts = np.array([[tokens(t).count("cat"), len(tokens(t) or [""])] for t in TEXTS])
    frequency, length = counts[:, 0], counts[:, 1]
    idf = np.log(1 + (4 - 3 + 0.5) / (3 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * length / length.mean())
    np.testing.assert_allclose(scores, idf * frequency / (frequency + norm), rtol=1e-5)


def test_a_word_counts_once_however_often_it_is_asked(folder: Path) -> None:
    index = LexicalIndex(folder)
    np.testing.assert_array_equal(index.scores("cat cats Cat"), index.scores("cat"))


@pytest.mark.parametrize("question", ["", "zebra", "the", "。", "\0"])
def test_nothing_in_common_scores_nothing(folder: Path, question: str) -> None:
    assert LexicalIndex(folder).scores(question).tolist() == [0.0] * 4


@pytest.mark.parametrize("question", ["cat", "cat dog GPT-4o", "模型 cats zebra", "zebra", ""])
def test_what_is_possible_is_the_sum_of_the_words_idf(folder: Path, question: str) -> None:
    index = LexicalIndex(folder)
    seen = [f for t in set(tokens(question)) if (f := index.document_frequency(t))]
    expected = sum(np.log(1 + (4 - f + 0.5) / (f + 0.5)) for f in seen)
    assert index.possible(question) == pytest.approx(expected)
    assert index.scores(question).max() <= index.possible(question)


def test_a_passage_of_nothing_but_the_question_nears_what_is_possible(tmp_path: Path) -> None:
    write_lexical(tmp_path, ["zebra " * 500, *["a text of other words"] * 9])
    index = LexicalIndex(tmp_path)
    assert index.scores("zebra").max() > 0.95 * index.possible("zebra")


def test_document_frequency(folder: Path) -> None:
    index = LexicalIndex(folder)
    assert [index.document_frequency(t) for t in ("cat", "dog", "模型", "zebra")] == [3, 1, 1, 0]


def test_passages_without_a_word_can_be_indexed(tmp_path: Path) -> None:
    write_lexical(tmp_path, ["…", "的"])
    assert LexicalIndex(tmp_path).scores("word").tolist() == [0.0, 0.0]


def test_the_same_scores_after_reopening(folder: Path) -> None:
    one, two = LexicalIndex(folder), LexicalIndex(folder)
    np.testing.assert_array_equal(one.scores("GPT4o 模型"), two.scores("GPT4o 模型"))


def test_every_seed_passage_matches_itself_best(tmp_path: Path) -> None:
    passages = all_passages(read_digests([SEEDS]).papers)
    write_lexical(tmp_path, [p.indexed_text for p in passages])
    index = LexicalIndex(tmp_path)
    for row, passage in enumerate(passages[::25]):
        scores = index.scores(passage.indexed_text)
        assert passages[int(np.argmax(scores))].arxiv_id == passages[row * 25].arxiv_id


FILES = [
    "params.index.json",
    "vocab.index.json",
    *(f"{n}.csc.index.npy" for n in ("data", "indices", "indptr")),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "rubbish"])
def test_a_damaged_file_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    content = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[: len(content) * 2 // 3])
        case "rubbish":
            path.write_bytes(b"\x93\xff rubbish")
    with pytest.raises(IndexDamaged, match="'lexical' is missing or damaged"):
        LexicalIndex(folder)


def test_arrays_that_do_not_belong_together_are_damage(folder: Path) -> None:
    np.save(folder / "data.csc.index.npy", np.zeros(1, dtype=np.float32))
    with pytest.raises(IndexDamaged):
        LexicalIndex(folder)
