"""The chat without a browser: what is asked, shown, filtered, rebuilt and served."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import SEEDS

import rag
from ui import session, state
from ui.session import FIELDS, Conversation, Exchange
from ui.texts import text

UI = Path(__file__).resolve().parent.parent / "ui"
PAPER = rag.Paper(
    "2506.05739",
    "UDora: a title",
    "An abstract.",
    appearances=(rag.Appearance("d1", 3, 7, "cs.CR", date(2025, 6, 9), "new"),),
)
PASSAGE = rag.Passage("2506.05739/abstract", "2506.05739", "abstract", "en", "T", "An abstract.")
ANSWER = rag.Answer(
    "Why?",
    "Because [2506.05739].",
    "en",
    citations=(rag.Citation("2506.05739", "UDora: a title", PAPER.url),),
    hits=(rag.Hit(PAPER, PASSAGE, 0.9),),
)
EVENTS: tuple[rag.Event, ...] = (
    rag.Retrieved(ANSWER.hits),
    rag.Token("Be"),
    rag.Token("cause of [2506.00001]"),
    rag.Done(ANSWER),
)
STATUS = rag.Status(
    usable=True,
    built=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    encoder="small",
    entries=3,
    papers=2,
    passages=5,
    incomplete=1,
    digests={"d1": 2},
    days={date(2025, 6, 9): 1, date(2025, 6, 8): 1},
    categories={"cs.CR": 1},
    announce={"new": 2},
)
SETTINGS = rag.Settings()
EMPTY: dict[str, Any] = dict.fromkeys(FIELDS)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace the answering by `EVENTS`; return what it was asked."""
    calls: list[dict[str, Any]] = []

    def stream(question: str, **options: object) -> Iterator[rag.Event]:
        calls.append({"question": question, **options})
        yield from EVENTS

    monkeypatch.setattr(rag, "stream", stream)
    return calls


def ask(conversation: Conversation = (), question: str = "Why?") -> list[Conversation]:
    return list(session.ask(conversation, question, session.Way(), SETTINGS))


def test_only_public_names_of_the_product_are_used() -> None:
    for path in UI.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "rag":
                assert node.attr in rag.__all__, f"{path.name}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rag":
                assert node.module == "rag"
                assert {alias.name for alias in node.names} <= set(rag.__all__)
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("rag.") for alias in node.names)


def test_an_answer_grows_and_the_last_event_counts(asked: list[dict[str, Any]]) -> None:
    grown = ask()
    assert grown[0] == (Exchange("Why?"),)
    assert any(c[-1].partial.startswith("Be") for c in grown)
    assert grown[-1][-1].answer == ANSWER
    shown = session.messages(grown[-1], "en")
    assert [m["role"] for m in shown] == ["user", "assistant"]
    assert 'href="https://arxiv.org/abs/2506.05739"' in shown[1]["content"]
    assert "2506.00001" not in shown[1]["content"]


def test_ids_that_were_not_found_are_no_links_while_streaming() -> None:
    written = Exchange("q", partial="See [2506.05739] and [2506.00001]", known=("2506.05739",))
    content = session.messages((written,), "en")[1]["content"]
    assert content.count("href=") == 1


def test_the_conversation_is_the_history(asked: list[dict[str, Any]]) -> None:
    first = ask()[-1]
    broken = (*first, Exchange("Stopped one", trouble="Stopped."))
    ask(broken, "And then?")
    assert asked[-1]["history"] == [rag.Turn("Why?", ANSWER)]
    assert asked[-1]["settings"] is SETTINGS


def test_a_reader_may_do_without_the_model(asked: list[dict[str, Any]]) -> None:
    way = session.Way("zh", rag.Filters(categories=("cs.CL",)), "none")
    list(session.ask((), "为什么？", way, SETTINGS))
    assert asked[-1]["llm"] == "none"
    assert asked[-1]["filters"] == rag.Filters(categories=("cs.CL",))
    ask()
    assert asked[-1]["llm"] is None


def test_an_error_of_the_product_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def stream(*_: object, **__: object) -> Iterator[rag.Event]:
        yield EVENTS[0]
        raise rag.DigestRagError("There is no <b>index</b>.", "Build it.")

    monkeypatch.setattr(rag, "stream", stream)
    last = ask()[-1]
    assert last[-1].trouble == "There is no <b>index</b>. Build it."
    assert "&lt;b&gt;" in session.messages(last, "en")[1]["content"]
    assert session.turns(last) == []


def test_a_defect_is_logged_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stream(*_: object, **__: object) -> Iterator[rag.Event]:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(rag, "stream", stream)
    last = ask()[-1]
    assert "secret" not in session.messages(last, "zh")[1]["content"]
    assert "secret" in caplog.text


def test_stopping_keeps_what_was_written() -> None:
    cut = session.stopped((Exchange("q", partial="Half a sen"),), "en")
    content = session.messages(cut, "en")[1]["content"]
    assert "Half a sen" in content
    assert "Stopped." in content
    assert session.stopped(cut, "en") == cut
    done: Conversation = (Exchange("q", answer=ANSWER),)
    assert session.stopped(done, "en") == done
    assert session.stopped((), "en") == ()


def test_what_was_never_finished_is_marked_by_the_next_question(
    asked: list[dict[str, Any]],
) -> None:
    last = ask((Exchange("q", partial="Half a sen"),))[-1]
    assert last[0].trouble == "Stopped."
    assert last[1].answer == ANSWER


def test_closing_a_stream_closes_the_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def stream(*_: object, **__: object) -> Iterator[rag.Event]:
        try:
            yield from EVENTS
        finally:
            closed.append(True)

    monkeypatch.setattr(rag, "stream", stream)
    growing = session.ask((), "Why?", session.Way(), SETTINGS)
    next(growing), next(growing)
    growing.close()  # type: ignore[attr-defined]
    assert closed


def test_an_empty_form_filters_nothing() -> None:
    assert session.make_filters(EMPTY) == rag.Filters()
    blank = {name: [] if name in {"categories", "digests", "announce"} else "" for name in FIELDS}
    assert not session.make_filters(blank)


def test_a_form_becomes_filters() -> None:
    form = {
        "categories": ["cs.CL"],
        "digests": ["d1"],
        "since": "2025-06-01",
        "until": "2025-06-30",
        "announce": ["new", "cross"],
        "authors": "Ann Lee, 李明；Bo",
        "ids": "https://arxiv.org/abs/2506.05739v2 2506.00001",
    }
    assert session.make_filters(form) == rag.Filters(
        categories=("cs.CL",),
        authors=("Ann Lee", "李明", "Bo"),
        since=date(2025, 6, 1),
        until=date(2025, 6, 30),
        digests=("d1",),
        announce=("new", "cross"),
        arxiv_ids=("2506.05739", "2506.00001"),
    )


def test_what_is_no_id_is_not_ignored() -> None:
    assert session.make_filters({**EMPTY, "ids": "nonsense"}).arxiv_ids == ("nonsense",)


def test_papers_that_were_not_among_the_hits_are_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = rag.Paper("2506.00001", "Other", "")
    monkeypatch.setattr(rag, "papers", lambda filters, settings: [other])
    answer = rag.Answer("q", "a", "en", (rag.Citation("2506.00001", "Other", ""),))
    assert session.cited_papers([ANSWER, answer], SETTINGS) == {
        "2506.05739": PAPER,
        "2506.00001": other,
    }


def test_the_state_says_what_the_index_holds() -> None:
    page = state.state_html(STATUS, "en")
    for words in ("up to date", "2 from 3 entries", "2025-06-08 – 2025-06-09", "small", "d1 (2)"):
        assert words in page
    assert "out of date" in state.state_html(rag.Status(usable=True, problem="Old."), "en")
    missing = state.state_html(rag.Status(problem="There is <none>."), "zh")
    assert "尚未建立" in missing
    assert "&lt;none&gt;" in missing
    assert "2 papers" in state.state_line(STATUS, "en")


def test_a_long_row_of_digests_is_shortened() -> None:
    many = replace(STATUS, digests={f"d{n:03}": 1 for n in range(400)})
    page = state.state_html(many, "en")
    for words in ("400 in all", "d000", "d399"):
        assert words in page
    assert "d200" not in page


def test_choices_come_from_the_index() -> None:
    found = state.choices(STATUS, "zh")
    assert found["categories"] == [("cs.CR (1)", "cs.CR")]
    assert found["since"] == [("不限", ""), ("2025-06-08", "2025-06-08"), ("2025-06-09",) * 2]
    assert found["announce"] == [("新论文 (2)", "new")]


def test_examples_are_about_the_reader_s_own_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag, "status", lambda settings: STATUS)
    monkeypatch.setattr(rag, "papers", lambda filters, settings: [PAPER])
    english = state.example_questions(SETTINGS, "en")
    assert english[0] == "What is UDora and how does it work?"
    assert sorted(english) == sorted(state.example_questions(SETTINGS, "zh"))


def test_rebuilding_reports_and_ends_with_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_index(
        *, settings: rag.Settings, progress: Callable[[str, int, int], None]
    ) -> rag.Ledger:
        progress("embedding", 3, 9)
        progress("unheard of", 0, 1)
        return rag.Ledger(files=1, entries=3, papers=2)

    monkeypatch.setattr(rag, "build_index", build_index)
    lines = list(state.rebuild(SETTINGS, "en"))
    assert lines[0] == "Computing vectors … 3/9"
    assert lines[-1] == "Rebuilt: 3 entries, 2 papers, 0 failed."


@pytest.mark.slow
def test_every_stage_of_a_rebuild_has_a_name_of_its_own(
    tiny_settings: Callable[..., rag.Settings],
) -> None:
    settings = tiny_settings({path.name: path.read_bytes() for path in SEEDS.glob("004_*")})
    lines = list(state.rebuild(settings, "zh"))
    names = [line.split(" …")[0] for line in lines[:-1]]
    assert text("zh", "stage_other") not in names
    assert list(dict.fromkeys(names)) == ["读取速递", "计算向量", "写入", "校验", "校准拒答"]


def test_a_rebuild_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_index(**_: object) -> rag.Ledger:
        raise rag.DigestRagError("No paper could be read.")

    monkeypatch.setattr(rag, "build_index", build_index)
    assert list(state.rebuild(SETTINGS, "en")) == ["No paper could be read."]


def gradio(script: str, tmp_path: Path) -> dict[str, Any]:
    """Run a script with Gradio in a process of its own; return the JSON it prints.

    Gradio leaves event loops open, which pytest here takes for an error.
    """
    script = (
        "import json, socket, rag, ui\n"
        "from pathlib import Path\n"
        f"settings = rag.Settings(index_dir=Path({str(tmp_path)!r}))\n{script}"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=UI.parent, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_the_app_offers_no_interface_but_the_page(tmp_path: Path) -> None:
    script = """
from ui.app import build
app = build(settings)
seen = sorted({d["api_visibility"] for d in app.config["dependencies"]})
print(json.dumps({"visibility": seen, "analytics": app.analytics_enabled}))
"""
    assert gradio(script, tmp_path) == {"visibility": ["private"], "analytics": False}


@pytest.mark.slow
def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    script = """
import dataclasses
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    try:
        ui.launch(dataclasses.replace(settings, port=port))
    except rag.SettingError as error:
        print(json.dumps({"port": port, "said": str(error)}))
"""
    found = gradio(script, tmp_path)
    assert f"127.0.0.1:{found['port']}; the port is taken" in found["said"]
