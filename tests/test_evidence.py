"""Judging what was found: does it bear on the question, and what belongs in a list."""

from __future__ import annotations

import pytest

from rag.evidence import FEWEST_HITS, LEVELS, bearing, like, relevant, score, supports, threshold
from rag.index import Index, open_index
from rag.search import find
from rag.settings import Settings
from rag.types import Hit, Language, Paper, Passage


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


def hits(*scores: float) -> list[Hit]:
    passage = Passage("x/abstract", "x", "abstract", "en", "T", "Text.")
    return [Hit(Paper(str(n), "T", ""), passage, score) for n, score in enumerate(scores)]


def test_what_is_asked_of_the_digests_scores_above_what_is_not(index: Index) -> None:
    def scored(question: str) -> float:
        return score(bearing(index, question, find(index, question, 10, None, 0.6)), "en")

    known = scored("aligning language models for safety by direct preference optimization")
    assert known > scored("the mating calls of tropical frogs in rain forests")


def test_a_share_of_nothing_refuses_nothing(index: Index) -> None:
    question = "the mating calls of tropical frogs in rain forests"
    found = find(index, question, 10, None, 0.6)
    assert supports(index, question, "en", found, 0.0)
    assert not supports(index, question, "en", found, 0.05)


def test_few_hits_say_nothing_and_none_is_no_answer(index: Index) -> None:
    assert supports(index, "anything", "en", hits(*[0.5] * (FEWEST_HITS - 1)), 0.5)
    assert not supports(index, "anything", "en", [], 0.05)


def test_the_more_may_be_refused_the_higher_the_threshold() -> None:
    scores = [float(n) for n in range(len(LEVELS))]
    values = [threshold(scores, "en", share) for share in (0.01, 0.02, 0.04, 0.05, 0.2, 0.5)]
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[-1] == len(LEVELS) - 1
    assert threshold(scores, "zh", 0.0) == float("-inf")


@pytest.mark.parametrize(
    ("question", "language", "kind"),
    [
        ("papers about watermarking", "en", "en short"),
        ("哪些论文研究联邦学习？", "zh", "zh short"),
        ("models that write hardware code and learn from whether it compiles", "en", "en"),
        ("把用户数据从训练好的模型里彻底删掉，还能逐条证明删干净了的办法", "zh", "zh"),
    ],
)
def test_a_short_question_is_measured_against_short_ones(
    question: str, language: Language, kind: str
) -> None:
    assert like(question, language) == kind


@pytest.mark.parametrize("question", ["What is the capital of France?", "blockchain consensus"])
def test_a_short_question_must_have_its_words(index: Index, question: str) -> None:
    assert not supports(index, question, "en", find(index, question, 10, None, 0.6), 0.05)


def test_an_index_without_scores_of_its_own_has_the_usual_ones() -> None:
    assert threshold((), "en", 0.05) == threshold([1.0], "en", 0.05) < 0


def test_a_list_follows_the_evidence_and_not_a_constant() -> None:
    assert len(relevant(hits(1.0, 0.99, 0.98, 0.97, 0.1))) == 4
    assert len(relevant(hits(1.0, 0.1, 0.1))) == 1
    assert len(relevant(hits(0.5))) == 1


def test_a_list_keeps_the_order_and_the_best() -> None:
    kept = relevant(hits(0.9, 0.89, 0.2))
    assert [hit.paper.arxiv_id for hit in kept] == ["0", "1"]


def test_a_list_of_nothing() -> None:
    assert relevant([]) == []
