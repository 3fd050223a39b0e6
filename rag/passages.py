"""From papers to passages: what is embedded, indexed, quoted and cited."""

from __future__ import annotations

from collections.abc import Iterable

from rag.types import Paper, Passage


def passages_of(paper: Paper) -> list[Passage]:
    """Return the paper's passages: the abstract, then each rendition by itself.

    A paper with neither has one passage, its title, so that it can be found.
    An abstract is some 200 words: whole, it fits every encoder in use here, and
    splitting it would only part the claim from the name it is about.
    """
    found = []
    if paper.abstract:
        found.append(
            Passage(
                id=f"{paper.arxiv_id}/abstract",
                arxiv_id=paper.arxiv_id,
                part="abstract",
                language="en",
                title=paper.title,
                text=paper.abstract,
                digest=paper.digests[0] if paper.appearances else "",
            )
        )
    taken: set[str] = set()
    for rendition in paper.renditions:
        # One digest may list a paper twice with different summaries.
        base = name = f"{paper.arxiv_id}/{rendition.part}@{rendition.digest}"
        number = 2
        while name in taken:
            name, number = f"{base}#{number}", number + 1
        taken.add(name)
        found.append(
            Passage(
                id=name,
                arxiv_id=paper.arxiv_id,
                part=rendition.part,
                language=rendition.language,
                title=paper.title,
                text=rendition.text,
                digest=rendition.digest,
            )
        )
    return found or [_title_only(paper)]


def all_passages(papers: Iterable[Paper]) -> list[Passage]:
    """Return the passages of all papers, in the papers' order."""
    return [passage for paper in papers for passage in passages_of(paper)]


def _title_only(paper: Paper) -> Passage:
    return Passage(
        id=f"{paper.arxiv_id}/title",
        arxiv_id=paper.arxiv_id,
        part="title",
        language="en",
        title=paper.title,
        text=paper.title,
        digest=paper.digests[0] if paper.appearances else "",
    )
