"""Scores on judged questions: the metrics by literals, the reading of files, the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from rag import evaluate
from rag.errors import SettingError
from rag.evaluate import contains, evaluate_file, evaluate_self, read_questions, table
from rag.index import open_index
from rag.settings import Settings
from rag.types import Answer, Citation, Hit, Quote

SAFE, UDORA, PPA = "2505.20065", "2503.01908", "2506.05739"


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


def row(question: str = "What is it?", style: str = "named", **values: object) -> dict[str, Any]:
    return {"question": question, "style": style, "lang": "en", "gold": [SAFE], **values}


@pytest.fixture
def scores(seed_index: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:  # noqa: ANN401 (a function)
    """scores(row, cited, found, text=…): the means of one question with that answer."""
    store = open_index(seed_index).store

    def scored(
        judged: dict[str, Any], cited: list[str], found: list[str], **values: object
    ) -> dict[str, float]:
        citations = tuple(Citation(p.arxiv_id, p.title, p.url) for p in store.papers(cited))
        hits = tuple(Hit(p, store.passages_of(p.arxiv_id)[0], 1.0) for p in store.papers(found))
        fields: dict[str, Any] = {"text": "one two three", "language": "en", **values}
        canned = Answer("?", citations=fields.pop("citations", citations), hits=hits, **fields)
        monkeypatch.setattr(evaluate, "answer", lambda *_, **__: canned)
        report = evaluate_file(write(tmp_path / "q.jsonl", judged), seed_index)
        (group,) = report["groups"].values()
        assert group["n"] == 1
        return dict(group)

    return scored


@pytest.mark.parametrize(
    ("gold", "cited", "found", "wanted"),
    [
        ([SAFE], [SAFE], [SAFE], {"r1": 1, "r5": 1, "cited": 1, "precision": 1, "recall": 1}),
        ([SAFE], [UDORA], [UDORA, SAFE], {"r1": 0, "r5": 1, "cited": 0, "precision": 0}),
        ([SAFE], [], [], {"r1": 0, "r5": 0, "cited": 0, "precision": 0, "recall": 0}),
        ([SAFE, PPA], [SAFE], [SAFE], {"cited": 0, "precision": 1, "recall": 0.5}),
        ([SAFE], [SAFE, UDORA], [SAFE], {"cited": 1, "precision": 0.5, "recall": 1}),
        ([], [], [], {"precision": 1, "recall": 1, "r1": 0}),
        ([], [SAFE], [SAFE], {"precision": 0, "recall": 1}),
    ],
)
def test_metrics_by_literals(
    scores: Any,  # noqa: ANN401
    gold: list[str],
    cited: list[str],
    found: list[str],
    wanted: dict[str, float],
) -> None:
    group = scores(row(style="topic", gold=gold), cited, found)
    assert {name: group[name] for name in wanted} == wanted


def test_what_may_be_cited_too_does_no_harm(scores: Any) -> None:  # noqa: ANN401
    assert scores(row(also_ok=[UDORA]), [SAFE, UDORA], [SAFE])["precision"] == 1


def test_refusals_languages_words_and_keys(scores: Any) -> None:  # noqa: ANN401
    judged = row(answer_keys=[["three", "drei"], ["one"]])
    good = scores(judged, [SAFE], [SAFE])
    assert (good["keys"], good["refused"], good["in_language"], good["words"]) == (1, 0, 1, 3)
    assert good["keys_if_r1"] == 1
    bad = scores(judged, [SAFE], [UDORA], text="两个词", language="zh", is_refusal=True)
    assert (bad["keys"], bad["refused"], bad["in_language"], bad["words"]) == (0, 1, 0, 1.5)
    assert bad["keys_if_r1"] is None


def test_a_quote_that_is_not_in_the_paper_is_seen(scores: Any, seed_index: Settings) -> None:  # noqa: ANN401
    passage = open_index(seed_index).store.passages_of(SAFE)[0]
    for text, verbatim in ((passage.text[:40], 1), (passage.text[:40] + "#", 0)):
        quote = Quote(text, passage.part, passage.language, passage.id)
        cited = (Citation(SAFE, "T", "u", (quote,)),)
        assert scores(row(), [], [SAFE], citations=cited)["verbatim"] == verbatim


@pytest.mark.parametrize(
    ("text", "keys", "there"),
    [
        ("A gain of 12.5%", [["12.5%"]], True),
        (r"A gain of 12.5\%", [["12.5%"]], True),
        ("A gain of 12.5%", [[r"12.5\%"]], True),
        ("GPT-4O", [["gpt-4o"]], True),
        ("1,234 cases", [["1234"]], True),
        ("1234 cases", [["1,234"]], True),
        ("1,2 and 3", [["12"]], False),
        ("共 7 个阶段", [["7个"]], True),
        ("共7个", [["7 个"]], True),
        ("one", [["one", "two"]], True),
        ("one", [["one"], ["two"]], False),
        ("one two", [["one"], ["two"]], True),
        ("anything", [], True),
        ("anything", [[]], False),
    ],
)
def test_keys_are_compared_without_what_does_not_count(
    text: str, keys: list[list[str]], there: bool
) -> None:
    assert contains(text, keys) is there


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=60))
def test_a_text_contains_its_own_parts_in_any_case(before: str, key: str, after: str) -> None:
    assert contains(before + " " + key + " " + after, [[key]])
    assert contains(key, [[key.casefold()]])


@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"3",
        b'"text"',
        b"null",
        b"{}",
        b'{"question": "x"}',
        b'{"question": "x", "style": "named"}',
        b'{"question": 3, "style": "named", "lang": "en"}',
        b'{"turns": 3, "style": "chat", "lang": "en"}',
        b'{"turns": [3], "style": "chat", "lang": "en"}',
        b'{"question": "x", "style": "named", "lang": "en", "gold": 3}',
        b"",
        b"\n\n",
    ],
)
def test_a_bad_file_is_an_error_that_names_it(
    tmp_path: Path, seed_index: Settings, content: bytes
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=r"bad\.jsonl") as caught:
        evaluate_file(path, seed_index)
    assert "docs/evaluation.md" in caught.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path, seed_index: Settings) -> None:
    with pytest.raises(SettingError, match=r"none\.jsonl"):
        evaluate_file(tmp_path / "none.jsonl", seed_index)


def test_conversations_and_single_questions_are_read(tmp_path: Path) -> None:
    turns = [row("One?"), {**row("二？"), "lang": "zh"}]
    path = write(tmp_path / "q.jsonl", row(), {"style": "chat", "lang": "en", "turns": turns})
    single, talk = read_questions(path)
    assert [item.group for item in single] == ["named en"]
    assert [(item.group, item.language) for item in talk] == [("chat", "en"), ("chat", "zh")]


def test_a_report_on_the_real_index(tmp_path: Path, seed_index: Settings) -> None:
    said: list[str] = []
    turns = [row("What is SafeDPO?"), row("and its results?")]
    path = write(
        tmp_path / "q.jsonl",
        row("What is SafeDPO?", answer_keys=[["SafeDPO"]]),
        row("What was not judged?", gold=[]),
        row("How many GPUs did SafeDPO train on?", style="unanswerable", gold=[]),
        {"style": "chat", "lang": "en", "turns": turns},
    )
    report = evaluate_file(path, seed_index, said.append)
    assert report["questions"] == 4
    assert {name: group["n"] for name, group in report["groups"].items()} == {
        "named en": 2,
        "unanswerable": 1,
        "chat": 2,
    }
    assert report["groups"]["chat"]["cited"] == 1
    assert report["groups"]["unanswerable"]["refused"] == 1
    assert report["answers"]["quotes verbatim"].startswith("100.0%")
    assert said
    json.dumps(report)
    text = table(report)
    assert "| named en | 2 |" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(set(widths)) <= 2


def test_the_index_is_evaluated_on_its_own_papers(seed_index: Settings) -> None:
    report = evaluate_self(seed_index, count=3)
    assert set(report["groups"]) == {"known-item en", "known-item zh"}
    assert all(group["n"] == 3 for group in report["groups"].values())
    assert set(report["retrieval"]) == {"fused", "BM25 alone", "dense alone"}


def test_the_development_questions_can_be_read() -> None:
    path = SHARED / "eval" / "questions.jsonl"
    if not path.is_file():
        pytest.skip("the judged questions lie beside the checkout, and are not there")
    talks = list(read_questions(path))
    assert len(talks) > 100
    assert all(item.question for talk in talks for item in talk)
