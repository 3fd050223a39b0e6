"""What the encoder learns from: papers told in English and in Chinese, and questions."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from rag.errors import DigestError
from rag.types import Paper

_ENGLISH_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_CHINESE_END = re.compile(r"(?<=[。！？])")
# Characters of a Chinese sentence for each of its English twin; beyond these
# the two are no translations of one another.
_SHORTEST, _LONGEST = 0.1, 0.8


@dataclass(frozen=True, slots=True)
class ParallelPaper:
    """One paper: the author's English, Chinese texts by part, and questions it answers."""

    arxiv_id: str
    title: str
    abstract: str
    chinese: Mapping[str, str]
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """An English sentence or title and the same in Chinese."""

    english: str
    chinese: str


def read_parallel(path: Path, questions: Path | None = None) -> list[ParallelPaper]:
    """Return the papers of a JSONL file, `.zst`-compressed or not.

    A line holds `id`, `title`, `abstract` and `zh`, the Chinese texts by part.
    `questions`, another JSONL file, holds `id` and `query`. Raises
    `DigestError` when a file can't be read.
    """
    papers = [
        ParallelPaper(row["id"], row["title"], row["abstract"], _texts(row.get("zh") or {}))
        for row in _rows(path)
    ]
    if questions is None:
        return papers
    asked: dict[str, list[str]] = {}
    for row in _rows(questions):
        asked.setdefault(row["id"], []).append(row["query"])
    return [replace(p, questions=tuple(asked.get(p.arxiv_id, ()))) for p in papers]


def from_digests(papers: Iterable[Paper]) -> list[ParallelPaper]:
    """Return `papers` of the user's own digests as training material."""
    return [
        ParallelPaper(
            paper.arxiv_id,
            paper.title,
            paper.abstract,
            {r.part: r.text for r in paper.renditions if r.language == "zh"},
        )
        for paper in papers
        if paper.abstract
    ]


def pairs(papers: Iterable[ParallelPaper]) -> Iterator[Pair]:
    """Yield titles with their Chinese titles, and sentences with their translations.

    Sentences are taken where abstract and translation have equally many.
    """
    for paper in papers:
        if "title" in paper.chinese:
            yield Pair(paper.title, paper.chinese["title"])
        if "translation" not in paper.chinese:
            continue
        english = english_sentences(paper.abstract)
        chinese = [s for s in _CHINESE_END.split(paper.chinese["translation"]) if s.strip()]
        if len(english) == len(chinese):
            for one, other in zip(english, chinese, strict=True):
                if _SHORTEST < len(other) / len(one) < _LONGEST:
                    yield Pair(one, other)


def english_sentences(text: str) -> list[str]:
    """Return the sentences of an English abstract."""
    return [sentence for sentence in _ENGLISH_END.split(text) if sentence.strip()]


def _texts(parts: Mapping[str, str | None]) -> dict[str, str]:
    return {part: text for part, text in parts.items() if text}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with (
            path.open("rb") as file,
            io.TextIOWrapper(_plain(path, file), encoding="utf-8") as lines,
        ):
            yield from map(json.loads, lines)
    except (OSError, ValueError) as error:
        raise DigestError(
            f"The training file {path} can't be read ({error}).",
            "Give a JSONL file with a paper on each line, or one compressed by zstd.",
        ) from error


def _plain(path: Path, file: IO[bytes]) -> IO[bytes]:
    if path.suffix != ".zst":
        return file
    try:
        import zstandard
    except ImportError:
        raise DigestError(
            f"The package zstandard, which reads {path.name}, is not installed.",
            "Run `pip install zstandard`, or unpack the file with `zstd -d`.",
        ) from None
    return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file))
