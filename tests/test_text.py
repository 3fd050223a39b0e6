from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.text import clean, fold, has_han, language_of, sentence_spans, sentences, strip_invisible
from rag.types import Language

# Text as rich in traps as a digest: LaTeX, entities, both scripts, odd spaces.
PIECES = st.sampled_from(
    [
        *"\\{}$&;#%_~^\"'`-.!?。！？”) \t\n\r",
        *("\n\n", "\n  ", "\u3000", "\u00a0", "\u200b", "\u2028", "\ud800", "\\textbf{", "\\href{"),
        *("\\url{a}", "&amp;", "&lt;", "&#10;", "&#92;", "\text", "e.g.", "et al.", "3.5", "Fig."),
        *("word", "Word", "x", "A", "中", "文字", "GPT-4o", "https://x.y"),
    ]
)
TRAPS = st.lists(PIECES, max_size=25).map("".join)


@given(st.one_of(TRAPS, st.text()))
@example("one\n\ntwo")
@example("one\n  two")
@example("&amp;amp;lt;")
@example("\\textbf{\\emph{a}} \\textbf {\\emph\n{b}}")
def test_cleaning_twice_changes_nothing_more(raw: str) -> None:
    once = clean(raw)
    assert clean(once) == once


@given(TRAPS)
def test_cleaned_text_has_no_invisible_characters_and_no_odd_spaces(raw: str) -> None:
    cleaned = clean(raw)
    assert strip_invisible(cleaned) == cleaned
    assert "\t" not in cleaned
    assert "  " not in cleaned
    assert "\n\n\n" not in cleaned
    assert cleaned == cleaned.strip()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("A &amp; B", "A & B"),
        ("&#123;x&#125; &lt;b&gt;", "{x} <b>"),
        ("&amp;amp;", "&"),
        (r"53.8\% of \$5, a\_b, \#1", r"53.8% of \$5, a_b, #1"),
        (r"\textbf{bold} and \emph{very \textit{much}}", "bold and very much"),
        (r"see \url{https://a.b/c}", "see https://a.b/c"),
        (r"\href{https://a.b}{our code}", "our code (https://a.b)"),
        (r"\href{https://a.b}{https://a.b}", "https://a.b"),
        (r"na\"ive Erd\H{o}s, Andr\'e, \'{e}", r"naïve Erd\H{o}s, André, é"),
        ("a lost \textbf{tab}", "a lost tab"),
        ("$2 \times 2$ and $\theta$", r"$2 \times 2$ and $\theta$"),
        ("a\tb", "a b"),
        ("wrapped\nlines of\none sentence", "wrapped lines of one sentence"),
        ("a multi-\nagent system", "a multi-agent system"),
        ("dash -\nbreak", "dash - break"),
        ("大语言\n模型", "大语言模型"),
        ("大语言\nmodel", "大语言 model"),
        ("first\n\nsecond\n   third", "first\n\nsecond\n\nthird"),
        (
            "zero\u200bwidth \u202eevil\u202c \x07bell soft\u00adhyphen",
            "zerowidth evil bell softhyphen",
        ),
        ("full\u3000width\u00a0space", "full width space"),
        ("windows\r\nlines\rmac", "windows lines mac"),
        ("lone \udcff surrogate", "lone surrogate"),
        ("$\\alpha_{1}$ stays", "$\\alpha_{1}$ stays"),
        (" \n ", ""),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


# What a model's Markdown is made of; pieces meet in every order.
MARKDOWN = st.lists(
    st.sampled_from(
        [
            *("**", "*", "_", "__", ". ", "! ", "。", "？", "”", " ", "\n", "- ", "1. ", "# "),
            *("[2506.05739]", "A", "word", "e.g. ", "模型"),
        ]
    ),
    max_size=30,
).map("".join)


@given(TRAPS.map(clean) | MARKDOWN, st.sampled_from(["en", "zh"]))
def test_sentences_stand_verbatim_and_in_order_and_lose_nothing(
    text: str, language: Language
) -> None:
    at = 0
    spans = sentence_spans(text, language)
    assert [text[start:stop] for start, stop in spans] == sentences(text, language)
    assert all(stop <= then for (_, stop), (then, _) in pairwise(spans))
    for sentence in sentences(text, language):
        assert sentence
        assert sentence == sentence.strip()
        found = text.index(sentence, at)
        assert not text[at:found].strip()
        at = found + len(sentence)
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It gains 3.5 points. Good.", ["It gains 3.5 points.", "Good."]),
        ("Models, e.g. GPT, are used. Then", ["Models, e.g. GPT, are used.", "Then"]),
        ("Smith et al. Show it. So", ["Smith et al. Show it.", "So"]),
        ("See Fig. 3 for more. End.", ["See Fig. 3 for more.", "End."]),
        ("By J. Smith. Next.", ["By J. Smith.", "Next."]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("We use $x$. $y$ follows.", ["We use $x$.", "$y$ follows."]),
        ("a paragraph\n\nanother one", ["a paragraph", "another one"]),
        ("version 2.0 is out", ["version 2.0 is out"]),
        ("It wins. **UDora** is next.", ["It wins.", "**UDora** is next."]),
        ("**It wins.** *Then* it rests.", ["**It wins.**", "*Then* it rests."]),
        ("__One.__ _Two_ follow.", ["__One.__", "_Two_ follow."]),
        ("It uses a ** b. So c * d.", ["It uses a ** b.", "So c * d."]),
        ("", []),
    ],
)
def test_english_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text, "en") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("第一句。第二句！第三句？", ["第一句。", "第二句！", "第三句？"]),
        ("他说“好。”然后走了。", ["他说“好。”", "然后走了。"]),
        ("提升3.5个点，e.g. GPT-4。完", ["提升3.5个点，e.g. GPT-4。", "完"]),
        ("没有句号", ["没有句号"]),
        ("它更快。**UDora** 更准。", ["它更快。", "**UDora** 更准。"]),
        ("**它更快。**然后*更准。*完", ["**它更快。**", "然后*更准。*", "完"]),
    ],
)
def test_chinese_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text, "zh") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is it?", "en"),
        ("这是什么？", "zh"),
        ("PromptArmor 是做什么的", "zh"),
        ("哪篇用了 GPT-4o 和 Qwen2.5-VL", "zh"),
        ("Which paper mentions 火星?", "en"),
        ("四個字啊 one two three", "zh"),
        ("三個字 one two three", "en"),
        ("これは日本語の文章です", "en"),
        ("", "en"),
        ("2506.05739", "en"),
    ],
)
def test_language_of(text: str, expected: str) -> None:
    assert language_of(text) == expected


def test_has_han() -> None:
    assert has_han("a 中 b")
    assert not has_han("a か b")


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("José  ÁLVAREZ", "jose alvarez"),
        ("Straße", "strasse"),
        ("Ｆｕｌｌ", "full"),
        ("İstanbul", "istanbul"),
        ("Łukasz Bjørn Đặng", "lukasz bjorn dang"),
        ("张 伟", "张 伟"),
    ],
)
def test_fold(name: str, folded: str) -> None:
    assert fold(name) == folded


@given(st.text())
def test_folding_twice_changes_nothing_more(name: str) -> None:
    assert fold(fold(name)) == fold(name)
