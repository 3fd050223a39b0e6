"""A real HTTP server that speaks OpenAI's and Ollama's protocols from a script."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

_HOSTS = count()
KEY = re.compile(r"^\d+\. \[(\w+)\]", re.MULTILINE)


@dataclass
class Scripted:
    """What the server does with one request.

    In the pieces `{0}`, `{1}` … stand for the keys of the evidence, `{sentinel}`
    and `{nonce}` for those of the request. `raw` are bytes sent as they are,
    `thoughts` come first, in the field `apart` of each delta.
    """

    pieces: Sequence[str] = ()
    thoughts: Sequence[str] = ()
    apart: str = "reasoning_content"
    status: int = 200
    before: float = 0.0
    between: float = 0.0
    finish: str | None = "stop"
    usage: dict[str, Any] | None = None
    raw: bytes | None = None
    hang_up: bool = False
    error: str = "scripted"


@dataclass
class Script:
    """The queue of replies, and the bodies of the requests that came."""

    address: str = ""
    replies: list[Scripted] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    models: Any = field(default_factory=lambda: {"data": [{"id": "tiny", "max_model_len": 16384}]})
    models_status: int = 200
    hung_up: threading.Event = field(default_factory=threading.Event)
    meeting: threading.Barrier | None = None

    def enqueue(self, *replies: "Scripted | str") -> None:
        for reply in replies:
            self.replies.append(Scripted(split(reply)) if isinstance(reply, str) else reply)


def split(text: str, size: int = 3) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def prompt_of(body: dict[str, Any]) -> str:
    return "\n".join(str(m["content"]) for m in body["messages"])


def keys_of(body: dict[str, Any]) -> list[str]:
    return KEY.findall(prompt_of(body))


def filled(pieces: Sequence[str], body: dict[str, Any]) -> Iterator[str]:
    keys = keys_of(body)
    sentinel = re.search(r"NOT-IN-EVIDENCE-\w+", prompt_of(body))
    text = "\x00".join(pieces)
    for number, key in enumerate(keys):
        # A key's placeholder may be split between two pieces, as a key is in life.
        shape = "\x00?".join(map(re.escape, "{" + str(number) + "}"))
        text = re.sub(shape, lambda m, k=key: ("\x00" in m[0]) * f"{k[:2]}\x00{k[2:]}" or k, text)
    text = re.sub("\x00?".join("{sentinel}"), sentinel[0] if sentinel else "", text)
    nonce = body["messages"][-1]["content"].partition("\n")[0]
    text = re.sub("\x00?".join("{nonce}"), lambda _: nonce, text)
    yield from text.split("\x00")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.script.headers.append(dict(self.headers))
        self._json(self.script.models_status, self.script.models)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.headers.append(dict(self.headers))
        if self.path == "/api/show":
            found = body["model"] == "tiny"
            info = {"model_info": {"llama.context_length": 131072}} if found else {"error": "no"}
            self._json(200 if found else 404, info)
            return
        self.script.history.append(body)
        reply = self.script.replies.pop(0)
        if self.script.meeting:
            # Nobody is answered before all have asked.
            self.script.meeting.wait()
        try:
            self._reply(reply, body)
        except (BrokenPipeError, ConnectionResetError):
            self.script.hung_up.set()
            self.close_connection = True

    def _reply(self, reply: Scripted, body: dict[str, Any]) -> None:
        self._wait(reply.before)
        if reply.status != 200:
            self._json(reply.status, {"error": {"message": reply.error}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        frame = _ollama if self.path == "/api/chat" else _openai
        if reply.raw is not None:
            self._chunk(reply.raw)
        for thought in reply.thoughts:
            self._chunk(frame("", None, None, {reply.apart: thought}))
        for piece in filled(reply.pieces, body) if reply.pieces else ():
            self._chunk(frame(piece, None, None))
            self._wait(reply.between)
        if reply.hang_up:
            self.close_connection = True
            return
        if reply.raw is None:
            self._chunk(frame("", reply.finish, reply.usage))
            if frame is _openai:
                self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _wait(self, seconds: float) -> None:
        """Wait, and notice at once when the client has gone."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.connection.settimeout(min(left, 0.05))
            try:
                if not self.connection.recv(1):
                    raise ConnectionResetError
            except TimeoutError:
                pass
            finally:
                self.connection.settimeout(None)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _openai(
    piece: str,
    finish: str | None,
    usage: dict[str, Any] | None,
    more: dict[str, str] | None = None,
) -> bytes:
    chunk = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [
            {"index": 0, "delta": {"content": piece} | (more or {}), "finish_reason": finish}
        ],
    }
    if usage:
        chunk["usage"] = usage
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _ollama(
    piece: str,
    finish: str | None,
    usage: dict[str, Any] | None,
    more: dict[str, str] | None = None,
) -> bytes:
    line = {
        "model": "tiny",
        "message": {"role": "assistant", "content": piece} | (more or {}),
        "done": bool(finish),
    }
    if finish:
        line |= {"done_reason": finish, "prompt_eval_count": 7, "eval_count": 5}
    return json.dumps(line).encode() + b"\n"


def serve(use: Callable[[Script], None] | None = None) -> Iterator[Script]:
    """Yield a script whose server runs until the generator is resumed."""
    script = Script()
    handler = type("Handler", (_Handler,), {"script": script})
    # Models are kept by address, and a later server may get an earlier one's port.
    host = f"127.0.1.{next(_HOSTS) % 254 + 1}"
    with ThreadingHTTPServer((host, 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.block_on_close = False
        script.address = f"http://{host}:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield script
        finally:
            server.shutdown()
