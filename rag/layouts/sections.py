"""Layout A: category sections of numbered entries with labelled Chinese parts.

    # cs.AI [[Back]](#toc)
    ### [1] [Title](https://arxiv.org/abs/2505.00018)
    *First Author,Second Author*
    Main category: cs.AI
    TL;DR: ...
    <details> Motivation: ... Method: ... Result: ... Conclusion: ... Abstract: ...

It prints no date. A part that is absent is simply not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.layouts.base import Entry, Layout, blocks, find_arxiv_id
from rag.types import Part

_HEADING = re.compile(r"^#{1,3} \[\d+\] \[.*$", re.MULTILINE)
_ENTRY = re.compile(r"^#{1,3} \[\d+\] \[(?P<title>.*)\]\((?P<link>[^)\s]*)\)\s*$")
_SECTION = re.compile(r"^# (?P<category>[a-z-]+(?:\.[A-Za-z-]+)?) \[\[", re.MULTILINE)
_TAIL = re.compile(r"^(?:</details>|<div id=|# \S+ \[\[)", re.MULTILINE)
_LABELS: dict[str, Part | str] = {
    "Main category": "category",
    "TL;DR": "tldr",
    "Motivation": "motivation",
    "Method": "method",
    "Result": "result",
    "Conclusion": "conclusion",
    "Abstract": "abstract",
}
_LABEL = re.compile(rf"^({'|'.join(map(re.escape, _LABELS))}):[ \t]*", re.MULTILINE)
_SIGN = re.compile(r"^(?:TL;DR|Main category):", re.MULTILINE)
_PARTS: tuple[Part, ...] = ("tldr", "motivation", "method", "result", "conclusion")


def _recognises(text: str) -> bool:
    return bool(_HEADING.search(text)) and bool(_SIGN.search(text))


def _read(text: str) -> Iterator[Entry]:
    sections = [(m.start(), m["category"]) for m in _SECTION.finditer(text)]
    offsets = [m.start() for m in _HEADING.finditer(text)]
    for (line, block), offset in zip(blocks(text, _HEADING), offsets, strict=True):
        section = next((name for at, name in reversed(sections) if at < offset), None)
        yield _entry(line, block, section)


def _entry(line: int, block: str, section: str | None) -> Entry:
    tail = _TAIL.search(block)
    body = block[: tail.start()] if tail else block
    first, _, rest = body.partition("\n")
    heading = _ENTRY.match(first)
    fields = _labelled(rest)
    arxiv_id, version = find_arxiv_id(heading["link"] if heading else "")
    return Entry(
        line=line,
        raw=block.strip(),
        title=heading["title"] if heading else "",
        arxiv_id=arxiv_id,
        version=version,
        abstract=fields.get("abstract", ""),
        authors=_authors(rest),
        category=fields.get("category", "").strip() or section,
        parts=tuple((part, fields[part]) for part in _PARTS if fields.get(part, "").strip()),
    )


def _labelled(body: str) -> dict[str, str]:
    body = re.sub(r"^ *</?(?:details|summary)>.*$", "", body, flags=re.MULTILINE)
    matches = list(_LABEL.finditer(body))
    ends = [*(m.start() for m in matches[1:]), len(body)]
    fields: dict[str, str] = {}
    current = ""
    for match, end in zip(matches, ends, strict=True):
        # A label is also an ordinary word: after its first use, and in an
        # abstract, it is text of the part it stands in.
        name = str(_LABELS[match[1]])
        if name in fields or current == "abstract":
            fields[current] += body[match.start() : end]
        else:
            current = name
            fields[current] = body[match.end() : end]
    return fields


def _authors(body: str) -> tuple[str, ...]:
    match = re.match(r"\s*\*(?!\*)([^\n]*?)\*\s*(?:\n|$)", body)
    names = match[1].split(",") if match else []
    return tuple(name.strip() for name in names if name.strip())


LAYOUT = Layout(
    name="sections",
    version=2,
    recognises=_recognises,
    read=_read,
    expects=("title", "abstract", "authors", "category", *_PARTS),
)
