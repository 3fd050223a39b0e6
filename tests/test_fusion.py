from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import fuse, likeness, weight_for

PAPER_IDS = st.sampled_from([f"2501.{n:05}" for n in range(8)])
COSINES = st.dictionaries(PAPER_IDS, st.floats(-1, 1, width=32))
BM25 = st.dictionaries(PAPER_IDS, st.floats(0, 100, exclude_min=True, width=32))
WEIGHTS = st.floats(0, 1)


@given(COSINES, BM25, WEIGHTS)
def test_fused_scores_lie_between_0_and_1_one_per_paper(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    assert set(fused) == dense.keys() | lexical.keys()
    assert all(0.0 <= score <= 1.0 for score in fused.values())


@given(COSINES, BM25, WEIGHTS)
def test_who_is_better_in_both_legs_is_not_worse_in_the_whole(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    for a in fused:
        for b in fused:
            near = dense.get(a, -math.inf) >= dense.get(b, -math.inf)
            words = lexical.get(a, 0.0) >= lexical.get(b, 0.0)
            if near and words:
                assert fused[a] >= fused[b] - 1e-12


@given(COSINES, BM25)
def test_at_the_ends_of_the_weight_one_leg_decides(
    dense: dict[str, float], lexical: dict[str, float]
) -> None:
    words, near = fuse(dense, lexical, 0.0), fuse(dense, lexical, 1.0)
    if lexical:
        assert words[max(lexical, key=lexical.__getitem__)] == max(words.values()) == 1.0
    if dense:
        assert near[max(dense, key=dense.__getitem__)] == max(near.values()) == 1.0


@given(COSINES, BM25, WEIGHTS, st.floats(0.5, 4, width=16))
def test_the_scale_of_bm25_does_not_matter(
    dense: dict[str, float], lexical: dict[str, float], weight: float, scale: float
) -> None:
    scaled = {paper: score * scale for paper, score in lexical.items()}
    assert fuse(dense, scaled, weight) == pytest.approx(fuse(dense, lexical, weight))


@given(COSINES, BM25, WEIGHTS, st.floats(1, 4))
def test_a_questions_weight_ranks_like_the_sum_of_cosine_and_share_of_the_words(
    dense: dict[str, float], lexical: dict[str, float], weight: float, room: float
) -> None:
    possible = room * max(lexical.values(), default=0.0)
    fused = fuse(dense, lexical, weight_for(dense, lexical, possible, weight))
    floor = min(dense.values(), default=0.0)
    raw = {
        paper: weight * dense.get(paper, floor)
        + (1 - weight) * 1.25 * lexical.get(paper, 0.0) / (possible or 1.0)
        for paper in fused
    }
    for a in fused:
        for b in fused:
            if raw[a] > raw[b] + 1e-6:
                assert fused[a] > fused[b] - 1e-9


def test_at_its_ends_the_weight_stays() -> None:
    dense, lexical = {"a": 0.9, "b": 0.1}, {"b": 9.0}
    assert weight_for(dense, lexical, 10.0, 0.0) == 0.0
    assert weight_for(dense, lexical, 10.0, 1.0) == 1.0
    assert weight_for({}, {}, 0.0, 0.5) == 0.5


def test_nothing_found_is_nothing_fused() -> None:
    assert fuse({}, {}, 0.5) == {}


@given(COSINES, BM25, WEIGHTS, st.floats(1, 4), st.floats(0.25, 4, width=16))
def test_what_doubles_all_of_bm25_leaves_the_weight(
    dense: dict[str, float], lexical: dict[str, float], weight: float, room: float, scale: float
) -> None:
    possible = room * max(lexical.values(), default=0.0)
    scaled = {paper: score * scale for paper, score in lexical.items()}
    expected = weight_for(dense, lexical, possible, weight)
    assert weight_for(dense, scaled, possible * scale, weight) == pytest.approx(expected)


def test_a_question_whose_words_are_found_weighs_words_more() -> None:
    dense = {"a": 0.9, "b": 0.1}
    rare, common = ({"b": score} for score in (9.0, 1.0))
    assert weight_for(dense, rare, 10.0, 0.5) < weight_for(dense, common, 10.0, 0.5)


def test_the_author_is_believed_before_the_digests() -> None:
    assert likeness(0.8, 0.4) == pytest.approx(0.7)
    assert likeness(0.4, 0.8) == pytest.approx(0.5)


def test_who_alone_tells_of_a_paper_decides() -> None:
    assert (likeness(0.6, None), likeness(None, 0.6), likeness(None, None)) == (0.6, 0.6, 0.0)
    assert likeness(None, -0.2) == likeness(-0.2, None) == -0.2
