"""A reader with a real browser in front of the chat, for the tests that use it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MARKS = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]
ROOT = Path(__file__).resolve().parent.parent
# As root there is no sandbox; the rest keeps Chromium from calling its maker.
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()
_START = 600
_LOCAL = {"127.0.0.1", "localhost"}


@contextmanager
def serving(command: list[str], folder: Path, **variables: str) -> Iterator[str]:
    """Run a command that serves the chat on a free port; give its address.

    Its index lies in `folder`, its digests are the seeds; `variables` are further ones
    of its environment.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"RAG_INDEX": folder / "index", "RAG_DIGESTS": ROOT / "seeds", "RAG_PORT": port}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
    environment |= {name: str(value) for name, value in settings.items()} | variables
    log = folder / "log"
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _wait_for(server, log)
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(_START):
        said = log.read_text(encoding="utf-8")
        if found := re.search(r"http://127\.0\.0\.1:\d+", said):
            return found[0]
        assert server.poll() is None, said
        time.sleep(1)
    raise AssertionError(log.read_text(encoding="utf-8"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


class Reader:
    """A page with what it requested, and the dialogs that scripts opened in it."""

    def __init__(self, browser: Browser, address: str, **options: object) -> None:
        wanted = {"locale": "en-US", "viewport": {"width": 1280, "height": 860}, **options}
        self.context = browser.new_context(**wanted)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.requested: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("dialog", self._refuse)
        self.page.goto(address)
        # The page is ready when it has been told its language.
        expect(self.page.locator("#header h1")).to_be_visible(timeout=60_000)

    def _refuse(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def ask(self, question: str) -> Locator:
        """Ask, wait for the whole answer, and return it."""
        done = self.page.locator("#chat .facts, #chat .trouble")
        count = done.count()
        self.page.fill("#box textarea", question)
        self.page.press("#box textarea", "Enter")
        expect(done).to_have_count(count + 1, timeout=120_000)
        expect(self.page.get_by_test_id("submit-button")).to_be_visible()
        return self.page.locator("#chat .answer").last

    @property
    def cards(self) -> Locator:
        return self.page.locator("#sources .card")

    def strangers(self) -> list[str]:
        """Return the requests that went to another host."""
        parts = [(url, urlsplit(url)) for url in self.requested]
        return [
            u for u, p in parts if p.scheme in {"http", "https", "ws"} and p.hostname not in _LOCAL
        ]
