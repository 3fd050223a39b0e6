"""Many readers, and one who stops, through the chat's own queue: real HTTP at both ends."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_browser import serving
from scripted import Script, Scripted, serve

from rag.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUESTION = "Which paper defends agents against prompt injection with polymorphic prompts?"
SAID = "Polymorphic prompts defend agents [{0}]."
READERS = 10


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


@pytest.fixture
def address(script: Script, seed_settings: Settings, tmp_path: Path) -> Iterator[str]:
    variables = {
        "RAG_LLM": f"{script.address}/v1#tiny",
        "RAG_INDEX": str(seed_settings.index_dir),
        # Of a machine that is busy with other tests, not the time is asked.
        "RAG_LLM_FIRST_TOKEN": "200",
        "RAG_LLM_TIMEOUT": "400",
    }
    with serving(["-m", "rag.cli", "ui"], tmp_path, **variables) as found:
        yield found


class Reader:
    """A reader's page as the server sees it, without a browser."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=120, trust_env=False)
        config = self.http.get("/config").json()
        box = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "box")
        self.event = next(
            d for d in config["dependencies"] if [box, "submit"] in map(list, d["targets"])
        )
        self.session = uuid.uuid4().hex

    def ask(self, question: str) -> str:
        """Put a question into the queue; return the event's id."""
        empty: list[Any] = [None] * (len(self.event["inputs"]) - 4)
        body = {
            "data": [question, None, "en", "", *empty],
            "fn_index": self.event["id"],
            "session_hash": self.session,
            "event_data": None,
        }
        joined = self.http.post("/gradio_api/queue/join", json=body)
        joined.raise_for_status()
        return str(joined.json()["event_id"])

    def answer(self) -> bool:
        """Wait for the end of what was asked; return whether it went well."""
        where = {"session_hash": self.session}
        with self.http.stream("GET", "/gradio_api/queue/data", params=where) as events:
            for line in events.iter_lines():
                told = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if told.get("msg") == "process_completed":
                    return bool(told["success"])
        return False

    def stop(self, event_id: str) -> None:
        body = {
            "session_hash": self.session,
            "fn_index": self.event["id"],
            "event_id": event_id,
        }
        # A connection of its own: the page's may end before the reply is read.
        address = self.http.base_url.join("/gradio_api/cancel")
        httpx.post(address, json=body, trust_env=False).raise_for_status()


def test_ten_readers_are_answered_at_the_same_time(script: Script, address: str) -> None:
    # The chat has only just begun, and all ten want what is loaded on first use. The
    # model answers nobody before all have asked: who queued behind another never would.
    script.meeting = threading.Barrier(READERS, timeout=120)
    script.enqueue(*[SAID] * READERS)
    readers = [Reader(address) for _ in range(READERS)]
    for reader in readers:
        reader.ask(QUESTION)
    found: list[bool] = []
    threads = [threading.Thread(target=lambda r=r: found.append(r.answer())) for r in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * READERS
    assert len(script.history) == READERS
    # However many asked, the model's server was asked once what it is.
    assert len(script.headers) == READERS + 1
    assert not script.meeting.broken


@pytest.mark.parametrize("reply", [Scripted([SAID], before=60), Scripted(["Poly"], between=60)])
def test_stopping_ends_the_request_to_the_model(
    script: Script, address: str, reply: Scripted
) -> None:
    script.enqueue(reply)
    reader = Reader(address)

    def watch() -> None:
        # The chat goes down under the page when the test ends.
        with suppress(httpx.RemoteProtocolError), closing(reader.http):
            reader.answer()

    watching = threading.Thread(target=watch, daemon=True)
    event_id = reader.ask(QUESTION)
    watching.start()
    until = time.monotonic() + 60
    while not script.history and time.monotonic() < until:
        time.sleep(0.05)
    assert script.history
    reader.stop(event_id)
    assert script.hung_up.wait(20)
