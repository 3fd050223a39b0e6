"""How the index's costs grow: build, update, search, memory and disk, at three sizes.

    python benchmarks/index.py WORK [--sizes 1000 10000 79400] [--steps build,add,...]
    python benchmarks/index.py WORK --report

WORK is a folder for digests and indexes (some 10 GB for the largest size). What
is measured is kept in WORK/SIZE/measured.json, step by step; then, and with
--report alone, benchmarks/index.md and benchmarks/index.png are written from it.
The papers come from ../shared/data (see corpus.py), the vectors are stand-ins
(see standin.py): times are honest, relevance is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corpus import PAPERS, ROOT, Corpus, authors_of, category_of, make_corpus, read_papers
from growth import write_report
from standin import StandIn, fill

from rag.embed import load_encoder
from rag.settings import Settings

SIZES = (1000, 10000, 79400)
QUERIES = PAPERS.parent / "described_queries.jsonl"
ASKED = 300
COLD_RUNS = 5
SEEDS_QUESTION = "Which paper defends agents against prompt injection with polymorphic prompts?"


class Bench:
    """One size of the corpus, its index and what was measured."""

    def __init__(self, work: Path, size: int) -> None:
        """Make the digests of `size` papers below `work`, unless they are there."""
        self.work, self.place = work, work / str(size)
        self.corpus: Corpus = make_corpus(self.place, size)
        self.index = self.place / "index"
        self.results = self.place / "measured.json"
        self.questions = self.place / "asked.json"
        if not self.questions.is_file():
            self.questions.write_text(json.dumps(asked(size)), encoding="utf-8")

    def run(self, steps: Sequence[str]) -> None:
        """Measure step by step; each result is kept at once."""
        for step in steps:
            print(f"{self.place.name}: {step}", file=sys.stderr, flush=True)
            before = os.getloadavg()[0]
            found = {**STEPS[step](self), "load": (before, os.getloadavg()[0])}
            known = json.loads(self.results.read_text()) if self.results.is_file() else {}
            self.results.write_text(json.dumps({**known, step: found}, indent=1))
            print(json.dumps({step: found}), file=sys.stderr, flush=True)

    def environment(self) -> dict[str, str]:
        """Return the environment in which a process uses this index."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
        return {**kept, "RAG_INDEX": str(self.index)}

    def cli(self, *arguments: str) -> dict[str, Any]:
        """Run a command of digest-rag; return its seconds, peak memory and output."""
        return command(["-m", "rag.cli", *arguments], self.environment())

    def serving(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a process of serving.py."""
        script = str(Path(__file__).with_name("serving.py"))
        return subprocess.Popen(
            [sys.executable, script, *arguments],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def served(self, what: str) -> dict[str, Any]:
        """Return what a process of serving.py measures."""
        out, _ = self.serving(what, str(self.questions)).communicate()
        return dict(json.loads(out))


def command(arguments: Sequence[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run Python with `arguments`; return its seconds, peak memory (MiB) and output.

    Raises RuntimeError when it does not end well.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start, used = time.perf_counter(), _used()
        child = subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=out, stderr=err, text=True
        )
        peak = 0.0
        while child.poll() is None:
            peak = max(peak, _peak(child.pid))
            time.sleep(0.02)
        seconds, cpu = time.perf_counter() - start, _used() - used
        out.seek(0)
        err.seek(0)
        if child.returncode:
            ended = f"{arguments} ended with {child.returncode}: {err.read()[-2000:]}"
            raise RuntimeError(ended)
        return {"seconds": seconds, "cpu": cpu, "peak": peak, "out": out.read()}


def _used() -> float:
    """Return the seconds of processor time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _peak(pid: int) -> float:
    """Return the most memory that a process has had resident so far, in MiB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def asked(size: int, seed: int = 0) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return {kind of filter: (question, filter) pairs} for a corpus of `size` papers.

    Days, categories and authors are those of papers drawn at random, so that
    common ones are asked for more often.
    """
    dice = random.Random(seed)  # noqa: S311 (nothing secret)
    rows = [json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines()]
    papers = read_papers(PAPERS)[:size]
    days = sorted(paper["date"] for paper in papers)

    def week() -> dict[str, Any]:
        start = dice.randrange(len(days))
        return {"since": days[start], "until": _later(days[start], 6)}

    def half() -> dict[str, Any]:
        start = dice.randrange(len(days) // 2)
        return {"since": days[start], "until": days[start + len(days) // 2]}

    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "none": dict,
        "a week": week,
        "half of the days": half,
        "category": lambda: {"categories": [category_of(dice.choice(papers), 0)]},
        "author": lambda: {"authors": [dice.choice(authors_of(dice.choice(papers), 0))]},
    }
    return {
        kind: [(row["query"], make()) for row in dice.sample(rows, ASKED)]
        for kind, make in kinds.items()
    }


def _later(day: str, days: int) -> str:
    from datetime import date, timedelta

    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def vectors(bench: Bench) -> dict[str, Any]:
    """Fill the vector store with stand-ins, for the digests and those added later."""
    bench.index.mkdir(parents=True, exist_ok=True)
    real = load_encoder(Settings(index_dir=bench.index))
    files = [*sorted(bench.corpus.folder.iterdir()), *bench.corpus.extra]
    stand_in = StandIn(real, bench.work / "titles.sqlite")
    return {"passages": fill(bench.index / "vectors.sqlite", files, stand_in)}


def build(bench: Bench) -> dict[str, Any]:
    """Build from the digests' text, with nothing kept but the vectors."""
    for path in bench.index.iterdir():
        if not path.name.startswith(("vectors.sqlite", "encoders")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in bench.corpus.folder.glob("later-*"):
        path.unlink()
    ran = bench.cli("index", str(bench.corpus.folder), "--json")
    ledger = json.loads(ran.pop("out"))
    counts = {k: ledger[k] for k in ("files", "papers", "passages", "embedded")}
    return {**ran, **counts, **disk(bench.index)}


def disk(folder: Path) -> dict[str, Any]:
    """Return MiB on disk: all, and by kind of file."""
    kinds: dict[str, float] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            kind = path.relative_to(folder).parts[0].partition("-")[0]
            kinds[kind] = kinds.get(kind, 0.0) + path.stat().st_blocks * 512 / 1024**2
    return {"disk": sum(kinds.values()), "disk_by_kind": kinds}


def add(bench: Bench) -> dict[str, Any]:
    """Add one digest of 150 papers under the eyes of an open reader, three times.

    `visible` is the time from the swap until the reader's first answer with it.
    """
    runs = []
    for path in bench.corpus.extra[:3]:
        title, arxiv_id = _last_paper(path)
        reader = bench.serving("watch", title, arxiv_id)
        assert reader.stdout
        reader.stdout.readline()
        shutil.copy(path, bench.corpus.folder / f".{path.name}")
        (bench.corpus.folder / f".{path.name}").rename(bench.corpus.folder / path.name)
        ran = bench.cli("index", "--json")
        ledger = json.loads(ran["out"])
        swapped = (bench.index / "CURRENT").stat().st_mtime
        out, _ = reader.communicate()
        seen = json.loads(out)
        visible = seen.pop("seen") - swapped
        runs.append(
            {
                "seconds": ran["seconds"],
                "cpu": ran["cpu"],
                "visible": visible,
                "embedded": ledger["embedded"],
                **seen,
            }
        )
    middle = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
    failed = sum(run["failed"] for run in runs)
    return {**middle, "slowest_visible": max(r["visible"] for r in runs), "failed": failed}


def _last_paper(path: Path) -> tuple[str, str]:
    """Return title and id of the last paper of a digest."""
    lines = [ln for ln in path.read_text(encoding="utf-8").splitlines() if ln.startswith("### [")]
    title, _, link = lines[-1].partition("] [")[2].rpartition("](")
    return title, link.rstrip(")").rpartition("/")[2]


def embedding(bench: Bench) -> dict[str, Any]:
    """Add one more digest of 150 papers whose vectors are not known, with the real encoder."""
    path = bench.corpus.extra[3]
    text = path.read_text(encoding="utf-8").replace("\nAbstract: ", "\nAbstract: New. ")
    for part in ("TL;DR", "Motivation", "Method", "Result", "Conclusion"):
        text = text.replace(f"\n{part}: ", f"\n{part}: 新。")
    (bench.corpus.folder / path.name).write_text(text, encoding="utf-8")
    ran = bench.cli("index", "--json")
    return {
        "seconds": ran["seconds"],
        "cpu": ran["cpu"],
        "embedded": json.loads(ran["out"])["embedded"],
    }


def first(bench: Bench) -> dict[str, Any]:
    """Time whole processes that open the index and answer one question."""
    question = json.loads(bench.questions.read_text())["none"][0][0]
    return cold(bench.environment(), question)


def cold(environment: dict[str, str], question: str) -> dict[str, Any]:
    """Time whole processes of `digest-rag ask`, after one to warm the disk."""
    arguments = ["-m", "rag.cli", "ask", question]
    runs = [command(arguments, environment) for _ in range(COLD_RUNS + 1)][1:]
    found = {name: statistics.median(run[name] for run in runs) for name in ("seconds", "cpu")}
    return {**found, "slowest": max(run["seconds"] for run in runs)}


def under_rebuild(bench: Bench) -> dict[str, Any]:
    """Ask from eight threads, undisturbed and while the index is built anew."""
    reader = bench.serving("load", str(bench.questions))
    assert reader.stdout
    reader.stdout.readline()
    ran = rebuild(bench)
    out, _ = reader.communicate("\n")
    return {"rebuild": ran["seconds"], **json.loads(out)}


def rebuild(bench: Bench) -> dict[str, Any]:
    """Build the index anew, whole, while it is in use."""
    return command(["-c", "import rag; rag.build_index(whole=True)"], bench.environment())


STEPS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "vectors": vectors,
    "build": build,
    "add": add,
    "embedding": embedding,
    "search": lambda bench: bench.served("search"),
    "recall": lambda bench: bench.served("recall"),
    "memory": lambda bench: bench.served("memory"),
    "first": first,
    "under_rebuild": under_rebuild,
}


def seeds(work: Path) -> None:
    """Time cold `digest-rag ask` on an index of seeds/."""
    index = work / "seeds" / "index"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
    environment = {**kept, "RAG_INDEX": str(index)}
    command(["-m", "rag.cli", "index", str(ROOT / "seeds")], environment)
    found = cold(environment, SEEDS_QUESTION)
    (work / "seeds" / "measured.json").write_text(json.dumps({"first": found}))


def main() -> None:
    """Measure what is asked for and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    work = given.work.resolve()
    if not given.report:
        for size in given.sizes:
            Bench(work, size).run(given.steps.split(","))
        seeds(work)
    write_report(work, ROOT / "benchmarks")


if __name__ == "__main__":
    main()
