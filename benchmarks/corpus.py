"""Digests in bulk, for the scripts that measure an index at size.

The papers are real: public arXiv digests with the authors' abstracts and
machine-written Chinese summaries and translations, one JSON record a line (see
`read_papers`). They are laid out as in seeds/: one file in the layout of category
sections, with authors, category and the parts of a summary, and one in the dated
layout, with announce kind and translation, for every 150 papers. Authors, and
the category of a paper whose record has none, are drawn: the records lack them.
All of it follows from the seed.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

Record = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
PAPERS = ROOT.parent / "shared" / "data" / "digests_train.jsonl.zst"
PER_FILE = 150

_GIVEN = (
    "Ada Alan Amir Anna Bo Chen Clara Dan Elif Emma Fei Grace Hana Hui Igor Ines Jan Jia Jun Kai "
    "Lara Lei Leo Lin Maria Mei Min Nora Omar Pia Qi Rui Sara Tao Tom Uma Vera Wei Xin Yan Zoe"
).split()
_FAMILY = (
    "Abe Bauer Chen Das Eriksen Fang Garcia Huang Ito Jiang Kim Li Ma Nguyen Okafor Park Qian "
    "Rossi Sun Tanaka Ueda Varga Wang Xu Yang Zhang Zhou Cohen Diaz Fischer Gupta Haddad Ivanov "
    "Jensen Kaya Lopez Moreau Novak Osei Perez Quinn Reyes Silva Torres Ullah Vogel Weber Young"
).split()
_LABELS = {
    "motivation": "Motivation",
    "method": "Method",
    "result": "Result",
    "conclusion": "Conclusion",
}
_COMMON = ("cs.CV", "cs.LG", "cs.CL", "cs.AI", "cs.RO", "cs.CR", "cs.HC", "cs.SE", "cs.IR")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Digests on disk: `folder` holds `papers` papers, `extra` are paths of texts to add."""

    folder: Path
    papers: int
    extra: tuple[Path, ...]


def make_corpus(
    place: Path, size: int, *, extra: int = 4, seed: int = 0, source: Path = PAPERS
) -> Corpus:
    """Write digests of `size` papers below `place`, once, and return where they lie.

    `extra` further digests of 150 papers each, in the layout of sections, are
    written beside them, to be added later. Raises ValueError when `source` has
    too few papers.
    """
    folder, later = place / "digests", place / "later"
    done = place / "corpus.json"
    wanted = {"size": size, "extra": extra, "seed": seed}
    if not done.is_file() or json.loads(done.read_text(encoding="utf-8")) != wanted:
        records = read_papers(source, seed)
        if len(records) < size + extra * PER_FILE:
            raise ValueError(f"{source} has {len(records)} papers")
        write_digests(folder, records[:size], seed)
        held_out = records[len(records) - extra * PER_FILE :]
        later.mkdir(parents=True, exist_ok=True)
        for number in range(extra):
            part = held_out[number * PER_FILE : (number + 1) * PER_FILE]
            text = sections(part, seed)
            (later / f"later-{number:03}.md").write_text(text, encoding="utf-8")
        done.write_text(json.dumps(wanted), encoding="utf-8")
    return Corpus(folder, size, tuple(sorted(later.iterdir())))


def read_papers(source: Path, seed: int = 0) -> list[Record]:
    """Return the papers of a .jsonl.zst file in an order that follows from `seed`.

    A record has `id`, `title`, `abstract`, `categories`, `date` (ISO) and `zh`, a
    mapping of some of tldr, motivation, method, result, conclusion, translation.
    """
    import zstandard

    with source.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file)
        records = [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]
    records.sort(key=lambda record: str(record["id"]))
    random.Random(seed).shuffle(records)  # noqa: S311 (nothing secret)
    return records


def write_digests(folder: Path, records: Sequence[Record], seed: int) -> None:
    """Write two files for every 150 records, oldest papers first."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(records, key=lambda record: (record["date"], record["id"]))
    for start in range(0, len(ordered), PER_FILE):
        part = ordered[start : start + PER_FILE]
        name = f"{part[0]['date']}-{start // PER_FILE:04}"
        (folder / f"{name}-sections.md").write_text(sections(part, seed), encoding="utf-8")
        (folder / f"{name}-dated.md").write_text(dated(part, seed), encoding="utf-8")


def sections(records: Iterable[Record], seed: int) -> str:
    """Return one digest by categories, with authors and the parts of the summaries."""
    ordered = sorted(records, key=lambda record: category_of(record, seed))
    lines = ["<div id=toc></div>", "", "# Table of Contents", ""]
    number = 0
    for category, group in groupby(ordered, key=lambda record: category_of(record, seed)):
        lines += [f"<div id='{category}'></div>", "", f"# {category} [[Back]](#toc)", ""]
        for record in group:
            number += 1
            lines += _section_entry(number, record, category, seed)
    return "\n".join(lines)


def dated(records: Iterable[Record], seed: int) -> str:
    """Return dated digests in one file, with announce kinds and translations."""
    lines: list[str] = []
    for day, group in groupby(records, key=lambda record: date.fromisoformat(record["date"])):
        lines += [f"# {day.isoformat()}-12-05", ""]
        for record in group:
            kind = _dice(record, seed, "announce").choices(("new", "cross", "replace"), (80, 12, 8))
            version = 2 if kind == ["replace"] else 1
            lines += [
                f"## [{_line(record['title'])}](https://arxiv.org/abs/{record['id']})",
                "",
                "### Abstract",
                f"arXiv:{record['id']}v{version} Announce Type: {kind[0]} ",
                f"Abstract: {_line(record['abstract'])}",
                "",
            ]
            if translation := record["zh"].get("translation"):
                lines += ["### 摘要", _line(translation), ""]
            lines += ["---", ""]
    return "\n".join(lines)


def category_of(record: Record, seed: int) -> str:
    """Return the paper's main category, or a common one where it has none."""
    given = record["categories"]
    return str(given[0]) if given else _dice(record, seed, "category").choice(_COMMON)


def authors_of(record: Record, seed: int) -> list[str]:
    """Return two to six names out of some 50,000."""
    dice = _dice(record, seed, "authors")
    count = dice.randint(2, 6)
    middle = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [
        f"{dice.choice(_GIVEN)} {dice.choice(middle)}. {dice.choice(_FAMILY)}" for _ in range(count)
    ]


def _section_entry(number: int, record: Record, category: str, seed: int) -> list[str]:
    parts = {name: _line(text) for name, text in record["zh"].items() if text}
    lines = [
        f"### [{number}] [{_line(record['title'])}](https://arxiv.org/abs/{record['id']})",
        f"*{','.join(authors_of(record, seed))}*",
        "",
        f"Main category: {category}",
        "",
    ]
    if "tldr" in parts:
        lines += [f"TL;DR: {parts['tldr']}", "", ""]
    lines += ["<details>", "  <summary>Details</summary>"]
    lines += [f"{label}: {parts[part]}\n" for part, label in _LABELS.items() if part in parts]
    return [*lines, f"Abstract: {_line(record['abstract'])}", "", "</details>", "", ""]


def _line(text: str) -> str:
    """Return the text on one line, so that none of it reads as the layout's marks."""
    return " ".join(text.split())


def _dice(record: Record, seed: int, what: str) -> random.Random:
    return random.Random(f"{seed} {what} {record['id']}")  # noqa: S311 (nothing secret)
