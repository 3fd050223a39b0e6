"""The words around the papers' sentences: markers, tables, lists, refusals."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import compose
from rag.types import Filters, Language, Paper, Quote

MARKER = re.compile(r"\[(\d{4}\.\d{4,5})\]")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
ONE = Paper("2501.00001", "First: A Title", "About one.")
TWO = Paper("2501.00002", "Second Title", "About two.")


def quote(text: str, language: Language = "en") -> Quote:
    return Quote(text, "abstract", language, "2501.00001/abstract")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_one_paper_carries_its_marker(language: Language) -> None:
    quotes = [quote("One is.", language), quote("Two is.", language)]
    text = compose.one_paper(ONE, quotes, language)
    assert ONE.title in text
    assert set(MARKER.findall(text)) == {ONE.arxiv_id}
    for each in quotes:
        assert f"{each.text} [{ONE.arxiv_id}]" in text


def test_english_sentences_for_a_chinese_question_are_announced() -> None:
    foreign = compose.one_paper(ONE, [quote("One is.", "en")], "zh")
    native = compose.one_paper(ONE, [quote("是一。", "zh")], "zh")
    assert len(re.findall(r"[\u4e00-\u9fff]", foreign)) > len(
        re.findall(r"[\u4e00-\u9fff]", native)
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_has_a_line_and_a_marker_per_paper(language: Language) -> None:
    text = compose.many_papers([(ONE, [quote("One is.")]), (TWO, [quote("Two is.")])], language)
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert [set(MARKER.findall(line)) for line in lines] == [{ONE.arxiv_id}, {TWO.arxiv_id}]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_list_of_titles_says_how_many_are_left_out(language: Language) -> None:
    papers = [Paper(f"2501.{n:05}", f"Title {n}", "") for n in range(166)]
    text = compose.titles(papers, language)
    shown = MARKER.findall(text)
    assert shown == [p.arxiv_id for p in papers[: len(shown)]]
    assert str(166 - len(shown)) in text.splitlines()[-1]
    assert compose.titles(papers[:3], language).count("\n") == 2


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=2, max_size=2)
)
def test_a_table_keeps_its_shape_whatever_the_papers_say(texts: list[str]) -> None:
    papers = [Paper("2501.00001", texts[0] or "T", ""), Paper("2501.00002", texts[1] or "T", "")]
    cells = [[quote(text)] if text.strip() else [] for text in texts]
    table = compose.comparison(papers, [("row_what", cells), ("row_result", [[], []])], "en")
    rows = re.split(r"\r\n|[\n\r]", table)
    assert len(rows) == 4
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 4, row


def test_a_table_cites_every_cell_with_its_own_paper() -> None:
    rows = [("row_what", [[quote("One is.")], [quote("Two is.")]])]
    last = compose.comparison([ONE, TWO], rows, "zh").splitlines()[-1]
    cells = [MARKER.findall(cell) for cell in last.strip("|").split("|")]
    assert cells == [[], [ONE.arxiv_id], [TWO.arxiv_id]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_names_the_nearest_papers_and_cites_none(language: Language) -> None:
    text = compose.refusal(language, [ONE, TWO])
    assert not MARKER.findall(text)
    for paper in (ONE, TWO):
        assert paper.title in text
        assert paper.arxiv_id in text
    assert compose.refusal(language, [], "Because.") == "Because."


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters(), []),
        (Filters(categories=("cs.CL", "cs.LG")), ["cs.CL", "cs.LG"]),
        (Filters(authors=("Ivan Vulić",)), ["Ivan Vulić"]),
        (Filters(announce=("replace",)), ["replace"]),
        (Filters(since=date(2025, 6, 2), until=date(2025, 6, 8)), ["2025-06-02", "2025-06-08"]),
        (Filters(since=date(2025, 6, 2)), ["2025-06-02"]),
        (Filters(until=date(2025, 6, 8)), ["2025-06-08"]),
        (Filters(digests=("004",)), ["004"]),
        (Filters(arxiv_ids=("2501.00001",)), ["2501.00001"]),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_scope_says_every_restriction(
    filters: Filters, words: list[str], language: Language
) -> None:
    text = compose.scope(filters, language)
    assert bool(text) == bool(words)
    assert all(word in text for word in words)


def test_one_day_is_said_once() -> None:
    day = date(2025, 6, 9)
    assert compose.scope(Filters(since=day, until=day), "en").count("2025-06-09") == 1


def test_every_phrase_is_in_both_languages_with_the_same_values() -> None:
    for name, texts in compose._PHRASES.items():
        assert set(texts) == set(LANGUAGES), name
        values = [set(re.findall(r"\{(\w+)\}", text)) for text in texts.values()]
        assert values[0] == values[1], name


def test_a_citation_links_to_arxiv() -> None:
    citation = compose.cite(ONE, [quote("One is.")])
    assert citation.url == "https://arxiv.org/abs/2501.00001"
    assert (citation.arxiv_id, citation.title) == (ONE.arxiv_id, ONE.title)
    assert citation.quotes == (quote("One is."),)
