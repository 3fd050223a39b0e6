"""The chat used by a reader in a real browser, with the real index of the seeds."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parent.parent
# As root there is no sandbox; the rest keeps Chromium from calling its maker.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()
SERVE = """
import rag, ui
settings = rag.Settings.from_env()
rag.ensure_index(settings)
ui.launch(settings, lambda address: print(address, flush=True))
"""
START = 600
ENGLISH = "Which paper defends agents against prompt injection with polymorphic prompts?"
CHINESE = "哪篇论文用多态提示词防御提示注入？"
LOCAL = {"127.0.0.1", "localhost"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the chat on a free port, with an index of its own."""
    folder = tmp_path_factory.mktemp("chat")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"RAG_INDEX": folder / "index", "RAG_DIGESTS": ROOT / "seeds", "RAG_PORT": port}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
    environment |= {name: str(value) for name, value in settings.items()}
    log = folder / "log"
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield wait_for(server, log)
        finally:
            server.terminate()
            server.wait(30)


def wait_for(server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(START):
        said = log.read_text(encoding="utf-8")
        if found := re.search(r"^http://\S+$", said, re.MULTILINE):
            return found[0]
        assert server.poll() is None, said
        time.sleep(1)
    raise AssertionError(log.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


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
        expect(self.page.locator("#index")).to_contain_text("166", timeout=60_000)

    def _refuse(self, dialog: object) -> None:
        self.dialogs.append(str(dialog))
        dialog.dismiss()  # type: ignore[attr-defined]

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
            u for u, p in parts if p.scheme in {"http", "https", "ws"} and p.hostname not in LOCAL
        ]


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Reader]:
    reader = Reader(browser, address)
    yield reader
    assert reader.strangers() == []
    assert reader.dialogs == []
    reader.context.close()


def test_an_answer_has_links_and_source_cards(reader: Reader, tmp_path: Path) -> None:
    answer = reader.ask(ENGLISH)
    links = answer.locator("a.cite")
    assert links.count() > 0
    for link in links.all():
        shown = link.inner_text()
        assert link.get_attribute("href") == f"https://arxiv.org/abs/{shown}"
        assert link.get_attribute("target") == "_blank"
    assert links.first.inner_text() == "2506.05739"
    card = reader.cards.first
    assert card.get_attribute("data-arxiv") == "2506.05739"
    expect(card).to_contain_text("Polymorphic Prompt")
    expect(card).to_contain_text("2025-06-09")
    quote = card.locator("mark").first.inner_text()
    assert quote in answer.inner_text()
    shot = tmp_path / "chat.png"
    reader.page.screenshot(path=shot)
    assert shot.stat().st_size > 10_000


def test_a_chinese_reader_gets_chinese(browser: Browser, address: str) -> None:
    phone = {"width": 390, "height": 844}
    reader = Reader(browser, address, locale="zh-CN", viewport=phone, color_scheme="dark")
    expect(reader.page.locator("#header")).to_contain_text("论文")
    answer = reader.ask(CHINESE)
    assert "2506.05739" in answer.inner_text()
    assert re.search("[\u4e00-\u9fff]{4}", answer.inner_text())
    assert reader.cards.count() > 0
    width = reader.page.evaluate("document.documentElement.scrollWidth")
    assert width <= phone["width"], "nothing sticks out on a phone"
    assert reader.strangers() == []
    reader.context.close()


def test_the_language_can_be_changed(reader: Reader) -> None:
    reader.ask(ENGLISH)
    reader.page.locator("#language label", has_text="中文").click()
    expect(reader.page.locator("#header")).to_contain_text("论文")
    expect(reader.page.locator("#sources-title")).to_contain_text("来源")
    assert "2506.05739" in reader.page.locator("#chat .answer").last.inner_text()


def test_a_filter_narrows_the_papers(reader: Reader) -> None:
    reader.page.locator("#filters > button").click()
    reader.page.locator("#categories input").click()
    reader.page.get_by_role("option", name=re.compile(r"^cs\.CL")).click()
    expect(reader.page.locator("#filters > button")).to_contain_text("1 active")
    reader.ask("language models")
    for card in reader.cards.all():
        expect(card).to_contain_text("cs.CL")
    reader.page.locator("#reset").click()
    expect(reader.page.locator("#filters > button")).not_to_contain_text("active")
    assert "2506.05739" in reader.ask(ENGLISH).inner_text()


def test_a_hostile_question_is_shown_and_not_run(reader: Reader) -> None:
    hostile = (
        "<img src=x onerror=alert(1)><script>alert(2)</script> ![x](http://evil.example/x.png) "
        "[y](javascript:alert(3)) UDora"
    )
    reader.ask(hostile)
    bubble = reader.page.locator("#chat .question").last
    assert bubble.inner_text() == hostile
    assert reader.page.locator("#chat img[src*=evil], #chat a[href^=javascript]").count() == 0


def test_what_is_not_in_the_digests_is_refused(reader: Reader) -> None:
    answer = reader.ask("What does 2601.99999 propose?")
    assert "refusal" in (answer.get_attribute("class") or "")
    assert "2601.99999" in answer.inner_text()
    assert answer.locator("a[href*='2601.99999']").count() == 0


def test_a_question_that_cannot_be_asked_gets_a_sentence(reader: Reader) -> None:
    answer = reader.ask("x" * 20_000)
    expect(answer).to_contain_text("characters")
    assert "Traceback" not in reader.page.content()


def test_a_conversation_goes_on_and_is_saved(reader: Reader) -> None:
    reader.ask(ENGLISH)
    reader.ask("And what are its results?")
    with reader.page.expect_download() as download:
        reader.page.locator("#save").click()
    saved = download.value.path().read_text(encoding="utf-8")
    assert saved.count("\n## ") == 1
    assert saved.startswith(f"## {ENGLISH}")
    with reader.page.expect_download() as download:
        reader.page.locator("#bibtex").click()
    assert "eprint = {2506.05739}" in download.value.path().read_text(encoding="utf-8")
    reader.page.locator("#clear").click()
    expect(reader.page.locator("#chat .answer")).to_have_count(0)
    expect(reader.cards).to_have_count(0)


def test_readers_do_not_see_each_other(browser: Browser, address: str) -> None:
    one, other = Reader(browser, address), Reader(browser, address)
    one.ask(ENGLISH)
    assert other.page.locator("#chat .answer").count() == 0
    other.ask("What is UDora?")
    assert one.page.locator("#chat .question").count() == 1
    one.context.close()
    other.context.close()


def test_the_index_can_be_rebuilt_while_questions_are_answered(reader: Reader) -> None:
    reader.page.locator("#index > button").click()
    expect(reader.page.locator("#state")).to_contain_text("166")
    reader.page.locator("#rebuild").click()
    reader.ask(ENGLISH)
    expect(reader.page.locator("#progress")).to_contain_text("175 entries", timeout=300_000)
