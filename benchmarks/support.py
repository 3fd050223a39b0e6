"""How well `rag.support` tells support from contradiction and from silence, on SciFact.

    python benchmarks/support.py ../shared/eval/cite_scifact [--words]

Prints the area under the ROC curve of SUPPORT against the rest and against
CONTRADICT: for the plain overlap of words, for the shipped weights, and for
weights fitted on four fifths of the claims and tried on the last (a claim is
never on both sides); then the labels given, and milliseconds for a pair. Writes
the same with machine and date to benchmarks/support.md. `--words` leaves the
encoder out, `--meaning` the network of `rag.entail`, and neither writes;
RAG_ENCODER names another encoder.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.embed import Encoder, load_encoder
from rag.entail import entailment_by
from rag.polarity import opposites
from rag.settings import Settings
from rag.support import Encode, concluded, measure, weigh
from rag.text import sentences

FOLDS, ROUNDS, RIDGE = 5, 30, 1.0
# A contradiction that passes for support costs a reader more than a silent source.
CONTRADICT_WEIGHT = 2.0
TIMED = 60
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


def main(folder: Path, *, words: bool, meaning: bool) -> None:
    """Measure and print, see above."""
    lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    encoder = None if words else load_encoder(Settings.from_env())
    encode = entailment = None
    if encoder is not None:
        entailment = None if meaning else entailment_by(encoder)
        encode = memoised(encoder.encode_passages)
        # All at once: an encoder is several times faster on full batches.
        encode(sorted({text for pair in pairs for text in compared(pair)}))
    ways: dict[str, Any] = {"encode": encode, "entailment": entailment}
    found = [measure(p["sentence"], [p["abstract"]], **ways) for p in pairs]
    rows = np.array([features.row() for features in found])
    verdicts = [
        concluded(p["sentence"], [p["abstract"]], f) for p, f in zip(pairs, found, strict=True)
    ]
    labels = np.array([p["label"] for p in pairs])
    counts = np.where(labels == "CONTRADICT", CONTRADICT_WEIGHT, 1.0)
    shipped = areas(np.array([v.score for v in verdicts]), labels)
    overlap, held_out = (
        areas(rows[:, OVERLAP], labels),
        cross_validated(pairs, rows, labels, counts),
    )
    table = ["| score | SUPPORT against the rest | against CONTRADICT |", "| --- | --- | --- |"]
    for name, (rest, contradict) in (
        ("overlap", overlap),
        ("shipped weights", shipped),
        ("weights fitted on other claims", held_out),
    ):
        table.append(f"| {name} | {rest:.3f} | {contradict:.3f} |")
    table += ["", "| claims | supported | partly | unsupported |", "| --- | --- | --- | --- |"]
    for label in ("SUPPORT", "NOT_ENOUGH_INFO", "CONTRADICT"):
        given = [v.label for v, own in zip(verdicts, labels, strict=True) if own == label]
        shares = [given.count(own) / len(given) for own in ("supported", "partly", "unsupported")]
        table.append(f"| {label} ({len(given)}) | " + " | ".join(f"{s:.0%}" for s in shares) + " |")
    text = "\n".join(table) + "\n"
    print(text)
    print("weights", np.round(fitted(rows, labels == "SUPPORT", counts), 2).tolist())
    if encoder is not None and not meaning:
        write(text, each(pairs[:TIMED], encoder))


def cross_validated(
    pairs: list[dict[str, str]],
    rows: NDArray[np.float64],
    labels: NDArray[np.str_],
    counts: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the mean areas of weights that were fitted without the fold's claims."""
    claims = {c: n for n, c in enumerate(dict.fromkeys(p["sentence"] for p in pairs))}
    fold = np.array([claims[p["sentence"]] % FOLDS for p in pairs])
    found = []
    for n in range(FOLDS):
        out = fold == n
        weights = fitted(rows[~out], labels[~out] == "SUPPORT", counts[~out])
        found.append(areas(np.c_[rows[out], np.ones(out.sum())] @ weights, labels[out]))
    rest, contradict = np.mean(found, axis=0)
    return float(rest), float(contradict)


def each(pairs: list[dict[str, str]], encoder: Encoder) -> float:
    """Return the median milliseconds of one sentence against one whole abstract, all anew."""
    times = []
    for pair in pairs:
        network = entailment_by(encoder)
        start = time.perf_counter()
        weigh(
            pair["sentence"],
            [pair["abstract"]],
            encode=encoder.encode_passages,
            entailment=network,
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def write(table: str, milliseconds: float) -> None:
    """Write the results beside this script."""
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores. A sentence against an abstract that "
        f"was not read before: {milliseconds:.0f} ms (median).\n\n"
    )
    Path(__file__).with_suffix(".md").write_text(head + table, encoding="utf-8")


if __name__ == "__main__":
    given = [a for a in sys.argv[1:] if not a.startswith("--")]
    main(Path(given[0]), words="--words" in sys.argv, meaning="--meaning" in sys.argv)
