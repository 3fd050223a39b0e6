"""Fit and measure the refusal of questions that the digests don't answer.

    python benchmarks/refusal.py PAPERS.jsonl.zst QUESTIONS.jsonl [IDS.json]

The papers that have questions become an index. A question is answerable as long
as its paper is in it, and not when that is left out; the papers most like it stay.
IDS.json names the papers to use, such as those that no encoder was trained on.
Prints the logistic weights of `rag/evidence.py` per language, the area under the
ROC curve in five-fold cross-validation by paper, and the share of unanswerable
questions refused at shares of answerable ones refused.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rag.build import build_index
from rag.evidence import Bearing, bearing
from rag.index import open_index
from rag.search import find
from rag.settings import Settings
from rag.text import language_of

FALSE_REFUSALS = (0.01, 0.02, 0.03, 0.05)
STRENGTH = 0.3
PARTS = ("motivation", "method", "result", "conclusion")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a file, zstd-compressed or not."""
    with path.open("rb") as raw:
        plain: Any = (
            zstandard.ZstdDecompressor().stream_reader(raw) if path.suffix == ".zst" else raw
        )
        for line in io.TextIOWrapper(plain, encoding="utf-8"):
            yield json.loads(line)


def digest(papers: list[dict[str, Any]]) -> str:
    """Return the papers as a digest of layout A."""
    entries = ["# Table of Contents\n\n# cs.AI [[Back]](#toc)\n"]
    for number, paper in enumerate(papers, start=1):
        parts = paper["zh"]
        told = parts.get("tldr") or parts.get("translation") or ""
        lines = [f"{part.title()}: {parts[part]}\n" for part in PARTS if parts.get(part)]
        entries.append(
            f"### [{number}] [{paper['title']}](https://arxiv.org/abs/{paper['id']})\n*A B*\n\n"
            f"Main category: cs.AI\n\nTL;DR: {told}\n\n<details>\n" + "\n".join(lines) + "\n"
            f"Abstract: {paper['abstract']}\n\n</details>\n"
        )
    return "\n".join(entries)


def measure(papers: dict[str, dict[str, Any]], asked: dict[str, list[str]]) -> dict[str, list[Any]]:
    """Return {language: [(how the best hit bears on the question, answerable, paper)]}.

    Each question is asked with its paper in the index and with it left out.
    """
    rows: dict[str, list[Any]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digest.md"
        path.write_text(digest(list(papers.values())), encoding="utf-8")
        settings = Settings(digests=(path,), index_dir=Path(folder) / "index")
        build_index(settings=settings)
        index = open_index(settings)
        for arxiv_id, questions in asked.items():
            for question in questions:
                hits = find(index, question, 11, None, settings.dense_weight)
                others = [hit for hit in hits if hit.paper.arxiv_id != arxiv_id]
                for answerable, found in ((True, hits[:10]), (False, others[:10])):
                    row = (astuple(bearing(index, question, found)), answerable, arxiv_id)
                    rows[language_of(question)].append(row)
    return rows


def report(language: str, rows: list[Any]) -> None:
    """Print the weights and the figures of one language."""
    x = np.array([row for row, _, _ in rows])
    y = np.array([answerable for _, answerable, _ in rows])
    groups = [arxiv_id for _, _, arxiv_id in rows]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    held_out = cross_val_predict(
        model, x, y, cv=GroupKFold(5), groups=groups, method="decision_function"
    )
    model.fit(x, y)
    weights = model[1].coef_[0] / model[0].scale_
    offset = float(model[1].intercept_[0] - (weights * model[0].mean_).sum())
    print(f"{language}: weights {[*weights.round(2).tolist(), round(offset, 2)]}")
    print(f"  AUC {roc_auc_score(y, held_out):.3f}, n {len(y)}")
    for name, column in zip(fields(Bearing), x.T, strict=True):
        print(f"  {name.name} alone: AUC {roc_auc_score(y, column):.3f}")
    for share in FALSE_REFUSALS:
        least = np.quantile(held_out[y], share)
        refused = (held_out[~y] < least).mean()
        print(f"  least {least:.2f}: {share:.0%} of answerable, {refused:.0%} of others refused")


def main() -> None:
    """Read the arguments, measure, print."""
    papers_path, questions_path, *ids_path = map(Path, sys.argv[1:])
    wanted = set(json.loads(ids_path[0].read_text())) if ids_path else None
    asked: dict[str, list[str]] = defaultdict(list)
    for row in read(questions_path):
        if wanted is None or row["id"] in wanted:
            asked[row["id"]].append(row["query"])
    papers = {row["id"]: row for row in read(papers_path) if row["id"] in asked}
    for language, rows in measure(papers, {i: q for i, q in asked.items() if i in papers}).items():
        report(language, rows)


if __name__ == "__main__":
    main()
