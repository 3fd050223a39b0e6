"""How long an answer takes: cold on the command line, warm in one process.

    python benchmarks/answering.py [QUESTIONS]

Prints a Markdown table and writes it with machine and date to
benchmarks/answering.md. QUESTIONS is a file of judged questions (default:
../shared/eval/questions.jsonl; where it is missing, the papers' titles are asked).
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import rag

ROOT = Path(__file__).resolve().parent.parent
JUDGED = ROOT.parent / "shared" / "eval" / "questions.jsonl"
COLD_RUNS = 5
COLD = "Which paper defends agents against prompt injection with polymorphic prompts?"


def questions(path: Path) -> list[str]:
    """Return the single questions of a file, or every paper's title without one."""
    if not path.is_file():
        return [paper.title for paper in rag.papers()]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["question"] for row in rows if "question" in row]


def command(*arguments: str) -> None:
    """Run `digest-rag`."""
    program = str(Path(sys.executable).parent / "digest-rag")
    subprocess.run([program, *arguments], check=True, capture_output=True)


def processes(*arguments: str) -> list[float]:
    """Return the seconds of whole `digest-rag` processes, after one to warm the disk."""
    times = []
    for _ in range(COLD_RUNS + 1):
        start = time.perf_counter()
        command(*arguments)
        times.append(time.perf_counter() - start)
    return times[1:]


def warm(asked: list[str]) -> list[float]:
    """Return the seconds of `rag.answer` for each question, after one that loads all."""
    rag.answer(asked[0])
    times = []
    for question in asked:
        start = time.perf_counter()
        rag.answer(question)
        times.append(time.perf_counter() - start)
    return sorted(times)


def main() -> None:
    """Measure, print and write the table."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else JUDGED
    # In a process of its own, so that this one's peak is that of answering.
    command("index")
    shown, cold_times = processes("--help"), processes("ask", COLD)
    asked = questions(path)
    times = warm(asked)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    status = rag.status()
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, {len(asked)} questions over {status.papers} papers, "
        f"{os.cpu_count()} cores, no language model.",
        "",
        "| what | seconds |",
        "| --- | --- |",
        f"| `digest-rag --help`, median of {COLD_RUNS} | {statistics.median(shown):.2f} |",
        f"| cold `digest-rag ask`, median of {COLD_RUNS} | {statistics.median(cold_times):.2f} |",
        f"| warm `rag.answer`, p50 | {times[len(times) // 2]:.3f} |",
        f"| warm `rag.answer`, p95 | {times[int(len(times) * 0.95)]:.3f} |",
        "",
        f"Peak memory of the warm process: {memory:.0f} MiB.",
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "benchmarks" / "answering.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
