"""Digests written by tests, in the two layouts of the seeds."""

from __future__ import annotations

from collections.abc import Iterable

from rag.layouts import Entry

_LABELS = {
    "tldr": "TL;DR",
    "motivation": "Motivation",
    "method": "Method",
    "result": "Result",
    "conclusion": "Conclusion",
}


def sections(entries: Iterable[Entry]) -> str:
    """Return layout A: category sections of numbered entries."""
    lines = ["<div id=toc></div>", "", "# Table of Contents", ""]
    section = None
    for number, entry in enumerate(entries, start=1):
        if entry.category != section:
            section = entry.category
            lines += [f"<div id='{section}'></div>", "", f"# {section} [[Back]](#toc)", ""]
        lines += [
            f"### [{number}] [{entry.title}](https://arxiv.org/abs/{entry.arxiv_id})",
            f"*{','.join(entry.authors)}*",
            "",
            f"Main category: {entry.category}",
            "",
        ]
        parts = dict(entry.parts)
        if "tldr" in parts:
            lines += [f"TL;DR: {parts['tldr']}", "", ""]
        lines += ["<details>", "  <summary>Details</summary>"]
        lines += [
            f"{label}: {parts[p]}\n" for p, label in _LABELS.items() if p in parts and p != "tldr"
        ]
        lines += [f"Abstract: {entry.abstract}", "", "</details>", "", ""]
    return "\n".join(lines)


def titled(entries: Iterable[Entry], day: str = "2025-06-09") -> str:
    """Return layout B: a dated heading, then title, abstract and 摘要."""
    lines = [f"# {day}-12-05", ""]
    for entry in entries:
        lines += [
            f"## [{entry.title}](https://arxiv.org/abs/{entry.arxiv_id})",
            "",
            "### Abstract",
            f"arXiv:{entry.arxiv_id}v{entry.version or 1} "
            f"Announce Type: {entry.announce or 'new'} ",
            f"Abstract: {entry.abstract}",
            "",
        ]
        if entry.parts:
            lines += ["### 摘要", entry.parts[0][1], ""]
        lines += ["---", ""]
    return "\n".join(lines)


def entry(arxiv_id: str | None = "2501.00001", title: str = "A Title", **fields: object) -> Entry:
    """Return an entry with an abstract, and the fields given."""
    values: dict[str, object] = {"line": 1, "raw": "", "abstract": f"About {title}."}
    return Entry(title=title, arxiv_id=arxiv_id, **{**values, **fields})  # type: ignore[arg-type]
