"""What a process that serves an index measures; started by benchmarks/index.py.

    python benchmarks/serving.py search|recall|memory|load FILE
    python benchmarks/serving.py watch TITLE ID

FILE holds the questions as `asked` writes them. Results are printed as JSON. The
index is the one that RAG_INDEX names.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rag
from rag.dense import Dense

_TOP = 10
_COMPARED = 60
_MIXED = 500
_THREADS = 8
_IDLE_SECONDS = 20.0


def load_asked(path: Path) -> dict[str, list[tuple[str, rag.Filters]]]:
    """Return {kind of filter: (question, filters) pairs} of a file of JSON."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {kind: [(q, _filters(f)) for q, f in rows] for kind, rows in found.items()}


def _filters(data: dict[str, Any]) -> rag.Filters:
    days = {k: date.fromisoformat(data[k]) for k in ("since", "until") if k in data}
    names = {k: tuple(data[k]) for k in ("categories", "authors") if k in data}
    return rag.Filters(**days, **names)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95 in milliseconds, and how many there were."""
    ordered = sorted(seconds)
    return {
        "p50": 1000 * ordered[len(ordered) // 2],
        "p95": 1000 * ordered[int(len(ordered) * 0.95)],
        "n": len(ordered),
    }


def timed(question: str, filters: rag.Filters) -> float:
    """Return the seconds of one search."""
    start = time.perf_counter()
    rag.search(question, top_k=_TOP, filters=filters)
    return time.perf_counter() - start


def memory() -> dict[str, float]:
    """Return this process's memory in MiB: resident, and the part that is its own.

    Pages of mapped files are resident while there is room, and the system's to
    take back; anonymous memory is what the process can't do without.
    """
    found = {}
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name in {"Rss", "Anonymous"}:
            found[name.lower()] = int(value.split()[0]) / 1024
    return found


def mixed(asked: dict[str, list[tuple[str, rag.Filters]]]) -> Iterator[tuple[str, rag.Filters]]:
    """Yield questions of all kinds in turn, without end."""
    for rows in cycle(zip(*asked.values(), strict=False)):
        yield from rows


def search_times(asked: dict[str, list[tuple[str, rag.Filters]]]) -> dict[str, Any]:
    """Return the percentiles of warm searches, by kind of filter."""
    for question, filters in islice(mixed(asked), 50):
        rag.search(question, top_k=_TOP, filters=filters)
    return {kind: _search_times(rows) for kind, rows in asked.items()}


def _search_times(rows: Sequence[tuple[str, rag.Filters]]) -> dict[str, float]:
    """Return the percentiles of the searches' times, and the processor's share in `cpu`."""
    times, used = [], []
    for question, filters in rows:
        before = time.process_time()
        times.append(timed(question, filters))
        used.append(time.process_time() - before)
    return {**percentiles(times), **{f"cpu_{k}": v for k, v in percentiles(used).items()}}


def recall(asked: dict[str, list[tuple[str, rag.Filters]]]) -> dict[str, float]:
    """Return which part of the ten papers of an exact search are among the ten found.

    Exact is the same search without Chroma: every paper that the filter leaves is
    scored from the vectors themselves. By kind of filter; `filtered` is over all
    kinds but none.
    """
    approximate = {kind: _found(rows[:_COMPARED]) for kind, rows in asked.items()}
    Dense.near = _exact_near  # type: ignore[method-assign]
    exact = {kind: _found(rows[:_COMPARED]) for kind, rows in asked.items()}

    def share(kinds: Iterable[str]) -> float:
        pairs = [p for kind in kinds for p in zip(approximate[kind], exact[kind], strict=True)]
        shares = [len(set(got) & set(best)) / len(best) for got, best in pairs if best]
        return sum(shares) / len(shares)

    kinds = {kind: share([kind]) for kind in asked}
    return {**kinds, "filtered": share([kind for kind in asked if kind != "none"])}


def _found(rows: Sequence[tuple[str, rag.Filters]]) -> list[list[str]]:
    return [
        [hit.paper.arxiv_id for hit in rag.search(question, top_k=_TOP, filters=filters)]
        for question, filters in rows
    ]


def _exact_near(
    self: Dense, vector: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Do what `Dense.near` does by scoring every paper."""
    keep = self._live if allowed is None else allowed
    every = np.arange(int(self._first_paper[-1]))
    papers = every if keep is None else np.flatnonzero(keep)
    likeness, rows = self._exact(vector, papers)
    order = np.lexsort((papers, -likeness))[:count]
    return papers[order], likeness[order], rows[order]


def memory_while_serving(asked: dict[str, list[tuple[str, rag.Filters]]]) -> dict[str, Any]:
    """Return the memory before the first question, after it, and after 500 of all kinds.

    Every tenth is answered in full.
    """
    found = {"start": memory()}
    questions = mixed(asked)
    rag.answer(next(questions)[0])
    found["first"] = memory()
    for number, (question, filters) in enumerate(islice(questions, _MIXED)):
        if number % 10 == 0:
            rag.answer(question, filters=filters)
        else:
            rag.search(question, top_k=_TOP, filters=filters)
    found["after"] = memory()
    return found


def watch(title: str, arxiv_id: str) -> dict[str, Any]:
    """Ask for a paper until it is found; return when that was, and how many tries failed."""
    rag.search(title, top_k=1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    errors: list[str] = []
    while True:
        try:
            hits = rag.search(title, top_k=1)
        except Exception as error:  # every failed request is counted
            errors.append(f"{type(error).__name__}: {error}")
            hits = []
        if hits and hits[0].paper.arxiv_id == arxiv_id:
            return {"seen": time.time(), "errors": errors[:3], "failed": len(errors)}
        time.sleep(0.005)


class _Load:
    """Eight threads that ask one question after another."""

    def __init__(self, rows: Sequence[tuple[str, rag.Filters]]) -> None:
        self._rows = rows
        self._stop = threading.Event()
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        for row in islice(cycle(self._rows), number * len(self._rows) // _THREADS, None):
            if self._stop.is_set():
                return
            try:
                self.seconds.append(timed(*row))
            except Exception as error:  # every failed request is counted
                self.errors.append(f"{type(error).__name__}: {error}")

    def stop(self) -> dict[str, Any]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        found: dict[str, Any] = percentiles(self.seconds)
        return {**found, "failed": len(self.errors), "errors": self.errors[:3]}


def load(asked: dict[str, list[tuple[str, rag.Filters]]]) -> dict[str, Any]:
    """Return the percentiles of eight threads' searches, undisturbed and until told to stop."""
    rows = list(islice(mixed(asked), 400))
    for row in rows[:50]:
        timed(*row)
    first = _Load(rows)
    time.sleep(_IDLE_SECONDS)
    idle = first.stop()
    second = _Load(rows)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    return {"idle": idle, "during": second.stop()}


def main() -> None:
    """Run one measurement and print it."""
    what, rest = sys.argv[1], sys.argv[2:]
    if what == "watch":
        result: object = watch(*rest)
    else:
        measure: Callable[..., object] = {
            "search": search_times,
            "recall": recall,
            "memory": memory_while_serving,
            "load": load,
        }[what]
        result = measure(load_asked(Path(rest[0])))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
