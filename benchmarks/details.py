"""Fit and measure the refusal of details that a paper's entry does not state.

    python benchmarks/details.py PAPERS.jsonl.zst [QUESTIONS.jsonl]

QUESTIONS.jsonl (default: `details.jsonl` beside this file) has one JSON object per
line: `id`, `lang`, `question`, and `stated`, whether the paper's entry states what is
asked. The papers become an index. Prints the logistic weights of `rag/details.py`,
and in ten-fold cross-validation by paper the area under the ROC curve and the share
of unstated details refused at shares of stated ones refused.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
from refusal import digest, read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rag.build import build_index
from rag.details import Asked, asked_of, score
from rag.index import open_index
from rag.names import without_names
from rag.settings import Settings

FALSE_REFUSALS = (0.02, 0.05, 0.1)
STRENGTH = 0.3


def measure(papers: list[dict[str, Any]], questions: list[dict[str, Any]]) -> list[Asked]:
    """Return how each question's paper bears on what it asks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digest.md"
        path.write_text(digest(papers), encoding="utf-8")
        settings = Settings(digests=(path,), index_dir=Path(folder) / "index")
        build_index(settings=settings)
        index = open_index(settings)
        found = []
        for row in questions:
            paper = index.store.paper(row["id"])
            if paper is None:
                raise SystemExit(f"{row['id']} is not among the papers")
            found.append(asked_of(index, without_names(row["question"], paper), paper))
        return found


def report(name: str, scores: Any, stated: Any) -> None:  # noqa: ANN401 (arrays)
    """Print how well scores tell stated from unstated details."""
    print(f"{name}: AUC {roc_auc_score(stated, scores):.3f}, n {len(stated)}")
    for share in FALSE_REFUSALS:
        least = np.quantile(scores[stated], share)
        refused = (scores[~stated] < least).mean()
        print(f"  least {least:.2f}: {share:.0%} of stated, {refused:.0%} of unstated refused")


def main() -> None:
    """Read the arguments, measure, print."""
    papers_path, *rest = map(Path, sys.argv[1:])
    questions = list(read(rest[0] if rest else Path(__file__).with_name("details.jsonl")))
    wanted = {row["id"] for row in questions}
    papers = [row for row in read(papers_path) if row["id"] in wanted]
    asked = measure(papers, questions)
    x, y = np.array([astuple(a) for a in asked]), np.array([row["stated"] for row in questions])
    languages = np.array([row["lang"] for row in questions])
    groups = [row["id"] for row in questions]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    held_out = cross_val_predict(
        model, x, y, cv=GroupKFold(10), groups=groups, method="decision_function"
    )
    model.fit(x, y)
    scale, line = model[0], model[1]
    weights = line.coef_[0] / scale.scale_
    offset = float(line.intercept_[0] - (weights * scale.mean_).sum())
    print({f.name: float(w.round(2)) for f, w in zip(fields(Asked), weights, strict=True)})
    print(f"offset {offset:.2f}")
    report("held out", held_out, y)
    for language in ("en", "zh"):
        report(f"held out {language}", held_out[languages == language], y[languages == language])
    report("as committed", np.array([score(a) for a in asked]), y)


if __name__ == "__main__":
    main()
