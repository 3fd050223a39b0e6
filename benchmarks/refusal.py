"""Fit and measure the refusal of questions that the digests don't answer.

    python benchmarks/refusal.py PAPERS.jsonl.zst QUESTIONS.jsonl [IDS.json]

Half of the papers that have questions become an index; the questions of these
are answerable, those of the other half are not. IDS.json names the papers to
use, such as those that no encoder was trained on. Prints the logistic weights
of `rag/evidence.py` per language, the area under the ROC curve in five-fold
cross-validation, and the share of unanswerable questions refused at shares of
answerable ones refused.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import zstandard
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from rag.build import build_index
from rag.evidence import coverage
from rag.index import Index, open_index
from rag.search import find
from rag.settings import Settings
from rag.text import language_of

FALSE_REFUSALS = (0.01, 0.02, 0.03, 0.05)
ROUNDS = 2
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


def features(index: Index, settings: Settings, question: str) -> tuple[float, float, float]:
    """Return what `rag.evidence.supports` weighs."""
    hits = find(index, question, 10, None, settings.dense_weight)
    margin = hits[0].dense - fmean(hit.dense for hit in hits[1:])
    return hits[0].dense, margin, coverage(index, question, hits[0].paper)


def measure(papers: dict[str, dict[str, Any]], asked: dict[str, list[str]]) -> dict[str, list[Any]]:
    """Return {language: [(features, answerable)]} over all rounds."""
    rows: dict[str, list[Any]] = defaultdict(list)
    ids = sorted(asked)
    draw = random.Random(1)  # noqa: S311 (a sample)
    for _ in range(ROUNDS):
        draw.shuffle(ids)
        inside, outside = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "digest.md"
            path.write_text(digest([papers[i] for i in inside]), encoding="utf-8")
            settings = Settings(digests=(path,), index_dir=Path(folder) / "index")
            build_index(settings=settings)
            index = open_index(settings)
            for answerable, group in ((True, inside), (False, outside)):
                for question in (q for i in group for q in asked[i]):
                    row = (features(index, settings, question), answerable)
                    rows[language_of(question)].append(row)
    return rows


def report(language: str, rows: list[Any]) -> None:
    """Print the weights and the figures of one language."""
    x = np.array([row for row, _ in rows])
    y = np.array([answerable for _, answerable in rows])
    model = LogisticRegression(max_iter=500)
    held_out = cross_val_predict(model, x, y, cv=5, method="decision_function")
    model.fit(x, y)
    weights = [*model.coef_[0].round(2), model.intercept_[0].round(2)]
    print(f"{language}: weights {weights}, AUC {roc_auc_score(y, held_out):.3f}, n {len(y)}")
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
