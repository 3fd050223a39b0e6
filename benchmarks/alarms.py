"""How often the check of support doubts what a paper says, and passes what another one says.

    python benchmarks/alarms.py [PAPERS.jsonl.zst] [--papers N]

Claims are what a paper's digests say of it in other words: its title, sentences of its
Chinese summaries, and sentences of its abstract reworded or held against the Chinese
alone. Each is held against the rest of its own paper; as counterparts it is turned
around by one word or number, and held as it is against the paper most like its own by
meaning. Without PAPERS, which is what `digest-rag
train-encoder --papers` takes, the papers are those of the index. Prints a Markdown
table and, for the papers of the index, writes it to benchmarks/alarms.md; `--dump
FILE` also keeps what was measured of each claim, as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rag
from rag.embed import Encoder, load_encoder
from rag.entail import entailment_by
from rag.support import Features, Verdict, concluded, measure
from rag.text import sentences
from rag.training.contrast import reworded, turned
from rag.training.corpus import ParallelPaper, read_parallel

SEED, SHORTEST = 5, 12
SUMMARIES = ("tldr", "motivation", "method", "result", "conclusion")
OWN, TURNED, OTHER = "its own paper", "its own paper, turned around", "the paper most like it"
LABELS = ("supported", "partly", "unsupported")
KINDS = (
    "title, against the abstract",
    "sentence of the abstract, reworded",
    "sentence of the abstract, against the Chinese translation",
    "sentence of a Chinese summary, against abstract and other summaries",
    "sentence of a Chinese summary, against the abstract",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that a paper says, and texts of its own and of another paper."""

    kind: str
    sentence: str
    own: tuple[str, ...]
    other: tuple[str, ...]


def of_index() -> list[ParallelPaper]:
    """Return the papers of the index, with one digest's Chinese for each part."""
    found = []
    for paper in rag.papers():
        parts: dict[str, str] = {}
        for rendition in paper.renditions:
            parts.setdefault(rendition.part, rendition.text)
        found.append(ParallelPaper(paper.arxiv_id, paper.title, paper.abstract, parts))
    return found


def likest(papers: Sequence[ParallelPaper], encoder: Encoder) -> list[int]:
    """Return for each paper the number of the other one whose title and abstract are nearest."""
    vectors: NDArray[np.float32] = encoder.encode_passages(
        [f"{p.title}\n{p.abstract}" for p in papers]
    )
    near = vectors @ vectors.T
    np.fill_diagonal(near, -1)
    return [int(n) for n in near.argmax(axis=1)]


def claims(
    papers: Sequence[ParallelPaper], others: Sequence[int], draw: random.Random
) -> Iterator[Claim]:
    """Yield one claim of each kind for every paper that has its texts."""
    for paper, number in zip(papers, others, strict=True):
        other = papers[number]
        kinds = iter(KINDS)
        yield Claim(next(kinds), paper.title, (paper.abstract,), (other.abstract,))
        whole = [s for s in sentences(paper.abstract, "en") if 40 < len(s) < 400]
        reword, across = next(kinds), next(kinds)
        if whole:
            said = reworded(draw.choice(whole), draw)
            yield Claim(reword, said, (paper.abstract,), (other.abstract,))
            texts = paper.chinese.get("translation", ""), other.chinese.get("translation", "")
            if all(texts):
                yield Claim(across, draw.choice(whole), (texts[0],), (texts[1],))
        told = {part: paper.chinese[part] for part in SUMMARIES if paper.chinese.get(part)}
        if len(told) > 1:
            part = draw.choice(sorted(told))
            pool = [s for s in sentences(told[part], "zh") if len(s) > SHORTEST]
            if pool:
                said = draw.choice(pool)
                beside = tuple(text for name, text in told.items() if name != part)
                theirs = tuple(other.chinese[p] for p in SUMMARIES if other.chinese.get(p))
                with_others, alone = next(kinds), next(kinds)
                own, strange = (paper.abstract, *beside), (other.abstract, *theirs)
                yield Claim(with_others, said, own, strange)
                yield Claim(alone, said, (paper.abstract,), (other.abstract,))


def main() -> None:
    """Measure and print, see above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("papers_file", nargs="?", type=Path)
    parser.add_argument("--papers", type=int, default=166)
    parser.add_argument("--dump", type=Path)
    given = parser.parse_args()
    papers = read_parallel(given.papers_file)[-given.papers :] if given.papers_file else of_index()
    papers = papers[: given.papers]
    encoder = load_encoder(rag.Settings.from_env())
    network = entailment_by(encoder)
    draw = random.Random(SEED)  # noqa: S311 (a sample)
    seen: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    dumped: list[dict[str, object]] = []
    for claim in claims(papers, likest(papers, encoder), draw):
        trials = [(OWN, claim.sentence, claim.own), (OTHER, claim.sentence, claim.other)]
        if contrary := turned(claim.sentence, draw):
            trials.append((TURNED, contrary, claim.own))
        for whose, sentence, texts in trials:
            found: Features = measure(
                sentence, texts, encode=encoder.encode_passages, entailment=network
            )
            verdict = concluded(sentence, texts, found)
            seen[claim.kind, whose].append(verdict)
            dumped.append(
                {"kind": claim.kind, "whose": whose, "claim": sentence, "texts": texts}
                | {"label": verdict.label, "features": asdict(found)}
            )
    text = table(seen, len(papers))
    print(text)
    if given.dump:
        lines = [json.dumps(row, ensure_ascii=False) for row in dumped]
        given.dump.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not given.papers_file:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")


def table(seen: dict[tuple[str, str], list[Verdict]], papers: int) -> str:
    """Return the labels given, by kind, for the paper itself and for the one most like it."""
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {papers} papers.",
        "",
        "| claim | held against | n | supported | partly | unsupported |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for whose in (OWN, TURNED, OTHER):
        for kind in KINDS:
            verdicts = seen[kind, whose]
            shares = [sum(v.label == x for v in verdicts) / max(1, len(verdicts)) for x in LABELS]
            told = " | ".join(f"{share:.1%}" for share in shares)
            lines.append(f"| {kind} | {whose} | {len(verdicts)} | {told} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
