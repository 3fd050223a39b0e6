"""What a layout reads out of one digest file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from rag.types import Announce, Part

ARXIV_ID = re.compile(r"(?<![\d.])(\d{4}\.\d{4,5})(?:v(\d+))?(?![\d])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands in the file; the texts are raw, not cleaned.

    `line` counts from 1. `arxiv_id` is None when the entry names none, which
    the reader of the file reports as a failure.
    """

    line: int
    raw: str
    title: str
    arxiv_id: str | None
    version: int | None = None
    abstract: str = ""
    authors: tuple[str, ...] = ()
    category: str | None = None
    date: date | None = None
    announce: Announce | None = None
    parts: tuple[tuple[Part, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """A named layout: does a text have it, and what entries does it hold.

    `version` goes up when the reader changes what it reads, so that an index
    built by an older reader is known to be stale. `expects` are the fields that
    an entry of this layout has when nothing is missing.
    """

    name: str
    version: int
    recognises: Callable[[str], bool]
    read: Callable[[str], Iterator[Entry]]
    expects: tuple[str, ...] = ()


def find_arxiv_id(text: str) -> tuple[str | None, int | None]:
    """Return the first arXiv id in `text`, without version, and the version.

    Identifiers are of the form in use since April 2007, YYMM.NNNN(N):
    https://info.arxiv.org/help/arxiv_identifier.html
    """
    match = ARXIV_ID.search(text)
    if match is None:
        return None, None
    return match[1], int(match[2]) if match[2] else None


def blocks(text: str, heading: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every block that starts with a match of `heading`.

    `heading` is compiled with re.MULTILINE; a block ends where the next starts.
    """
    starts = [m.start() for m in heading.finditer(text)]
    line, before = 1, 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line, before = line + text.count("\n", before, start), start
        yield line, text[start:end]
