"""Layout B: a dated heading, then per paper a title link, abstract and 摘要.

    # 2025-06-09-12-05
    ## [Title](https://arxiv.org/abs/2506.05508)
    ### Abstract
    arXiv:2506.05508v1 Announce Type: new
    Abstract: ...
    ### 摘要
    ...
    ---

It prints neither authors nor category; a paper may have no 摘要.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import cast, get_args

from rag.layouts.base import Entry, Layout, blocks, find_arxiv_id
from rag.types import Announce

_DATE = re.compile(r"^# (\d{4})-(\d{2})-(\d{2})(?:[-T ].*)?$", re.MULTILINE)
_HEADING = re.compile(r"^## \[.*$", re.MULTILINE)
_ENTRY = re.compile(r"^## \[(?P<title>.*)\]\((?P<link>[^)\s]*)\)\s*$")
_ABSTRACT = re.compile(
    r"^### Abstract[ \t]*\n(.*?)(?=^### |^# \d{4}-|\Z)", re.MULTILINE | re.DOTALL
)
_TRANSLATION = re.compile(r"^### 摘要[ \t]*\n(.*?)(?=^### |^# \d{4}-|\Z)", re.MULTILINE | re.DOTALL)
_ANNOUNCE = re.compile(r"Announce Type:\s*([a-z-]+)")
_PREFIX = re.compile(r"\A\s*(?:arXiv:\S+[^\n]*\n)?\s*(?:Abstract:)?\s*")
_RULE = re.compile(r"^-{3,}\s*$", re.MULTILINE)


def _recognises(text: str) -> bool:
    return bool(_DATE.search(text)) and bool(_HEADING.search(text))


def _read(text: str) -> Iterator[Entry]:
    days = [(text.count("\n", 0, m.start()) + 1, _day(m)) for m in _DATE.finditer(text)]
    for line, block in blocks(text, _HEADING):
        # Several digests may stand in one file, each under its own date.
        day = next((day for at, day in reversed(days) if at < line), None)
        yield _entry(line, block, day)


def _day(heading: re.Match[str]) -> date | None:
    try:
        return date(int(heading[1]), int(heading[2]), int(heading[3]))
    except ValueError:
        return None


def _entry(line: int, block: str, day: date | None) -> Entry:
    body = _RULE.sub("", block)
    heading = _ENTRY.match(body.partition("\n")[0])
    abstract = _ABSTRACT.search(body)
    translation = _TRANSLATION.search(body)
    given = abstract[1] if abstract else ""
    arxiv_id, _ = find_arxiv_id(heading["link"] if heading else "")
    announced_id, version = find_arxiv_id(given.strip().partition("\n")[0])
    announce = _ANNOUNCE.search(given)
    return Entry(
        line=line,
        raw=block.strip(),
        title=heading["title"] if heading else "",
        arxiv_id=arxiv_id or announced_id,
        version=version,
        abstract=_PREFIX.sub("", given, count=1),
        date=day,
        announce=_announce(announce[1] if announce else ""),
        parts=(("translation", translation[1]),) if translation and translation[1].strip() else (),
    )


def _announce(kind: str) -> Announce | None:
    return cast(Announce, kind) if kind in get_args(Announce) else None


LAYOUT = Layout(
    name="titled",
    version=2,
    recognises=_recognises,
    read=_read,
    expects=("title", "abstract", "date", "announce", "translation"),
)
