"""The report of benchmarks/index.py: a table with targets, a plot, and a look at a million."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

Measured = dict[int, dict[str, Any]]
Read = Callable[[Mapping[str, Any]], float]

MILLION = 1_000_000
# What is shown of one size: label, unit, target at the largest size, how to read it.
_FILTERS = {
    "a week": "a date range, narrow (a week)",
    "half of the days": "a date range, broad (half of the papers)",
    "category": "a category",
    "author": "an author",
}


def _search(kind: str, percentile: str) -> Read:
    return lambda m: float(m["search"][kind][percentile])


def _slowdown(measured: Mapping[str, Any]) -> float:
    both = measured["under_rebuild"]
    return float(both["during"]["p95"] / both["idle"]["p95"])


ROWS: list[tuple[str, str, float | None, Read]] = [
    ("build from text, vectors cached", "s", 480, lambda m: m["build"]["seconds"]),
    ("… processor time", "s", None, lambda m: m["build"]["cpu"]),
    ("… peak memory of that process", "MiB", None, lambda m: m["build"]["peak"]),
    ("… on disk", "MiB", None, lambda m: m["build"]["disk"]),
    ("add one digest of 150 papers, vectors cached", "s", 10, lambda m: m["add"]["seconds"]),
    ("… processor time", "s", None, lambda m: m["add"]["cpu"]),
    (
        "… swap visible to an open reader, slowest of 3",
        "s",
        1,
        lambda m: m["add"]["slowest_visible"],
    ),
    ("… requests of that reader that failed", "", 0, lambda m: m["add"]["failed"]),
    (
        "add one digest of 150 papers, texts encoded too",
        "s",
        None,
        lambda m: m["embedding"]["seconds"],
    ),
    ("search without filter, p50", "ms", 15, _search("none", "p50")),
    ("… p95", "ms", 40, _search("none", "p95")),
    ("… processor time, p50", "ms", None, _search("none", "cpu_p50")),
    *(
        row
        for kind, label in _FILTERS.items()
        for row in (
            (f"search with {label}, p50", "ms", 20, _search(kind, "p50")),
            ("… p95", "ms", 50, _search(kind, "p95")),
            ("… processor time, p50", "ms", None, _search(kind, "cpu_p50")),
        )
    ),
    ("recall@10 of filtered against exact search", "", 0.99, lambda m: m["recall"]["filtered"]),
    ("recall@10 without filter", "", None, lambda m: m["recall"]["none"]),
    ("new process: open and answer one question", "s", 3, lambda m: m["first"]["seconds"]),
    ("… processor time", "s", None, lambda m: m["first"]["cpu"]),
    ("resident after the first answer", "MiB", None, lambda m: m["memory"]["first"]["rss"]),
    ("resident after 500 questions", "MiB", 1536, lambda m: m["memory"]["after"]["rss"]),
    (
        "… of that its own (anonymous)",
        "MiB",
        None,
        lambda m: m["memory"]["after"]["anonymous"],
    ),
    ("8 threads asking, p95, idle", "ms", None, lambda m: m["under_rebuild"]["idle"]["p95"]),
    (
        "8 threads asking, p95, during a rebuild",
        "ms",
        None,
        lambda m: m["under_rebuild"]["during"]["p95"],
    ),
    ("… the one by the other", "×", 3, _slowdown),
    ("… failed requests", "", 0, lambda m: m["under_rebuild"]["during"]["failed"]),
]
# Where more is better; elsewhere less is.
_AT_LEAST = {"recall@10 of filtered against exact search"}

PANELS: list[tuple[str, str, dict[str, Read]]] = [
    ("build from text", "seconds", {"": lambda m: m["build"]["seconds"]}),
    ("add 150 papers", "seconds", {"": lambda m: m["add"]["seconds"]}),
    ("swap seen by a reader", "seconds", {"": lambda m: m["add"]["slowest_visible"]}),
    (
        "search, p50",
        "milliseconds",
        {label: _search(kind, "p50") for kind, label in {"none": "no filter", **_FILTERS}.items()},
    ),
    (
        "search, p95",
        "milliseconds",
        {label: _search(kind, "p95") for kind, label in {"none": "no filter", **_FILTERS}.items()},
    ),
    ("new process, first answer", "seconds", {"": lambda m: m["first"]["seconds"]}),
    (
        "memory while serving",
        "MiB",
        {
            "resident": lambda m: m["memory"]["after"]["rss"],
            "its own": lambda m: m["memory"]["after"]["anonymous"],
        },
    ),
    ("disk", "MiB", {"": lambda m: m["build"]["disk"]}),
]


def write_report(work: Path, folder: Path) -> None:
    """Write index.md and index.png in `folder` from what lies measured in `work`."""
    found = {
        int(path.parent.name): json.loads(path.read_text(encoding="utf-8"))
        for path in work.glob("*/measured.json")
        if path.parent.name.isdigit()
    }
    found = {size: steps for size, steps in found.items() if "build" in steps}
    measured: Measured = dict(sorted(found.items()))
    text = "\n".join([*_head(measured), *_table(measured), *_seeds(work), *_million(measured)])
    (folder / "index.md").write_text(text + "\n", encoding="utf-8")
    _plot(measured, folder / "index.png")
    print(text)


def _head(measured: Measured) -> list[str]:
    sizes = ", ".join(f"{m['build']['passages']:,}" for m in measured.values())
    loads = [
        load for m in measured.values() for step in m.values() for load in step.get("load", ())
    ]
    low, high = min(loads, default=0.0), max(loads, default=0.0)
    return [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, by `benchmarks/index.py`.",
        "",
        f"Real papers in both languages, {sizes} passages, two digests for every 150 papers. "
        "The passages' vectors are stand-ins near their titles' (see `benchmarks/standin.py`), "
        "questions are encoded by the real encoder: times are honest, relevance is not measured. "
        f"Each search time is over {_asked(measured)} questions in both languages, all of "
        f"`rag.search`, warm. The load average was between {low:.1f} and {high:.1f}: "
        "above the number of cores, times on the clock are longer than on a quiet machine, and "
        "processor time says what the work takes.",
        "",
        "![How the costs grow](index.png)",
        "",
    ]


def _asked(measured: Measured) -> int:
    return max((m["search"]["none"]["n"] for m in measured.values() if "search" in m), default=0)


def _table(measured: Measured) -> list[str]:
    sizes = list(measured)
    lines = [
        "| papers | " + " | ".join(f"{size:,}" for size in sizes) + " | target |",
        "| --- |" + " --- |" * (len(sizes) + 1),
    ]
    for label, unit, target, read in ROWS:
        cells = [_shown(_value(measured[size], read), unit) for size in sizes]
        last = _value(measured[sizes[-1]], read)
        lines.append(f"| {label} | {' | '.join(cells)} | {_goal(label, unit, target, last)} |")
    return [*lines, ""]


def _goal(label: str, unit: str, target: float | None, reached: float | None) -> str:
    if target is None:
        return ""
    more = label in _AT_LEAST
    wanted = f"{'≥' if more else '≤'} {_shown(target, unit)}" if target else "0"
    if reached is None:
        return wanted
    met = reached >= target if more else reached <= target
    return wanted if met else f"{wanted}, **missed**"


def _value(measured: Mapping[str, Any], read: Read) -> float | None:
    try:
        return float(read(measured))
    except KeyError:
        return None


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    if unit == "" and 0 < value < 1:
        digits = 4
    return f"{value:,.{digits}f} {unit}".strip()


def _seeds(work: Path) -> list[str]:
    path = work / "seeds" / "measured.json"
    if not path.is_file():
        return []
    cold = json.loads(path.read_text(encoding="utf-8"))["first"]["seconds"]
    met = "met" if cold <= 2 else "**missed**"
    return [
        f"Cold `digest-rag ask` on `seeds/`, median of 5: {cold:.2f} s (target 2 s, {met}).",
        "",
    ]


def growth(sizes: list[int], values: list[float]) -> tuple[float, float]:
    """Return (a, b) of the line a + b·papers through the two largest sizes.

    What is fixed and what grows with each paper are told apart; smaller sizes
    are mostly the fixed part.
    """
    slope = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
    return values[-1] - slope * sizes[-1], slope


def _million(measured: Measured) -> list[str]:
    sizes = list(measured)
    if len(sizes) < 2:
        return []
    lines = [
        "## A million papers, on paper",
        "",
        "What is fixed and what each paper adds, by the line through the two largest sizes, "
        "and where that line stands at a million papers on the same machine. It is an "
        "extrapolation, not a measurement.",
        "",
        "| | fixed | per 1,000 papers | at a million |",
        "| --- | --- | --- | --- |",
    ]
    for label, unit, _, read in ROWS:
        values = [_value(measured[size], read) for size in sizes[-2:]]
        if None in values or unit not in {"s", "ms", "MiB"} or label.startswith("… swap"):
            continue
        fixed, slope = growth(sizes[-2:], [v for v in values if v is not None])
        if slope < 0:  # noise is all that the sizes differ by
            continue
        shown = (_shown(max(fixed, 0.0), unit), _shown(slope * 1000, unit))
        at_million = _shown(max(0.0, fixed + slope * MILLION), unit)
        lines.append(f"| {label} | {shown[0]} | {shown[1]} | {at_million} |")
    return [*lines, "", _on_paper(measured[sizes[-1]])]


# Sentences of a passage on the mean, over these papers.
_SENTENCES = 3.4


def _on_paper(largest: Mapping[str, Any]) -> str:
    """Return in prose what a million papers mean for the parts of the index."""
    passages = largest["build"]["passages"] / largest["build"]["papers"] * MILLION
    dimension = 384
    graph = 2 * MILLION * dimension * 4 / 1e9
    rows = passages * _SENTENCES * dimension / 1e9
    scanned = 0.2 * graph
    return (
        f"A million papers are some {passages / 1e6:.1f} million passages and 2 million tellings. "
        f"Chroma's graph wants the tellings in memory, {graph:.1f} GB before its links; beside it "
        f"lie the same again on disk for exact comparison and some {rows:.0f} GB of "
        "sentences, which are read as they are wanted. Adding a digest stays what it is: it "
        "writes a small segment, and a large merge comes ever more seldom. Two things don't. A "
        "process that holds the graph itself no longer fits beside others in 8 GB: from there on "
        "`RAG_CHROMA_URL` moves the tellings into a Chroma service, one process that holds them "
        "once for all readers. And a filter that leaves just under a fifth of the papers is "
        f"answered by comparing up to {scanned:.1f} GB of tellings, far over the target for one "
        "question: at that size the line between comparing and asking Chroma for more has to be "
        "drawn lower, or the segments cut by date. A build from nothing becomes a matter of the "
        "night; embedding, at some tens of passages a second on two cores, one of a day and "
        "more, once."
    )


def _plot(measured: Measured, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 4, figsize=(16, 7.2), layout="constrained")
    for axis, (title, unit, lines) in zip(axes.flat, PANELS, strict=True):
        for label, read in lines.items():
            points = [(n, v) for n, m in measured.items() if (v := _value(m, read)) is not None]
            if points:
                axis.plot(*np.array(points).T, marker="o", label=label or None)
        axis.set(title=title, ylabel=unit, xlabel="papers", xscale="log", yscale="log")
        axis.set_xticks(list(measured), [f"{n:,}" for n in measured], minor=False)
        axis.set_xticks([], minor=True)
        axis.grid(visible=True, which="both", alpha=0.3)
        if len(lines) > 1:
            axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
