from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import attended, fuse, share_of_words, weight_for, weighted_likeness

PAPER_IDS = st.sampled_from([f"2501.{n:05}" for n in range(8)])
COSINES = st.dictionaries(PAPER_IDS, st.floats(-1, 1, width=32))
BM25 = st.dictionaries(PAPER_IDS, st.floats(0, 100, exclude_min=True, width=32))
SHARES = st.dictionaries(PAPER_IDS, st.floats(0, 1.5, exclude_min=True, width=32))
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


@given(COSINES, SHARES, WEIGHTS)
def test_a_questions_weight_ranks_like_the_sum_of_cosine_and_share_of_the_words(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight_for(dense, lexical, weight))
    floor = min(dense.values(), default=0.0)
    raw = {
        paper: weight * dense.get(paper, floor) + (1 - weight) * 1.25 * lexical.get(paper, 0.0)
        for paper in fused
    }
    for a in fused:
        for b in fused:
            if raw[a] > raw[b] + 1e-6:
                assert fused[a] > fused[b] - 1e-9


def test_at_its_ends_the_weight_stays() -> None:
    dense, lexical = {"a": 0.9, "b": 0.1}, {"b": 0.9}
    assert weight_for(dense, lexical, 0.0) == 0.0
    assert weight_for(dense, lexical, 1.0) == 1.0
    assert weight_for({}, {}, 0.5) == 0.5


def test_nothing_found_is_nothing_fused() -> None:
    assert fuse({}, {}, 0.5) == {}


def test_a_question_whose_words_are_found_weighs_words_more() -> None:
    dense = {"a": 0.9, "b": 0.1}
    assert weight_for(dense, {"b": 0.9}, 0.5) < weight_for(dense, {"b": 0.1}, 0.5)


@given(BM25, BM25, st.floats(1, 4), st.floats(1, 4), st.floats(0.25, 4, width=16))
def test_shares_know_no_scale(
    own: dict[str, float], translated: dict[str, float], one: float, two: float, scale: float
) -> None:
    possible = one * max(own.values(), default=0.0)
    translatable = two * max(translated.values(), default=0.0)
    shares = share_of_words(own, possible, translated, translatable)
    assert shares.keys() == own.keys() | translated.keys()
    assert all(0 < share <= 1.5 + 1e-9 for share in shares.values())
    scaled = {paper: score * scale for paper, score in own.items()}
    assert share_of_words(scaled, possible * scale, translated, translatable) == pytest.approx(
        shares
    )


def test_what_is_said_as_asked_counts_more_than_its_translation() -> None:
    shares = share_of_words({"asked": 4.0, "both": 4.0}, 8.0, {"said": 4.0, "both": 2.0}, 8.0)
    assert shares == pytest.approx({"asked": 0.5, "said": 0.25, "both": 0.625})
    assert share_of_words({}, 0.0, {}, 0.0) == {}


GROUPS = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=9), min_size=1)


@given(GROUPS)
def test_attention_lies_between_the_mean_and_the_best(groups: list[list[float]]) -> None:
    near = np.array([cosine for group in groups for cosine in group], np.float32)
    begins = np.cumsum([0, *map(len, groups)])[:-1]
    found = attended(near, begins)
    for group, mean in zip(groups, found.tolist(), strict=True):
        assert np.mean(group) - 1e-6 <= mean <= max(group) + 1e-6
        alone = attended(np.array(group, np.float32), np.array([0]))
        assert mean == alone[0], "a group does not depend on its neighbours"


def test_two_good_sentences_count_more_than_one() -> None:
    near = np.array([0.9, 0.0, 0.9, 0.9, 0.5], np.float32)
    one, two, third = attended(near, np.array([0, 2, 4])).tolist()
    assert 0.89 < one < two == pytest.approx(0.9)
    assert third == pytest.approx(0.5)


def test_the_author_is_believed_before_the_digests() -> None:
    author = np.array([0.8, 0.4, 0.6, -np.inf, -0.2], np.float32)
    digest = np.array([0.4, 0.8, -np.inf, 0.6, -np.inf], np.float32)
    expected = [0.7, 0.5, 0.6, 0.6, -0.2]
    assert weighted_likeness(author, digest).tolist() == pytest.approx(expected)
