import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.cite import CitationStream, markers, tidy, without_markers

KEYS = {"k4m7x": "2506.05739", "b2c3d": "2505.00018", "z9q8w": "2502.02732"}
NEW_ID = re.compile(r"\d{4}\.\d{4,5}")
OLD_ID = re.compile(r"(?:hep-th|cs|math)/\d{7}")


def shown(pieces: Iterable[str], said: str = "") -> str:
    stream = CitationStream(KEYS, said=said)
    return "".join(stream.feed(piece) for piece in pieces) + stream.close()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A [k4m7x].", "A [2506.05739]."),
        ("A [K4M7X].", "A [2506.05739]."),
        ("A[k4m7x].", "A [2506.05739]."),
        ("甲【k4m7x】。", "甲[2506.05739]。"),
        ("甲［k4m7x］，乙〔b2c3d〕。", "甲[2506.05739]，乙[2505.00018]。"),
        ("甲（k4m7x、b2c3d）。", "甲[2506.05739] [2505.00018]。"),
        ("A `[k4m7x]` b", "A [2506.05739] b"),
        ("A [`k4m7x`] b", "A [2506.05739] b"),
        ("A `k4m7x` b", "A [2506.05739] b"),
        ("A [**k4m7x**] b", "A [2506.05739] b"),
        ("A [k4m7x, b2c3d; z9q8w].", "A [2506.05739] [2505.00018] [2502.02732]."),
        ("A [k4m7x-z9q8w].", "A [2506.05739] [2505.00018] [2502.02732]."),
        ("A [k4m7x to b2c3d].", "A [2506.05739] [2505.00018]."),
        ("A [z9q8w–k4m7x].", "A [2502.02732] [2506.05739]."),
        ("A [k4m7x][b2c3d].", "A [2506.05739] [2505.00018]."),
        ("A [k4m7x] [k4m7x].", "A [2506.05739]."),
        ("A [[k4m7x]].", "A [2506.05739]."),
        ("A ([k4m7x]).", "A [2506.05739]."),
        ("A (k4m7x).", "A [2506.05739]."),
        ("A [Source: k4m7x].", "A [2506.05739]."),
        ("甲[来源：k4m7x]。", "甲[2506.05739]。"),
        ("A [k4m7x: Table 2].", "A [2506.05739]."),
        ("A (k4m7x shows it).", "A ([2506.05739] shows it)."),
        ("Bare k4m7x here.", "Bare [2506.05739] here."),
        ("A [2506.05739v3].", "A [2506.05739]."),
        ("A [arXiv:2506.05739, 2401.99999].", "A [2506.05739]."),
        ("As arXiv:2506.05739v2 says", "As [2506.05739] says"),
        ("See https://arxiv.org/abs/2506.05739.", "See [2506.05739]."),
        ("[Poly](https://arxiv.org/pdf/2506.05739v1)", "[Poly] [2506.05739]"),
        ("A [k4m7x](x).", "A [2506.05739] (x)."),
    ],
)
def test_a_citation_becomes_the_marker_however_it_is_written(written: str, read: str) -> None:
    assert shown(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A [b3c4d].", "A."),
        ("A [b3c4d] b.", "A b."),
        ("A b3c4d b.", "A  b."),
        ("A [1]. B [2, 3]. C【4†source】。", "A. B. C。"),
        ("A [Source 3] b", "A b"),
        ("A (Smith et al., 2024) b", "A b"),
        ("A [2401.99999] b", "A b"),
        ("In 2401.99999 we", "In  we"),
        ("In arXiv:2401.99999v2, we", "In , we"),
        ("In 9999.12345678 we", "In  we"),
        ("In ２４０１．０５７３９ we", "In  we"),
        ("In 2401\\.05739 we", "In  we"),
        ("In 2401&#46;05739 we", "In  we"),
        ("In 2401**.**05739 we", "In  we"),
        ("In 2401\u200b.05739 we", "In  we"),
        ("In 2401[b3c4d].05739 we", "In  we"),
        ("In 2401<b></b>.05739 we", "In  we"),
        ("In 2401<think>x</think>.05739 we", "In  we"),
        ("In hep-th/9901001 and cs/0112017 we", "In  and  we"),
        ("[x](http://evil.example/2506.05739)", "[x] [2506.05739]"),
        ("![x](http://evil.example/q)", "![x]"),
        ("Go to http://evil.example/q now", "Go to  now"),
    ],
)
def test_what_is_not_in_the_evidence_vanishes(written: str, read: str) -> None:
    assert shown(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "List[int] and a[i] (see Figure 2) and [MASK].",
        "Scores lie in [0, 1]; p(x) < 0.05 and a < b and c > d.",
        "```python\nprint('x')\n```",
        "It has 1,024.5 tokens, 7.25% in 2025.01 (really).",
        "H2O2, B2B2C, GPT-4o, Qwen2.5-VL-7B and x9y.",
        "无标注（见图二）【重要】。",
    ],
)
def test_text_without_a_citation_passes_unchanged(text: str) -> None:
    assert shown(text) == text


def test_links_and_brackets_of_the_evidence_pass() -> None:
    said = "Code at https://github.com/a/b. Sizes [1, 2]. Model b3c4d."
    assert shown("See https://github.com/a/b, [1, 2], b3c4d.", said=said) == (
        "See https://github.com/a/b, [1, 2], b3c4d."
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<think>secret [k4m7x]</think>Yes.", "Yes."),
        ("<THINKING>a</think>b</THINKING>Yes.", "Yes."),
        ("Yes.<think>never closed", "Yes."),
        ("Yes.<thi", "Yes."),
        ("<|channel|>analysis<|message|>no<|end|><|channel|>final<|message|>Yes.", "Yes."),
        ("Yes.<|im_end|>", "Yes."),
        ("Yes.<｜end▁of▁sentence｜>", "Yes."),
        ("\u202eYes\x1b\x00.", "Yes."),
    ],
)
def test_reasoning_and_template_tokens_never_show(written: str, read: str) -> None:
    assert shown(written) == read


def test_reasoning_without_an_opening_tag_is_reported() -> None:
    stream = CitationStream(KEYS)
    stream.feed("hm</think>Yes.")
    assert stream.stray == len("hm</think>")


def test_the_sentinel_and_the_delimiters_are_caught_and_not_shown() -> None:
    stream = CitationStream(KEYS, nonces=["qwz77"], sentinel="NOT-IN-EVIDENCE-q7")
    out = stream.feed("Sorry. **NOT-IN-EVIDENCE-q7** END-qwz77!") + stream.close()
    assert out == "Sorry.  "
    assert stream.sentinel_seen


def test_markers_are_read_in_order_of_first_use() -> None:
    assert markers("a [2506.05739] b [2505.00018, 2506.05739][hep-th/9901001] [x] [1]") == [
        "2506.05739",
        "2505.00018",
        "hep-th/9901001",
    ]
    assert without_markers("A [2506.05739] [2505.00018]. B[2505.00018]。") == "A. B。"


def test_tidy_closes_the_gaps_of_dropped_citations() -> None:
    assert tidy("A (see ) b , . C ()。 D (来源：)\n\n\n\nE ") == "A b. C。 D\n\nE"


WRITTEN = (
    "k4m7x b2c3d z9q8w 2506.05739 2505.00018 b3c4d 2401.99999 2401 . 05739 arXiv: v2 [ ] 【 】 （ "
    "） ( ) ` ``` * <think> </think> < > <b> ， , ; - – &#46; \\ ２ ． hep-th/ 9901001 https:// "
    "arxiv.org/abs/ word [1] <|im_end|> 论文 ]( cs/0112017 <|channel|> final<|message|> a 7"
)
FRAGMENTS = st.sampled_from([*WRITTEN.split(), " ", "\n", "\u200b", "Li et al., 2024"])
TEXTS = st.one_of(
    st.lists(FRAGMENTS, max_size=25).map("".join),
    st.text(max_size=80),
    st.text(alphabet="0123456789.[]`v xbkc", max_size=80),
)


@settings(max_examples=500, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_the_split_into_tokens_changes_nothing(text: str, cuts: list[int]) -> None:
    at = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(at)]
    assert shown(pieces) == shown([text]) == shown(list(text))


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
@example("Li et al., 2024，2506.057392506.05739")
@example("hep-th/2401（）2401")
def test_no_id_outside_the_evidence_ever_comes_out(text: str) -> None:
    for read in (shown([text]), tidy(shown([text]))):
        assert set(NEW_ID.findall(read)) <= set(KEYS.values())
        assert not OLD_ID.findall(read)
        assert set(markers(read)) <= set(KEYS.values())
        assert "<think>" not in read
