"""What a build writes anew and what it takes over from the generation before.

Small segments are merged as in a log-structured merge tree (O'Neil et al., 1996):
a new segment swallows those before it that are not much larger, so that their
number grows with the logarithm of the papers, and each paper is rewritten about
as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rag.digests import merge
from rag.index import Index
from rag.library import Library
from rag.types import Paper

# A segment is swallowed by a new one at least this part of its size.
_SWALLOWED = 0.5
_MOST_SEGMENTS = 8
# A segment whose papers are mostly superseded is written anew.
_MOST_DEAD = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """`kept` segments by name, their `dead` papers' local numbers, and `papers` to write."""

    papers: tuple[Paper, ...]
    kept: tuple[str, ...] = ()
    dead: dict[str, list[int]] = field(default_factory=dict)
    kept_papers: int = 0
    kept_passages: int = 0


def plan_whole(library: Library, digests: Mapping[str, str]) -> Plan:
    """Return the plan that writes every paper of `digests`, SHA-256 by name."""
    return Plan(merge(library.placed(digests)))


def plan_update(base: Index, library: Library, digests: Mapping[str, str]) -> Plan:
    """Return the plan that makes `base` what a build from scratch would be."""
    before = base.manifest.digests
    names = before.keys() | digests.keys()
    changed = {name for name in names if before.get(name) != digests.get(name)}
    touched = base.store.in_digests(changed)
    now = {name: print_ for name, print_ in digests.items() if name in changed}
    touched.update(entry.arxiv_id or "" for _, _, entry in library.placed(now))
    fresh = {paper.arxiv_id: paper for paper in merge(library.placed(digests, sorted(touched)))}
    superseded = set()
    for arxiv_id in touched:
        old = base.store.paper(arxiv_id)
        if old is not None and old == fresh.get(arxiv_id):
            del fresh[arxiv_id]
        elif old is not None:
            superseded.add(arxiv_id)
    return _merged(base, list(fresh.values()), superseded)


def _merged(base: Index, fresh: list[Paper], superseded: set[str]) -> Plan:
    dead = {name: set(base.manifest.dead.get(name, ())) for name in base.manifest.segments}
    for arxiv_id in superseded:
        part, number = base.store.place(arxiv_id)
        dead[base.manifest.segments[part]].add(number)
    live = [s.papers - len(dead[n]) for n, s in zip(dead, base.segments, strict=True)]
    keep = _kept(live, [s.papers for s in base.segments], len(fresh))
    carried = [
        paper
        for part in range(keep, len(live))
        for paper in base.store.live_papers(part)
        if paper.arxiv_id not in superseded
    ]
    kept = base.manifest.segments[:keep]
    return Plan(
        papers=(*carried, *fresh),
        kept=kept,
        dead={name: sorted(dead[name]) for name in kept if dead[name]},
        kept_papers=sum(live[:keep]),
        kept_passages=sum(
            _live_rows(segment.first_row, dead[name])
            for segment, name in zip(base.segments, kept, strict=False)
        ),
    )


def _kept(live: list[int], sizes: list[int], fresh: int) -> int:
    """Return how many of the first segments stay as they are.

    `live` and `sizes` are the live and all papers of each, `fresh` those to add.
    """
    keep = len(live)
    mostly_dead = (n for n in range(keep) if live[n] < _MOST_DEAD * sizes[n])
    worst = next(mostly_dead, keep)
    while keep > worst:
        keep -= 1
        fresh += live[keep]
    while keep and fresh and (fresh >= _SWALLOWED * live[keep - 1] or keep >= _MOST_SEGMENTS):
        keep -= 1
        fresh += live[keep]
    return keep


def _live_rows(first_row: np.ndarray, dead: set[int]) -> int:
    sizes = np.diff(first_row)
    return int(sizes.sum() - sizes[sorted(dead)].sum())
