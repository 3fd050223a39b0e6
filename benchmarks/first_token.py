"""How much of the time to the first word is ours, and whether readers wait for each other.

    python benchmarks/first_token.py [QUESTIONS]

A server on loopback speaks OpenAI's protocol and sends its first word after a
known delay. Ours is the time from `rag.stream` to the first piece of text less
that delay. Ten readers then ask at the same moment, from Python and through the
chat's own queue, where the delay from the click to the first event that holds the
model's words counts. Takes a minute or two. Prints a Markdown table and writes it
with machine and date to benchmarks/first_token.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

import rag

ROOT = Path(__file__).resolve().parent.parent
JUDGED = ROOT.parent / "shared" / "eval" / "questions.jsonl"
DELAY, READERS, COLD_RUNS, ROUNDS = 0.2, 10, 3, 4
QUESTIONS = 60
BETWEEN = 0.02
# No question begins a word with these, so that a page tells when the answer has begun.
ENGLISH = [f"{word} " for word in "Verily this paper presents work on what was asked".split()]
CHINESE = list("兹答本文介绍了与所提问题有关的工作")


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
    # Five at once, the default, would make the others knock again a second later.
    ThreadingHTTPServer.request_queue_size = 4 * READERS
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


def at_once(questions: list[str], wait: Callable[[str], float | None]) -> list[float]:
    """Return what each of several readers waited for the first word, less the model's delay."""
    waits: list[float] = []
    gate = threading.Barrier(len(questions))

    def read(question: str) -> None:
        gate.wait()
        if (waited := wait(question)) is not None:
            waits.append(waited)

    threads = [threading.Thread(target=read, args=(q,)) for q in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


@contextmanager
def chat(spec: str) -> Iterator[str]:
    """Serve the chat in a process of its own; give its address once it has answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "RAG_LLM": spec, "RAG_PORT": str(port)}
    command = [sys.executable, "-m", "rag.cli", "ui"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if found := re.search(r"http://[\d.]+:\d+", line):
                    yield found[0]
                    break
        finally:
            server.terminate()


def in_chat(address: str, question: str) -> float | None:
    """Return what a reader of the chat waits for the first word, less the model's delay.

    None for a question that is answered without the model.
    """
    session = uuid.uuid4().hex
    with httpx.Client(base_url=address, timeout=120, trust_env=False) as http:
        config = http.get("/config").json()
        box = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "box")
        event = next(d for d in config["dependencies"] if [box, "submit"] in d["targets"])
        data = [question, None, "en", "", *[None] * (len(event["inputs"]) - 4)]
        body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": None}
        start, waited = time.perf_counter(), None
        http.post("/gradio_api/queue/join", json=body).raise_for_status()
        where = {"session_hash": session}
        with http.stream("GET", "/gradio_api/queue/data", params=where) as events:
            for line in events.iter_lines():
                if waited is None and (ENGLISH[0] in line or CHINESE[0] in line):
                    waited = time.perf_counter() - start - DELAY
                if "process_completed" in line:
                    break
    return waited


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
    """Return questions that a model answers; titles where the file is missing."""
    if not path.is_file():
        return [paper.title for paper in rag.papers()][:QUESTIONS]
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [line["question"] for line in lines if line.get("style") in ("named", "described")]
    return found[:: max(1, len(found) // QUESTIONS)][:QUESTIONS]


def main() -> None:
    """Measure, print and write the table."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else JUDGED
    questions = asked(path)
    groups = [questions[n * READERS :][:READERS] for n in range(ROUNDS)]
    with model() as spec:
        settings = rag.Settings.from_env({**os.environ, "RAG_LLM": spec})
        rag.ensure_index(settings)
        first, prepared = cold(questions[0], spec)
        rag.prepare(settings)
        pairs = [times for q in questions if (times := ours(q, settings))]
        waits = [w for group in groups for w in at_once(group, lambda q: first_word(q, settings))]
        with chat(spec) as address:
            in_chat(address, questions[0])
            clicks = [w for q in questions[:READERS] if (w := in_chat(address, q)) is not None]
            crowd = [w for group in groups for w in at_once(group, lambda q: in_chat(address, q))]
    rows = {
        "first word": [f for f, _ in pairs],
        "checks after the last word": [e for _, e in pairs],
        f"first word, {READERS} readers at once": waits,
        "first word in the chat": clicks,
        f"first word in the chat, {READERS} readers at once": crowd,
    }
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {len(pairs)} questions; a model on "
        f"loopback that sends its first word after {DELAY * 1000:.0f} ms and takes "
        f"{(len(ENGLISH) + 1) * BETWEEN + DELAY:.1f} s for an answer. New processes: the median of "
        f"{COLD_RUNS}.",
        "",
        "| our share in ms, beside the model's own time | n | p50 | p95 | most |",
        "| --- | --- | --- | --- | --- |",
        *(row(name, times) for name, times in rows.items()),
        row("first word of a new process", [first]),
        row("the same after `rag.prepare`", [prepared]),
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "benchmarks" / "first_token.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def first_word(question: str, settings: rag.Settings) -> float | None:
    """Return what a reader waits for the first word, less the model's delay."""
    times = ours(question, settings)
    return times and times[0]


def row(name: str, seconds: list[float]) -> str:
    """Return a line of the table."""
    ms = [round(s * 1000) for s in sorted(seconds)]
    p50, p95 = ms[len(ms) // 2], ms[int(len(ms) * 0.95)]
    return f"| {name} | {len(ms)} | {p50} | {p95} | {ms[-1]} |"


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
