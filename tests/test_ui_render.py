"""Whatever a digest, a model or a reader writes, the page shows it as text."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rag
from ui.cards import mark, panel_html
from ui.export import bibtex, markdown
from ui.render import answer_body, answer_html, escape, link, partial_html, question_html
from ui.texts import KEYS, preferred, text

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "![x](http://evil.example/a.png)",
    "[click](javascript:alert(1))",
    "[2506.05739](https://evil.example)",
    "](javascript:alert(1))",
    "<javascript:alert(1)>",
    "http://evil.example www.evil.example",
    "$$\\href{javascript:alert(1)}{x}$$",
    "${alert(1)} {{constructor}} `x`",
    '```mermaid\nclick A href "javascript:alert(1)"\n```',
    "\u202ecod.exe\u2066\u200b",
    "</div></article>\n\n<iframe src=//evil.example>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "| a | <b onclick=alert(1)>b |\n|---|---|\n| [2506.05739] | ![](//e) |",
    "[x]: http://evil.example\n\n[x]",
    "a\r\n\r\n<b>b",
    "<style>*{display:none}</style><base href=//evil.example><meta http-equiv=refresh>",
)
ALLOWED = {
    "a": {"class", "href", "title", "target", "rel"},
    "article": {"class", "data-arxiv"},
    "blockquote": {"lang"},
    "br": set(),
    "code": set(),
    "details": set(),
    "div": {"class"},
    "header": set(),
    "hr": set(),
    "li": set(),
    "mark": set(),
    "ol": {"start"},
    "p": {"class", "lang"},
    "pre": set(),
    "span": {"class", "title", "role", "aria-label", "aria-hidden"},
    "summary": set(),
    "td": {"style"},
    "th": {"style"},
    "ul": {"class"},
} | {tag: set[str]() for tag in "h1 h2 h3 h4 h5 h6 em strong table thead tbody tr".split()}
ANYTHING = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=6).map("".join),
)


class Checker(HTMLParser):
    """Fails on a tag, an attribute or an address that is not meant; keeps the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert name in ALLOWED[tag], (tag, name)
            if name == "style":
                assert value in {"text-align:left", "text-align:right", "text-align:center"}
            if name == "href":
                assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", value or "")
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        self.seen += data

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)


def check(page: str) -> Checker:
    assert "\n" not in page
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


def paper(arxiv_id: str = "2506.05739", words: str = "An abstract.") -> rag.Paper:
    appearance = rag.Appearance(words, 1, 1, category=words, announce="new")
    return rag.Paper(arxiv_id, words, words, (words,), (words,), (appearance,))


def reply(words: str, *, is_refusal: bool = False) -> rag.Answer:
    quote = rag.Quote(words, "abstract", "en", "2506.05739/abstract")
    passage = rag.Passage("2506.05738/abstract", "2506.05738", "abstract", "en", words, words)
    return rag.Answer(
        question=words,
        text=words,
        language="en",
        citations=(rag.Citation("2506.05739", words, "javascript:alert(1)", (quote,)),),
        is_refusal=is_refusal,
        hits=(rag.Hit(paper("2506.05738", words), passage, 0.5),),
        nearest=(paper("2506.05737", words),) if is_refusal else (),
        notes=(words,),
    )


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_is_shown_and_not_run(words: str) -> None:
    check(question_html(words))
    check(partial_html(words, ["2506.05739"]))
    for language in ("en", "zh"):
        for is_refusal in (False, True):
            answer = reply(words, is_refusal=is_refusal)
            check(answer_html(answer, language, 0.1))
            check(panel_html(answer, {"2506.05739": paper(words=words)}, language))


@given(ANYTHING)
def test_any_text_gives_only_what_is_meant(words: str) -> None:
    check(question_html(words))
    check(answer_html(reply(words), "en"))
    check(panel_html(reply(words), {"2506.05739": paper(words=words)}, "zh"))


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"])))
def test_escaping_keeps_every_visible_character(words: str) -> None:
    assert html.unescape(escape(words)) == words


@given(ANYTHING, st.lists(ANYTHING, max_size=3))
def test_marking_quotes_keeps_the_passage(passage: str, quotes: list[str]) -> None:
    body = mark(passage, [*quotes, passage[2:5]])
    assert re.sub("</?mark>", "", body) == "".join(map(escape, passage))


def test_quotes_are_marked_where_they_stand() -> None:
    assert mark("One. Two < three. Four.", ["Two < three."]) == (
        "One. <mark>Two &lt; three.</mark> Four."
    )


def test_only_markers_of_known_papers_become_links() -> None:
    body = answer_body("Yes [2506.05739]. No [2506.00001].", {"2506.05739": "A title"})
    assert check(body).links == ["https://arxiv.org/abs/2506.05739"]
    assert "[2506.00001]" in body
    assert 'title="A title"' in body


def test_a_link_to_what_is_no_arxiv_id_is_text() -> None:
    assert link("2506.05739/../../evil", "x") == "x"
    assert link("2506.05739\n", "x") == "x"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("**bold** and *so*", "<p><strong>bold</strong> and <em>so</em></p>"),
        ("one\ntwo", "<p>one<br>two</p>"),
        ("## Head", "<h2>Head</h2>"),
        (r"as \alpha, ``so'' snake_case_name", None),
        ("R*-trees and A*-search, $5 and $10", None),
    ],
)
def test_answers_may_use_a_little_markdown(words: str, shown: str | None) -> None:
    body = answer_body(words, {})
    if shown is None:
        assert html.unescape(re.sub("<.*?>", "", body)) == words
    else:
        assert body == shown


def test_formulas_are_not_taken_for_emphasis() -> None:
    body = answer_body("from $x^*_i$ to $y^*_j$", {})
    assert "<em>" not in body
    assert body.count('<span class="math">') == 2


def test_a_table_becomes_a_table() -> None:
    body = answer_body(
        "| | A | B |\n|---|---|---|\n| What | x [2506.05739] | y |", {"2506.05739": ""}
    )
    assert body.count("<td>") == 3
    assert check(body).links


def test_the_panel_says_what_a_paper_is() -> None:
    panel = panel_html(reply("Words."), {"2506.05739": paper(words="Words.")}, "en")
    assert 'data-arxiv="2506.05739"' in panel
    assert "<mark>Words.</mark>" in panel
    assert "2506.05738" in panel, "also found"
    assert text("en", "sources_empty")[:10] in panel_html(None, {}, "en")


def test_machine_made_summaries_are_labelled() -> None:
    made = rag.Quote("本文提出。", "tldr", "zh", "2506.05739/tldr@x")
    citation = rag.Citation("2506.05739", "T", "", (made,))
    answer = rag.Answer("q", "a", "zh", (citation,))
    assert "机器生成" in panel_html(answer, {"2506.05739": paper()}, "zh")


def test_every_text_stands_in_both_languages() -> None:
    values = dict.fromkeys(("n", "s", "papers", "entries", "failed", "model"), 3)
    for key in KEYS:
        english, chinese = text("en", key, **values), text("zh", key, **values)
        assert english
        assert re.search("[\u4e00-\u9fff]", chinese), key


def test_the_browser_language_decides_at_first() -> None:
    assert preferred("zh-CN,zh;q=0.9,en;q=0.8") == "zh"
    assert preferred("en-US,en;q=0.9,zh;q=0.8") == "en"
    assert preferred("") == "en"


@pytest.mark.parametrize("words", HOSTILE)
def test_exports_keep_hostile_text_harmless(words: str) -> None:
    turns = [rag.Turn(words, reply(words))]
    exported = markdown(turns)
    assert exported.startswith("## ")
    assert "](javascript" not in exported.replace(reply(words).text.strip(), "")
    entry = bibtex(turns, {"2506.05739": paper(words=words)})
    assert entry.startswith("@misc{arXiv:2506.05739,\n")
    assert entry.replace(r"\{", "").count("{") == entry.replace(r"\}", "").count("}")


def test_bibtex_says_what_is_known() -> None:
    author = rag.Paper("2506.05739", "T", "A", ("Ann Lee", "Bo Li"), ("cs.CR",))
    answer = rag.Answer("q", "a", "en", (rag.Citation("2506.05739", "50% of R&D", ""),))
    entry = bibtex([rag.Turn("q", answer)], {"2506.05739": author})
    for line in (
        r"title = {{50\% of R\&D}}",
        "author = {Ann Lee and Bo Li}",
        "year = {2025}",
        "month = {6}",
        "primaryClass = {cs.CR}",
    ):
        assert line in entry


def generated(text: str, *checked: tuple[str, str]) -> rag.Answer:
    verdicts = [{"shown": shown, "verdict": {"label": label}} for shown, label in checked]
    return rag.Answer("q", text, "en", mode="generated", model={"verdicts": verdicts})


def test_each_checked_sentence_carries_a_mark_that_says_what_it_means() -> None:
    text = "It works [2506.05739]. It may. It does not. Who knows?"
    answer = generated(
        text, ("It works [2506.05739].", "supported"), ("It may.", "partly"),
        ("It does not.", "unsupported"),
    )  # fmt: skip
    page = answer_html(answer, "en")
    marks = re.findall(r'class="verdict (\w+)" role="img" aria-label="([^"]+)" title', page)
    assert [label for label, _ in marks] == ["supported", "partly", "unsupported"]
    # A sign of its own each, not a colour alone.
    assert len(set(re.findall(r'role="img"[^>]*>(.)<', page))) == 3
    assert page.index("It may.") < page.index("supported in part") < page.index("It does not.")
    assert page.count('class="legend"') == 1
    chinese = answer_html(answer, "zh")
    assert 'title="部分支持"' in chinese
    assert "supported in part" not in chinese


def test_an_answer_without_checks_has_no_marks() -> None:
    assert "verdict" not in answer_html(rag.Answer("q", "It works.", "en"), "en")


@pytest.mark.parametrize("words", HOSTILE)
def test_marks_do_not_let_hostile_text_through(words: str) -> None:
    answer = generated(f"{words} \ue0f0supported\ue0f1", (words, "unsupported"), (words, "</p>"))
    page = answer_html(answer, "en")
    assert page.count('role="img"') <= 1
    assert "\ue0f0" not in page
    check(page)
