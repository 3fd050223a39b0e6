from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from rag.default_model import base_model
from rag.vocabulary import extended_tokenizer, normalised, word_rows

WORDS = ["强化学习", "学习", "强化", "论文", "的", "学"]


@pytest.fixture(scope="module")
def base() -> str:
    return base_model().tokenizer


def tokens(tokenizer: str, text: str) -> list[str]:
    return list(Tokenizer.from_str(tokenizer).encode(text, add_special_tokens=False).tokens)


def test_longest_word_wins(base: str) -> None:
    extended = extended_tokenizer(base, WORDS)
    assert tokens(extended, "强化学习的论文") == ["强化学习", "##的", "##论文"]
    assert tokens(extended, "学习的") == ["学习", "##的"]


def test_chinese_and_latin_runs_are_cut_apart(base: str) -> None:
    cut = tokens(extended_tokenizer(base, WORDS), "用LLM学习，2024年")
    assert "学习" in cut
    assert "ll" in cut


@pytest.mark.parametrize("text", ["Low-probability tokens, É naïve!", "α-β x² 3.5%", "a\tb\n"])
def test_text_without_chinese_keeps_its_ids(base: str, text: str) -> None:
    old, new = Tokenizer.from_str(base), Tokenizer.from_str(extended_tokenizer(base, WORDS))
    assert new.encode(text).ids == old.encode(normalised(text)).ids


def test_both_forms_share_a_row(base: str) -> None:
    extended = extended_tokenizer(base, WORDS)
    rows = word_rows(extended, WORDS)
    vocabulary = Tokenizer.from_str(extended).get_vocab()
    assert rows[vocabulary["论文"]] == rows[vocabulary["##论文"]] == 3
    # A character that the vocabulary had keeps its id and takes the new row.
    assert rows[vocabulary["学"]] == 5
    assert vocabulary["学"] < 30522


def test_normalised_is_what_the_tokenizer_sees() -> None:
    assert normalised("ＬＬＭ模型") == "llm模型"
