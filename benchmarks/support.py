"""How well `rag.support` tells support from contradiction and from silence, on SciFact.

    python benchmarks/support.py ../shared/eval/cite_scifact [--words]

Prints the area under the ROC curve of SUPPORT against the rest and against
CONTRADICT: for the plain overlap of words, for the shipped weights, and for
weights fitted on four fifths of the claims and tried on the last (a claim is
never on both sides). `--words` leaves the encoder out;
RAG_ENCODER names another one.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.embed import load_encoder
from rag.polarity import opposites
from rag.settings import Settings
from rag.support import Encode, measure, support
from rag.text import sentences

FOLDS, ROUNDS, RIDGE = 5, 30, 1.0
# A contradiction that passes for support costs a reader more than a silent source.
CONTRADICT_WEIGHT = 2.0
OVERLAP = 2  # its place in a row of features


def auc(good: NDArray[np.float64], bad: NDArray[np.float64]) -> float:
    """Return how often a good one scores above a bad one, ties half."""
    ranks = np.searchsorted(np.sort(bad), good, "left") + np.searchsorted(
        np.sort(bad), good, "right"
    )
    return float(ranks.mean() / 2 / len(bad))


def areas(score: NDArray[np.float64], labels: NDArray[np.str_]) -> tuple[float, float]:
    """Return the AUC of SUPPORT against the rest, and against CONTRADICT."""
    yes = score[labels == "SUPPORT"]
    return auc(yes, score[labels != "SUPPORT"]), auc(yes, score[labels == "CONTRADICT"])


def memoised(encode: Encode) -> Encode:
    """Return `encode` that encodes no text twice."""
    known: dict[str, NDArray[np.float32]] = {}

    def encoded(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [t for t in dict.fromkeys(texts) if t not in known]
        if new:
            known.update(zip(new, encode(new), strict=True))
        return np.stack([known[t] for t in texts])

    return encoded


def fitted(
    rows: NDArray[np.float64], yes: NDArray[np.bool_], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return logistic weights, the constant last, by Newton's method.

    The ridge is on features of unit variance; `counts` is how much each row counts.
    """
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    data = np.c_[(rows - mean) / spread, np.ones(len(rows))]
    weights = np.zeros(data.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-data @ weights))
        slope = data.T @ (counts * (yes - p)) - RIDGE * weights
        curve = (data * (counts * p * (1 - p))[:, None]).T @ data + RIDGE * np.eye(len(weights))
        weights += np.linalg.solve(curve, slope)
    plain = weights[:-1] / spread
    return np.r_[plain, weights[-1] - plain @ mean]


def compared(pair: dict[str, str]) -> list[str]:
    """Return the texts whose meaning is compared for one pair."""
    claim = pair["sentence"]
    return [claim, *opposites(claim), *sentences(pair["abstract"], "en")]


def main(folder: Path, words_only: bool) -> None:
    """Measure and print, see above."""
    lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    encode = None
    if not words_only:
        encode = memoised(load_encoder(Settings.from_env()).encode_passages)
        # All at once: an encoder is several times faster on full batches.
        encode(sorted({text for pair in pairs for text in compared(pair)}))
    rows = np.array([measure(p["sentence"], [p["abstract"]], encode=encode).row() for p in pairs])
    shipped = np.array(
        [support(p["sentence"], [p["abstract"]], encode=encode).score for p in pairs]
    )
    labels = np.array([p["label"] for p in pairs])
    yes, no = labels == "SUPPORT", labels == "CONTRADICT"
    counts = np.where(no, CONTRADICT_WEIGHT, 1.0)
    claims = {c: n for n, c in enumerate(dict.fromkeys(p["sentence"] for p in pairs))}
    fold = np.array([claims[p["sentence"]] % FOLDS for p in pairs])
    held_out = []
    for n in range(FOLDS):
        out = fold == n
        weights = fitted(rows[~out], yes[~out], counts[~out])
        score = np.c_[rows[out], np.ones(out.sum())] @ weights
        held_out.append(areas(score, labels[out]))
    print(f"{'score':24} {'rest':>6} {'contradict':>11}")
    for name, (rest, contradict) in (
        ("overlap", areas(rows[:, OVERLAP], labels)),
        ("shipped", areas(shipped, labels)),
        ("fitted, held out", tuple(np.mean(held_out, axis=0))),
    ):
        print(f"{name:24} {rest:6.3f} {contradict:11.3f}")
    print("weights", np.round(fitted(rows, yes, counts), 2).tolist())


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    main(Path(arguments[0]), "--words" in sys.argv)
