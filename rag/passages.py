"""From papers to passages: what is embedded, indexed, quoted and cited."""

from __future__ import annotations

from collections.abc import Iterable

from rag.types import Paper, Passage, Rendition


def passages_of(paper: Paper) -> list[Passage]:
    """Return the paper's passages: the abstract, then each rendition by itself.

    A paper with neither has one passage, its title, so that it can be found.
    An abstract is some 200 words: whole, it fits every encoder in use here, and
    splitting it would only part the claim from the name it is about.
    """
    origin = paper.digests[0] if paper.appearances else ""
    found = []
    if paper.abstract:
        found.append(
            _passage(paper, "abstract", Rendition("abstract", "en", paper.abstract, origin))
        )
    taken: set[str] = set()
    for rendition in paper.renditions:
        # One digest may list a paper twice with different summaries.
        base = name = f"{rendition.part}@{rendition.digest}"
        number = 2
        while name in taken:
            name, number = f"{base}#{number}", number + 1
        taken.add(name)
        found.append(_passage(paper, name, rendition))
    return found or [_passage(paper, "title", Rendition("title", "en", paper.title, origin))]


def all_passages(papers: Iterable[Paper]) -> list[Passage]:
    """Return the passages of all papers, in the papers' order."""
    return [passage for paper in papers for passage in passages_of(paper)]


def telling_of(passage_id: str) -> tuple[str, str]:
    """Return the paper a passage belongs to, and whose telling of it it is."""
    arxiv_id, _, name = passage_id.partition("/")
    return arxiv_id, "author" if name in {"abstract", "title"} else "digest"


def _passage(paper: Paper, name: str, text: Rendition) -> Passage:
    return Passage(
        id=f"{paper.arxiv_id}/{name}",
        arxiv_id=paper.arxiv_id,
        part=text.part,
        language=text.language,
        title=paper.title,
        text=text.text,
        digest=text.digest,
    )
