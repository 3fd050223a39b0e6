"""Whole Chinese words for a WordPiece tokenizer that has only single characters."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
# Longer runs of Chinese than this become one unknown token.
_LONGEST_RUN = 400


def normalised(text: str) -> str:
    """Return `text` as the extended tokenizer sees it: NFKC, lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def extended_tokenizer(base: str, words: Sequence[str]) -> str:
    """Return the WordPiece tokenizer `base` (JSON) with `words` added, as JSON.

    Runs of Chinese are kept whole and cut into the longest known words from the
    left. Each word stands in the vocabulary in both forms, first of its run and
    continuing (`##`); new ids follow the old ones, which all stay. Text without
    Chinese gives the ids it gave before, once normalised by NFKC.
    """
    spec = json.loads(base)
    vocabulary = spec["model"]["vocab"]
    for word in words:
        for form in (word, f"##{word}"):
            vocabulary.setdefault(form, len(vocabulary))
    spec["model"]["max_input_chars_per_word"] = _LONGEST_RUN
    spec["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "NFKC"}, {**spec["normalizer"], "handle_chinese_chars": False}],
    }
    spec["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            spec["pre_tokenizer"],
            {
                "type": "Split",
                "pattern": {"Regex": HAN.pattern},
                "behavior": "Isolated",
                "invert": False,
            },
        ],
    }
    return json.dumps(spec, ensure_ascii=False)


def word_rows(tokenizer: str, words: Sequence[str]) -> dict[int, int]:
    """Return which of `words` each token id of `tokenizer` (JSON) stands for, by position.

    Both forms of a word share one row, and so do the single characters that the
    vocabulary had before.
    """
    row = {word: number for number, word in enumerate(words)}
    vocabulary = json.loads(tokenizer)["model"]["vocab"]
    bare = {number: token.removeprefix("##") for token, number in vocabulary.items()}
    return {number: row[token] for number, token in bare.items() if token in row}
