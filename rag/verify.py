"""Whether freshly written segments hold what they should, looked at by another process.

    python -m rag.verify     reads {"folders": [...], "where": ["", "", ""]} from stdin

A damaged vector store may crash whoever opens it, and what the writer still has
in memory proves nothing about the disk: hence a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rag.errors import DigestRagError, IndexDamaged, ServiceDown
from rag.lexical import tokens
from rag.passages import all_passages
from rag.postings import Postings
from rag.segment import HERE, Segment, Where, check_segment
from rag.store import PaperStore

_SAMPLE = 16
_WAIT = 600.0
# What the process returns when the service that holds the vectors did not answer.
_SILENT = 3


def verify(folders: Sequence[Path], where: Where = HERE) -> None:
    """Raise `IndexDamaged` unless every segment answers from a process of its own.

    Raises `ServiceDown` when that can't be seen for the service's silence.
    """
    if not folders:
        return
    asked = {"folders": [str(f.resolve()) for f in folders], "where": where}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rag.verify"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_WAIT,
            check=False,
        )
        sound = done.returncode == 0
        if done.returncode == _SILENT:
            raise ServiceDown(*done.stderr.splitlines()[-2:])
    except (OSError, subprocess.TimeoutExpired):
        sound = False
    if not sound:
        raise IndexDamaged(
            "The index that was just built does not hold what it should.",
            "Check that the disk is not full, then run 'digest-rag index' again.",
        )


def verify_segment(folder: Path, where: Where = HERE) -> None:
    """Raise `IndexDamaged` unless every part of a segment holds the passages it should."""
    check_segment(folder)
    segment = Segment(folder, where)
    store = PaperStore([folder])
    postings = Postings([folder / "postings"], [None])
    papers = store.live_papers(0)
    passages = all_passages(papers)
    sizes = {len(papers), segment.papers, store.paper_count}
    rows = int(segment.first_row[-1])
    row_counts = {rows, len(passages), len(segment.first_span) - 1, postings.rows}
    parts = (segment.tellings, segment.telling_scale, segment.telling_paper)
    tellings = {segment.nearest.count, *(len(part) for part in parts)}
    spans = {int(segment.first_span[-1]), len(segment.spans), len(segment.span_scale)}
    sound = len(sizes) == len(row_counts) == len(tellings) == len(spans) == 1
    sound = sound and bool((np.diff(segment.first_span) > 0).all())
    if not sound:
        store.close()
        raise IndexDamaged.of(folder)
    for n in range(0, len(segment.tellings), max(1, len(segment.tellings) // _SAMPLE)):
        vector = segment.tellings[n] * segment.telling_scale[n]
        _, near = segment.nearest.nearest(vector, 1)
        # Equal texts have equal vectors: the nearest need not be the same telling.
        sound = sound and len(near) == 1 and (near[0] > 0.999 or not vector.any())
    for row in range(0, rows, max(1, rows // _SAMPLE)):
        text = passages[row].indexed_text
        score = postings.scores_of(text, np.array([row]))[0]
        sound = sound and bool(score > 0 or not tokens(text))
    store.close()
    if not sound:
        raise IndexDamaged.of(folder)


def main() -> int:
    """Verify the segments named on stdin; return 0 when all are sound, 3 in ignorance."""
    asked = json.load(sys.stdin)
    try:
        for folder in asked["folders"]:
            verify_segment(Path(folder), tuple(asked["where"]))
    except ServiceDown as error:
        print(error.message, error.hint, sep="\n", file=sys.stderr)
        return _SILENT
    except DigestRagError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
