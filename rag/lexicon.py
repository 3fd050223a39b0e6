"""Chinese words of a question as the English words that abstracts use for them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rag.errors import EncoderError
from rag.lexical import TOKENS_VERSION, tokens
from rag.text import has_han

LEXICON = Path(__file__).parent / "weights" / "lexicon.json.gz"

# {Chinese token: {English token: P(English | Chinese)}}
Lexicon = Mapping[str, Mapping[str, float]]


def english_of(question: str, lexicon: Lexicon) -> dict[str, float]:
    """Return the English tokens that the question's Chinese ones stand for, with weights.

    A weight is the highest probability that one of the Chinese tokens gives the
    English one, in (0, 1]. English tokens of the question itself are left out.
    """
    own = tokens(question)
    found: dict[str, float] = {}
    for token in dict.fromkeys(own):
        for english, chance in lexicon.get(token, {}).items():
            found[english] = max(found.get(english, 0.0), chance)
    return {english: chance for english, chance in found.items() if english not in own}


def shipped_lexicon(question: str) -> Lexicon:
    """Return the lexicon that comes along, an empty one where the question has no Chinese.

    Raises `EncoderError` when the file is missing or damaged.
    """
    return read_lexicon(LEXICON) if has_han(question) else {}


@cache
def read_lexicon(path: Path) -> Lexicon:
    """Return the lexicon at `path`. Raises `EncoderError` when it is missing or damaged."""
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        if content["tokens"] != TOKENS_VERSION:
            raise ValueError(content["tokens"])
        lexicon: Lexicon = content["words"]
        return lexicon
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"The lexicon {path.name} is missing or damaged.",
            "Restore it from the repository or reinstall the package.",
        ) from error


def write_lexicon(path: Path, lexicon: Lexicon) -> None:
    """Write what `read_lexicon` reads; the same lexicon gives the same bytes."""
    content = {"tokens": TOKENS_VERSION, "words": lexicon}
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    path.write_bytes(gzip.compress(data.encode(), mtime=0))
