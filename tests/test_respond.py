"""Which way a question is answered, from the papers alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from rag.chat import resolve
from rag.extract import length
from rag.index import Index, open_index
from rag.respond import Draft, quotes_for, respond
from rag.settings import Settings
from rag.types import Answer, Citation, Turn
from rag.understand import understand

SAFE, UDORA, PPA = "2505.20065", "2503.01908", "2506.05739"
VTOOL, PLANNING = "2505.19255", "2505.11409"
MARKER = re.compile(r"\[(\d{4}\.\d{4,5})\]")
Reply = Callable[..., Draft]


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


@pytest.fixture(scope="module")
def reply(index: Index, seed_index: Settings) -> Reply:
    """reply(question, ids cited before): the draft."""

    def replied(question: str, *before: str) -> Draft:
        papers = index.store.papers(before)
        cited = tuple(Citation(p.arxiv_id, p.title, p.url) for p in papers)
        history = [Turn("?", Answer("?", "", "en", cited))] if before else []
        understood = understand(question, index)
        return respond(index, understood, resolve(understood, history), seed_index)

    return replied


@pytest.mark.parametrize(
    "question",
    [
        "What is SafeDPO?",
        "SafeDPO是什么？",
        "Which paper defends agents against prompt injection with polymorphic prompts?",
        "哪篇论文用多态提示来防御提示注入？",
    ],
)
def test_one_paper_is_quoted_within_the_budget_and_open_to_a_model(
    reply: Reply, question: str
) -> None:
    draft = reply(question)
    (citation,) = draft.answer.citations
    assert draft.open
    assert citation.quotes
    assert length(draft.answer.text) <= 170
    for quote in citation.quotes:
        assert f"{quote.text} [{citation.arxiv_id}]" in draft.answer.text
    assert citation.title in draft.answer.text


@pytest.mark.parametrize(
    "question", ["Which papers here work on quantizing LLMs?", "哪些论文研究强化学习？"]
)
def test_a_list_has_one_line_and_one_citation_per_paper(reply: Reply, question: str) -> None:
    result = reply(question).answer
    items = [line for line in result.text.splitlines() if line.startswith("- ")]
    assert len(items) == len(result.citations) > 1
    for line, citation in zip(items, result.citations, strict=True):
        assert set(MARKER.findall(line)) == {citation.arxiv_id}
    assert str(len(items)) in result.text.splitlines()[0]


@pytest.mark.parametrize(
    "question",
    ["How do VTool-R1 and Visual Planning differ?", "VTool-R1 和 Visual Planning 有什么区别？"],
)
def test_a_comparison_is_a_table_with_every_cell_cited(reply: Reply, question: str) -> None:
    result = reply(question).answer
    assert {c.arxiv_id for c in result.citations} == {VTOOL, PLANNING}
    header, rule, *rows = result.text.splitlines()
    assert MARKER.findall(header) == [VTOOL, PLANNING]
    assert set(rule) <= set("| -")
    assert len(rows) >= 3
    for row in rows:
        _, first, second = re.split(r"(?<!\\)\|", row.strip("|"))
        assert set(MARKER.findall(first)) <= {VTOOL}
        assert set(MARKER.findall(second)) <= {PLANNING}
        for cell in (first, second):
            assert MARKER.findall(cell) or cell.strip() == "–"
    for citation in result.citations:
        assert len({q.text for q in citation.quotes}) == len(citation.quotes)


def test_a_comparison_of_three(reply: Reply) -> None:
    result = reply("Compare SafeDPO, UDora and VTool-R1").answer
    assert [c.arxiv_id for c in result.citations] == [SAFE, UDORA, VTOOL]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("how many cs.CL papers?", "count"),
        ("papers announced as replace", "list"),
        ("papers of 2025-06-09", "list"),
        ("papers by Ivan Vulic", "list"),
        ("Who wrote SafeDPO?", "field"),
        ("how many papers are there?", "count"),
        ("list all papers", "list"),
        ("列出所有论文", "list"),
    ],
)
def test_look_ups_are_closed_to_a_model(reply: Reply, question: str, kind: str) -> None:
    draft = reply(question)
    assert draft.answer.mode == "lookup"
    assert not draft.open
    assert not draft.answer.is_refusal
    assert draft.answer.kind == kind


def test_listing_all_papers_lists_all(reply: Reply) -> None:
    assert len(reply("list all papers").answer.citations) == 166
    assert "166" in reply("列出所有论文").answer.text


def test_authors_are_given_as_the_digest_prints_them(reply: Reply, index: Index) -> None:
    paper = index.store.paper(SAFE)
    assert paper is not None
    for question in ("Who wrote SafeDPO?", "SafeDPO的作者是谁？"):
        text = reply(question).answer.text
        assert all(author in text for author in paper.authors)


def test_a_look_up_by_category_says_which_digests_have_none(reply: Reply) -> None:
    for question in ("cs.CL papers", "cs.CL有多少篇论文？"):
        assert "004_550b361b9cc0b56f" in reply(question).answer.text


@pytest.mark.parametrize(
    "question",
    [
        "2599.99999",
        "papers by Zzyzx Qwerty",
        "last week's papers",
        "上周的论文",
        "cs.ZZ papers",
        "😀😀",
        "???",
    ],
)
def test_what_the_store_does_not_have_is_refused_without_a_marker(
    reply: Reply, question: str
) -> None:
    draft = reply(question)
    assert draft.answer.is_refusal
    assert not draft.open
    assert draft.answer.citations == ()
    assert not MARKER.findall(draft.answer.text)


@pytest.mark.parametrize(
    "question", ["How many GPUs did SafeDPO train on?", "SafeDPO用了多少块GPU？"]
)
def test_a_detail_that_is_not_stated_is_refused_with_what_is(reply: Reply, question: str) -> None:
    result = reply(question).answer
    assert result.is_refusal
    assert SAFE in [paper.arxiv_id for paper in result.nearest]
    assert {c.arxiv_id for c in result.citations} <= {SAFE}


def test_missing_authors_are_said_to_be_missing(reply: Reply) -> None:
    result = reply("Who wrote UDora?").answer
    assert result.is_refusal
    assert UDORA in result.text


def test_a_follow_up_is_about_the_paper_before(reply: Reply) -> None:
    draft = reply("and its results?", VTOOL)
    assert [c.arxiv_id for c in draft.answer.citations] == [VTOOL]
    assert draft.answer.searched


def test_a_comparison_with_the_paper_before(reply: Reply) -> None:
    result = reply("compare it with SafeDPO", VTOOL).answer
    assert [c.arxiv_id for c in result.citations] == [VTOOL, SAFE]


def test_an_answer_says_which_index_it_came_from(reply: Reply, index: Index) -> None:
    for question in ("What is SafeDPO?", "2599.99999", "cs.CL papers"):
        assert reply(question).answer.generation == index.manifest.generation


def test_quotes_keep_to_their_budget(index: Index) -> None:
    paper = index.store.paper(PPA)
    assert paper is not None
    small = quotes_for(index, "What is it?", "en", paper, 60)
    assert sum(length(quote.text) for quote in small) <= 60
    assert len(quotes_for(index, "What is it?", "en", paper, 0)) == 1
