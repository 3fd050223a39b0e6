"""The chat used by a reader in a real browser, with the real index of the seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_browser import MARKS, Reader, chromium, serving
from playwright.sync_api import Browser, expect

ENGLISH = "Which paper defends agents against prompt injection with polymorphic prompts?"
CHINESE = "哪篇论文用多态提示词防御提示注入？"

pytestmark = MARKS


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(["-m", "rag.cli", "ui"], tmp_path_factory.mktemp("chat")) as found:
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


def test_earlier_sources_come_back_on_a_click(reader: Reader) -> None:
    reader.ask(ENGLISH)
    reader.ask("What is UDora?")
    assert reader.cards.first.get_attribute("data-arxiv") == "2503.01908"
    reader.page.locator("#chat .answer").first.click(position={"x": 5, "y": 5})
    expect(reader.cards.first).to_have_attribute("data-arxiv", "2506.05739")


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


def test_what_was_understood_is_taken_back_with_a_click(reader: Reader) -> None:
    narrow = reader.ask("How many cs.CL papers are there?").inner_text()
    chips = reader.page.locator("#chips")
    expect(chips).to_contain_text("Category: cs.CL")
    done = reader.page.locator("#chat .facts")
    count = done.count()
    chips.locator(".token-remove").first.click()
    expect(reader.page.locator("#chat .answer").last).to_contain_text("166", timeout=60_000)
    expect(done).to_have_count(count)
    expect(chips).not_to_be_visible()
    assert "166" not in narrow
    reader.ask("What is SafeDPO?")
    reader.ask("and its results?")
    expect(chips).to_contain_text("About: 2505.20065")


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
