"""How much of the time to the first word is ours, and whether readers wait for each other.

    python benchmarks/first_token.py [QUESTIONS]

A server on loopback speaks OpenAI's protocol and sends its first word after a
known delay. Ours is the time from `rag.stream` to the first piece of text less
that delay. Ten readers then ask at the same moment. Prints a Markdown table and
writes it with machine and date to benchmarks/first_token.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import rag

ROOT = Path(__file__).resolve().parent.parent
JUDGED = ROOT.parent / "shared" / "eval" / "questions.jsonl"
DELAY, READERS, COLD_RUNS = 0.2, 10, 3
BETWEEN = 0.02
ENGLISH = [f"{word} " for word in "This paper presents work on what was asked of it here".split()]
CHINESE = list("本文介绍了与所提问题有关的工作")


class Model(BaseHTTPRequestHandler):
    """Answers every chat with the evidence's first key, word by word, in its language."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Tell the one model."""
        self._send(json.dumps({"data": [{"id": "timed", "max_model_len": 16384}]}).encode())

    def do_POST(self) -> None:
        """Wait, then stream."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"]
        key = re.findall(r"^\d+\. \[(\w+)\]", asked, re.MULTILINE)[0]
        words = CHINESE if "请用中文" in asked else ENGLISH
        time.sleep(DELAY)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in [*words, f"[{key}]."]:
            delta = {"choices": [{"index": 0, "delta": {"content": word}}]}
            frame = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "timed"}
            self._chunk(b"data: " + json.dumps(frame | delta).encode() + b"\n\n")
            time.sleep(BETWEEN)
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def model() -> Iterator[str]:
    """Serve the model in a process of its own, so that it shares no lock with readers."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1#timed"
        finally:
            server.terminate()


def serve() -> None:
    """Serve until terminated; print the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    server.daemon_threads = True
    # A reader that leaves is no error.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    print(server.server_address[1], flush=True)
    server.serve_forever()


def ours(question: str, settings: rag.Settings) -> tuple[float, float] | None:
    """Return the seconds to the first and from the last word, less the model's own.

    None for a question that is answered without the model.
    """
    start, first, last = time.perf_counter(), 0.0, 0.0
    for event in rag.stream(question, settings=settings):
        if isinstance(event, rag.Token) and event.text:
            last = time.perf_counter()
            first = first or last - start - DELAY
        elif isinstance(event, rag.Done) and event.answer.mode == "generated":
            return first, time.perf_counter() - last
    return None


def at_once(questions: list[str], settings: rag.Settings) -> list[float]:
    """Return what each of several readers waited for the first word, less the model's delay."""
    waits: list[float] = []
    gate = threading.Barrier(len(questions))

    def read(question: str) -> None:
        gate.wait()
        if times := ours(question, settings):
            waits.append(times[0])

    threads = [threading.Thread(target=read, args=(q,)) for q in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(waits)


def cold(question: str, spec: str) -> list[float]:
    """Return the seconds to the first word of new processes, with and without `rag.prepare`."""
    code = (
        "import sys, time, rag\n"
        "settings = rag.Settings.from_env()\n"
        "if sys.argv[2] == 'prepared': rag.prepare(settings)\n"
        "start = time.perf_counter()\n"
        "for event in rag.stream(sys.argv[1], settings=settings):\n"
        "    if isinstance(event, rag.Token) and event.text: break\n"
        "print(time.perf_counter() - start)\n"
    )
    times = []
    for way in ("cold", "prepared"):
        runs = [
            subprocess.run(
                [sys.executable, "-c", code, question, way],
                env={**os.environ, "RAG_LLM": spec},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for _ in range(COLD_RUNS)
        ]
        times.append(statistics.median(map(float, runs)) - DELAY)
    return times


def asked(path: Path) -> list[str]:
    """Return the questions that are answered by a model; titles where the file is missing."""
    if not path.is_file():
        return [paper.title for paper in rag.papers()][:100]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["question"] for row in rows if row.get("style") in ("named", "described")][:200]


def main() -> None:
    """Measure, print and write the table."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else JUDGED
    questions = asked(path)
    with model() as spec:
        settings = rag.Settings.from_env({**os.environ, "RAG_LLM": spec})
        rag.ensure_index(settings)
        first, prepared = cold(questions[0], spec)
        rag.prepare(settings)
        pairs = [times for q in questions if (times := ours(q, settings))]
        groups = [questions[n : n + READERS] for n in range(0, len(questions), READERS)]
        waits = sorted(wait for group in groups for wait in at_once(group, settings))
    alone, ends = sorted(f for f, _ in pairs), sorted(e for _, e in pairs)
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {len(alone)} questions; a model on "
        f"loopback that sends its first word after {DELAY * 1000:.0f} ms.",
        "",
        "| our share, beside the model's own time | ms |",
        "| --- | --- |",
        f"| first word, p50 | {alone[len(alone) // 2] * 1000:.0f} |",
        f"| first word, p95 | {alone[int(len(alone) * 0.95)] * 1000:.0f} |",
        f"| checks after the last word, p50 | {ends[len(ends) // 2] * 1000:.0f} |",
        f"| checks after the last word, p95 | {ends[int(len(ends) * 0.95)] * 1000:.0f} |",
        f"| first word, {READERS} readers at once, p50 | {waits[len(waits) // 2] * 1000:.0f} |",
        f"| first word, {READERS} readers at once, slowest | {waits[-1] * 1000:.0f} |",
        f"| first word of a new process, median of {COLD_RUNS} | {first * 1000:.0f} |",
        f"| the same after `rag.prepare` | {prepared * 1000:.0f} |",
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "benchmarks" / "first_token.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
