"""Extraction: verbatim sentences, scored, chosen together within a budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag.extract import Sentence, choose, length, rank, split
from rag.index import Index, open_index
from rag.lexical import tokens
from rag.settings import Settings
from rag.types import Language, Passage, Quote

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("abcdeABCDE 0123.!?。！？,，\n模型数据结果"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=300,
)
EN = "We propose Foo. It gains 12.5% on Bar. However, it fails on Baz! Why? Code is free."
ZH = "我们提出Foo。它在Bar上提升12.5%。但在Baz上失败！"


def passage(text: str, language: Language = "en", name: str = "abstract") -> Passage:
    return Passage(f"2501.00001/{name}", "2501.00001", "abstract", language, "A Title", text)


def pool(*texts: str) -> list[Sentence]:
    return [
        Sentence(Quote(text, "abstract", "en", "2501.00001/abstract"), order)
        for order, text in enumerate(texts)
    ]


def ranked(question: str, sentences: list[Sentence], title: str = "A Title") -> list[Sentence]:
    return rank(question, sentences, title=title, rarity=lambda token: 1.0, encode=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two three", 3),
        ("state-of-the-art GPT-4o", 2),
        ("量化模型", 2),
        ("量化 LLM 模型", 3),
        ("don't", 1),
        ("... !?", 0),
    ],
)
def test_length_counts_words_and_half_of_chinese_characters(text: str, words: float) -> None:
    assert length(text) == words


@given(TEXTS, st.sampled_from(["en", "zh"]))
def test_every_quote_stands_verbatim_in_its_passage(text: str, language: Language) -> None:
    for sentence in split([passage(text, language)], language):
        assert sentence.quote.text in text
        assert sentence.quote.text.strip() == sentence.quote.text != ""
        assert sentence.quote.passage_id == "2501.00001/abstract"


def test_the_sentences_of_the_wanted_language_only() -> None:
    both = [passage(EN), passage(ZH, "zh", "tldr")]
    assert {s.quote.language for s in split(both, "en")} == {"en"}
    assert {s.quote.language for s in split(both, "zh")} == {"zh"}


def test_without_the_wanted_language_those_that_there_are() -> None:
    assert {s.quote.language for s in split([passage(EN)], "zh")} == {"en"}
    assert split([], "zh") == []


def test_a_sentence_of_two_passages_comes_once_in_reading_order() -> None:
    found = split([passage("One is. Two is."), passage("Two is. Three is.", name="tldr")], "en")
    assert [s.quote.text for s in found] == ["One is.", "Two is.", "Three is."]
    assert [s.order for s in found] == [0, 1, 2]


def test_the_sentence_with_the_questions_words_is_best() -> None:
    found = ranked("Where does it fail?", pool("We propose Foo.", "It fails on Baz.", "All free."))
    assert max(found, key=lambda s: s.score).quote.text == "It fails on Baz."


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("How much faster is it?", "The thing is 3.5x quicker."),
        ("提升了多少？", "它快了3.5倍。"),
        ("On which datasets was it evaluated?", "The benchmark is Bar."),
        ("What are the limitations?", "However, the thing remains limited."),
        ("How does the method work?", "We propose a thing that works through stages."),
    ],
)
def test_the_kind_that_is_asked_for_counts(question: str, best: str) -> None:
    others = ["The sky was grey over the sea.", "那天的天空很灰。", "Somebody came home."]
    found = ranked(question, pool(*others, best))
    assert max(found, key=lambda s: s.score).quote.text == best


def test_meaning_counts_when_an_encoder_is_given() -> None:
    def encode(texts: object) -> NDArray[np.float32]:
        return np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)

    found = rank("zzz", pool("aaa", "bbb"), title="", rarity=lambda token: 1.0, encode=encode)
    assert found[1].score > found[0].score


def test_ranking_keeps_the_order_and_the_quotes() -> None:
    sentences = pool("One is.", "Two is.", "Three is.")
    found = ranked("What is two?", sentences)
    assert [s.quote for s in found] == [s.quote for s in sentences]
    assert ranked("What?", []) == []


@given(st.lists(st.text("abc de.1", min_size=1, max_size=40), max_size=8), st.text(max_size=60))
def test_the_shares_of_a_question_sum_to_one_at_most(texts: list[str], question: str) -> None:
    for sentence in ranked(question, pool(*texts)):
        assert sum(sentence.bearing.values()) <= 1 + 1e-9
        assert set(sentence.bearing) <= set(tokens(question))


SCORED = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from("alpha beta gamma delta epsilon zeta".split()), min_size=1, max_size=12
        ),
        st.floats(0, 2),
    ),
    min_size=1,
    max_size=12,
).map(
    lambda rows: [
        Sentence(Quote(" ".join(words), "abstract", "en", "x"), order, score)
        for order, (words, score) in enumerate(rows)
    ]
)


@given(SCORED, st.floats(0, 60))
def test_the_best_first_then_reading_order_within_the_budget(
    sentences: list[Sentence], budget: float
) -> None:
    chosen = choose(sentences, budget)
    assert chosen[0].score == max(s.score for s in sentences)
    orders = [s.order for s in chosen[1:]]
    assert orders == sorted(orders)
    assert len({s.order for s in chosen}) == len(chosen)
    assert all(s in sentences for s in chosen)
    if len(chosen) > 1:
        assert sum(length(s.quote.text) for s in chosen) <= budget


@given(SCORED, st.floats(0, 60))
def test_nothing_is_said_twice(sentences: list[Sentence], budget: float) -> None:
    words = [frozenset(s.quote.text.split()) for s in choose(sentences, budget)]
    assert len(set(words)) == len(words)


def test_nothing_is_chosen_from_nothing() -> None:
    assert choose([], 100) == []


def test_a_sentence_that_says_something_new_is_preferred() -> None:
    def scored(text: str, order: int, score: float, *bearing: str) -> Sentence:
        shares = dict.fromkeys(bearing, 0.4)
        return Sentence(Quote(text, "abstract", "en", "x"), order, score, shares)

    chosen = choose(
        [
            scored("red cats sleep", 0, 1.0, "cat"),
            scored("blue cats wander about", 1, 0.9, "cat"),
            scored("green dogs bark", 2, 0.85, "dog"),
        ],
        6.0,
    )
    assert [s.order for s in chosen] == [0, 2]


def test_every_seed_papers_sentences_are_verbatim(seed_index: Settings) -> None:
    index: Index = open_index(seed_index)
    languages: tuple[Language, ...] = ("en", "zh")
    for paper in index.store.papers():
        passages = index.store.passages_of(paper.arxiv_id)
        texts = {p.id: p.text for p in passages}
        for language in languages:
            found = split(passages, language)
            assert found
            for sentence in found:
                assert sentence.quote.text in texts[sentence.quote.passage_id]


def test_a_sentence_that_leans_on_the_one_before_gives_way_to_one_that_stands_alone() -> None:
    leaning = "This property of quantization leads to larger quantization errors."
    alone = "This paper proposes quantization by polar coordinates."
    found = ranked("papers about quantization", pool(leaning, alone))
    assert max(found, key=lambda s: s.score).quote.text == alone
