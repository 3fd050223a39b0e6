"""A conversation as a Markdown file, and the papers it cites as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import rag

# What TeX reads as a command, a group or a comment inside a BibTeX field.
_TEX = re.compile(r"[&%$#_{}~^\\]")
_NAMED = {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#|!$])")


def markdown(turns: Sequence[rag.Turn]) -> str:
    """Return the conversation as Markdown: questions, answers, numbered sources."""
    return "\n".join(_turn(turn) for turn in turns)


def bibtex(turns: Sequence[rag.Turn], papers: Mapping[str, rag.Paper]) -> str:
    """Return one `@misc` entry for each paper cited, in the order of first citation.

    `papers` gives the authors and the category; a paper it lacks gets neither.
    """
    cited = {c.arxiv_id: c for turn in turns for c in turn.answer.citations}
    return "\n".join(_entry(c, papers.get(c.arxiv_id)) for c in cited.values())


def _turn(turn: rag.Turn) -> str:
    question = " ".join(turn.question.split())
    lines = [f"## {_plain(question)}", "", turn.answer.text.strip(), ""]
    for citation in turn.answer.citations:
        url = "https://arxiv.org/abs/" + citation.arxiv_id
        lines.append(f"- [{citation.arxiv_id}]({url}) {_plain(citation.title)}")
        lines += [f"  > {_plain(quote.text)}" for quote in citation.quotes]
    lines += [f"_{_plain(note)}_" for note in turn.answer.notes]
    return "\n".join([*lines, ""])


def _plain(raw: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(raw.split()))


def _entry(citation: rag.Citation, paper: rag.Paper | None) -> str:
    year, month = int(citation.arxiv_id[:2]) + 2000, int(citation.arxiv_id[2:4])
    fields = {
        "title": f"{{{_tex([citation.title])}}}",
        "author": _tex(paper.authors, " and ") if paper else "",
        "year": str(year),
        "month": str(month),
        "eprint": citation.arxiv_id,
        "archivePrefix": "arXiv",
        "primaryClass": _tex(paper.categories[:1]) if paper else "",
        "url": "https://arxiv.org/abs/" + citation.arxiv_id,
    }
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{arXiv:{citation.arxiv_id},\n{body}}}\n"


def _tex(parts: Iterable[str], joint: str = ", ") -> str:
    return joint.join(
        _TEX.sub(lambda m: _NAMED.get(m[0], "\\" + m[0]), " ".join(part.split())) for part in parts
    )
