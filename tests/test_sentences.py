"""Where a passage's sentences stand, and what vectors they get."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import in_steps, pooled, spans_of

TEXTS = st.text(st.sampled_from("ab Z.。！?\n 猫狗１$"), max_size=60)


@given(TEXTS, TEXTS)
def test_spans_cover_the_text_but_for_the_title(title: str, body: str) -> None:
    title = title.replace("\n", " ")
    text = f"{title}\n{body}"
    spans = spans_of(text)
    covered = "".join(text[a:b] for a, b in spans)
    assert "".join(covered.split()) == "".join((body if body.strip() else title).split())
    assert all(a < b for a, b in spans)
    assert spans == sorted(spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A title\nOne here. Two there.", ["One here.", "Two there."]),
        ("A title\n一句话。两句话！", ["一句话。", "两句话！"]),
        ("A title\n一句话。\n两句话", ["一句话。", "两句话"]),
        ("A title. And more\n", ["A title.", "And more"]),
        ("No line break. At all", ["No line break.", "At all"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_the_sentences_of_a_passage(text: str, expected: list[str]) -> None:
    assert [text[a:b] for a, b in spans_of(text)] == expected


def test_a_sentence_is_the_mean_of_its_tokens() -> None:
    states = np.eye(6, dtype=np.float32)
    # The ends stand for no text; the last span was cut off, the second has one token.
    offsets = [(0, 0), (0, 3), (4, 8), (9, 10), (10, 11), (0, 0)]
    found = pooled(states, offsets, [(0, 8), (9, 10), (10, 30), (30, 40)])
    half = 0.5**0.5
    expected = [[0, half, half, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert pooled(states, offsets, []).shape == (0, 6)
    assert pooled(states[:0], [], [(0, 3)]).shape == (0, 6)


def test_steps_come_back_within_half_a_step() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 33)).astype(np.float32)
    rows[7] = 0
    steps, scale = in_steps(rows)
    assert steps.dtype == np.int8
    assert np.all(np.abs(steps * scale[:, None] - rows) <= scale[:, None] / 2 + 1e-6)
    assert in_steps(rows[:0])[0].shape == (0, 33)
