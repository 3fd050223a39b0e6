from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import EncoderError
from rag.lexical import TOKENS_VERSION, tokens
from rag.lexicon import LEXICON, english_of, read_lexicon, shipped_lexicon, write_lexicon

SMALL = {"水印": {"watermark": 0.9}, "印检": {"watermark": 0.4, "detect": 0.3}}


def test_chinese_words_stand_for_their_likeliest_english() -> None:
    assert english_of("水印检测", SMALL) == {"watermark": 0.9, "detect": 0.3}
    assert english_of("watermark 水印检测", SMALL) == {"detect": 0.3}
    assert english_of("watermark detection", SMALL) == {}
    assert english_of("", SMALL) == {}


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("强化学习", "reinforcement learning"),
        ("大模型翻译", "LLM translation"),
        ("蛋白质结构", "protein structure"),
        ("文本水印", "text watermark"),
        ("图神经网络", "graph neural network"),
    ],
)
def test_the_shipped_lexicon_knows_the_language_of_the_field(chinese: str, english: str) -> None:
    found = english_of(chinese, shipped_lexicon(chinese))
    assert set(tokens(english)) <= found.keys()


def test_the_shipped_lexicon_fits_the_tokens_and_a_limit() -> None:
    lexicon = read_lexicon(LEXICON)
    assert LEXICON.stat().st_size < 2_000_000
    assert all(tokens(chinese) == [chinese] for chinese in list(lexicon)[::50])
    assert all(0 < p <= 1 for told in lexicon.values() for p in told.values())


@given(st.text())
def test_any_question_can_be_asked(question: str) -> None:
    found = english_of(question, shipped_lexicon(question))
    assert all(0 < chance <= 1 for chance in found.values())


def test_no_lexicon_is_read_for_english() -> None:
    assert shipped_lexicon("what is new in watermarking") == {}


def test_a_lexicon_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    write_lexicon(tmp_path / "a", SMALL)
    write_lexicon(tmp_path / "b", dict(reversed(SMALL.items())))
    assert read_lexicon(tmp_path / "a") == SMALL
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        packed("{"),
        packed("[]"),
        packed('{"words": {}}'),
        packed(json.dumps({"tokens": TOKENS_VERSION - 1, "words": {}})),
        packed('{"tokens": 2, "words": {}}')[:-12],
    ],
    ids=["empty", "rubbish", "no JSON", "no object", "no version", "old", "cut"],
)
def test_a_damaged_lexicon_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lexicon.json.gz"
    path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"lexicon\.json\.gz is missing or damaged"):
        read_lexicon(path)
    with pytest.raises(EncoderError):
        read_lexicon(tmp_path / "absent")
