"""The chat in a real browser when answers are slow, broken or hostile."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from chat_browser import MARKS, Reader, chromium, serving
from playwright.sync_api import Browser, expect

pytestmark = MARKS

# A server whose answers are scripted; what it shows of them is the real thing.
SERVE = """
import time
import rag, ui

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> ![x](http://evil.example/x.png) "
    "[y](javascript:alert(3)) ${alert(4)} {{x}} <iframe src=//evil.example></iframe>"
)

def stream(question, **_):
    appearance = rag.Appearance(HOSTILE, 1, 1, category=HOSTILE)
    paper = rag.Paper("2506.00001", HOSTILE, HOSTILE, (HOSTILE,), (), (appearance,))
    passage = rag.Passage("2506.00001/abstract", "2506.00001", "abstract", "en", HOSTILE, HOSTILE)
    yield rag.Retrieved((rag.Hit(paper, passage, 0.5),))
    if "slow" in question:
        for n in range(50):
            time.sleep(0.1)
            yield rag.Token(f"word{n} ")
    if "broken" in question:
        raise ZeroDivisionError("secret")
    quote = rag.Quote(HOSTILE, "abstract", "en", passage.id)
    citation = rag.Citation(paper.arxiv_id, HOSTILE, "javascript:alert(5)", (quote,))
    text = f"{HOSTILE} [2506.00001] [2506.00002]"
    yield rag.Token(text)
    yield rag.Done(rag.Answer(question, text, "en", (citation,), notes=(HOSTILE,)))

rag.stream = stream
ui.launch(rag.Settings.from_env())
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(["-c", SERVE], tmp_path_factory.mktemp("scripted")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Reader]:
    reader = Reader(browser, address)
    yield reader
    assert reader.strangers() == []
    assert reader.dialogs == []
    reader.context.close()


def test_hostile_papers_and_answers_are_shown_and_not_run(reader: Reader) -> None:
    answer = reader.ask("anything")
    expect(answer).to_contain_text("<script>alert(2)</script> ![x](http://evil.example/x.png)")
    expect(reader.cards.first).to_contain_text("${alert(4)} {{x}} <iframe")
    addresses = reader.page.eval_on_selector_all(
        "#chat .answer a, #sources a", "links => links.map(link => link.href)"
    )
    assert set(addresses) == {"https://arxiv.org/abs/2506.00001"}
    assert (
        reader.page.locator("#chat .answer, #sources").locator("img, script, iframe").count() == 0
    )


def test_messages_are_not_read_out_as_html(reader: Reader) -> None:
    reader.ask("anything")
    assert reader.page.locator('#chat [aria-label*="<div"]').count() == 0


def test_an_answer_can_be_stopped(reader: Reader) -> None:
    page = reader.page
    page.fill("#box textarea", "slow one")
    page.press("#box textarea", "Enter")
    expect(page.locator("#chat .answer")).to_contain_text("word3")
    page.get_by_test_id("stop-button").click()
    expect(page.locator("#chat .answer.trouble")).to_contain_text("Stopped.")
    expect(page.locator("#chat .answer").first).to_contain_text("word3")
    expect(page.get_by_test_id("submit-button")).to_be_visible()
    reader.ask("anything")
    assert page.locator("#chat .question").count() == 2


def test_readers_do_not_wait_for_each_other(browser: Browser, address: str) -> None:
    readers = [Reader(browser, address) for _ in range(3)]
    started = time.monotonic()
    for reader in readers:
        reader.page.fill("#box textarea", "slow one")
        reader.page.press("#box textarea", "Enter")
    for reader in readers:
        expect(reader.page.locator("#chat .facts")).to_be_visible(timeout=30_000)
    assert time.monotonic() - started < 3 * 5
    for reader in readers:
        reader.context.close()


def test_a_defect_is_a_sentence_without_details(reader: Reader) -> None:
    answer = reader.ask("broken")
    expect(answer).to_contain_text("Something went wrong")
    assert "secret" not in reader.page.content()
    assert "Traceback" not in reader.page.content()


def test_without_an_index_the_page_says_so(reader: Reader) -> None:
    expect(reader.page.locator("#index")).to_contain_text("none yet")
