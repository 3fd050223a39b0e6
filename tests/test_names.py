"""Names: keys for comparison, what a paper goes by, and which paper a question names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.index import open_index
from rag.names import TITLE, closest_name, mentions, name_key, names_of, title_parts
from rag.settings import Settings
from rag.types import Paper, Rendition


def known(names: Mapping[str, Mapping[str, float]]) -> object:
    def lookup(keys: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
        return {key: names[key] for key in keys if key in names}

    return lookup


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SafeDPO", "safedpo"),
        ("VTool-R1", "vtoolr1"),
        ("vtool r1", "vtoolr1"),
        ("dots.llm1", "dotsllm1"),
        ("Gödel", "godel"),
        ("UDora's", "udora"),
        ("UDora’s", "udora"),
        ("UDORA'S", "udora"),
        ("ＧＰＴ", "gpt"),
        ("--", ""),
    ],
)
def test_a_key_holds_letters_and_digits_only(name: str, key: str) -> None:
    assert name_key(name) == key


@given(st.text())
def test_any_text_has_a_key_without_spaces_or_punctuation(text: str) -> None:
    key = name_key(text)
    assert key == key.casefold()
    assert not any(ch.isspace() or ch in "-_.,:'’" for ch in key)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_case_does_not_count(text: str) -> None:
    assert name_key(text.upper()) == name_key(text.lower())


def test_a_paper_goes_by_its_title_its_head_and_its_made_words() -> None:
    names = names_of(
        Paper("2501.00001", "SafeDPO: Simple Alignment with FooBar2", "We compare it with QuuxNet.")
    )
    assert names[name_key("SafeDPO: Simple Alignment with FooBar2")] == TITLE
    assert names["safedpo"] > names["foobar2"] > names["quuxnet"] > 0


def test_a_bare_acronym_is_a_weak_name() -> None:
    names = names_of(Paper("2501.00001", "Aligning With RLHF and SafeDPO", "An RLHF paper."))
    assert 0 < names["rlhf"] < names["safedpo"]


@pytest.mark.parametrize("word", ["7B", "3x", "2nd", "128k", "3B-7B", "2.5x", "5th"])
def test_quantities_are_no_names(word: str) -> None:
    names = names_of(Paper("2501.00001", f"On {word} and SafeDPO", f"Gains of {word} on it."))
    assert name_key(word) not in names


def test_a_name_between_chinese_characters_is_found() -> None:
    text = Rendition("tldr", "zh", "本文提出SafeDPO框架。", "d")
    names = names_of(Paper("2501.00001", "On Alignment", "", renditions=(text,)))
    assert "safedpo" in names
    assert not any("框" in name for name in names)


def test_a_generic_head_is_no_name() -> None:
    assert "positionpaper" not in names_of(Paper("2501.00001", "Position Paper: On Work", ""))


@given(st.text(max_size=80), st.text(max_size=200))
def test_every_weight_lies_in_zero_to_one(title: str, abstract: str) -> None:
    for key, weight in names_of(Paper("2501.00001", title, abstract)).items():
        assert len(key) >= 2
        assert not key.isdigit()
        assert 0 < weight <= 1


NAMES = known(
    {
        "safedpo": {"a": 0.9},
        "dpo": {"b": 0.8},
        "visualplanning": {"c": 0.9},
        "visual": {"d": 0.9},
        "both": {"a": 0.9, "b": 0.9},
        "llm": {str(n): 0.8 for n in range(9)},
        "weak": {"a": 0.2, "b": 0.5},
    }
)


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("What is SafeDPO?", ["a"]),
        ("Does DPO differ from SafeDPO?", ["b", "a"]),
        ("SafeDPO和DPO的区别", ["a", "b"]),
        ("What is Visual Planning?", ["c"]),
        ("what is visual planning?", ["c"]),
        ("SafeDPO, SafeDPO and SafeDPO", ["a"]),
        ("WHAT IS SAFEDPO'S RESULT?", ["a"]),
        ("Which LLM is best?", []),
        ("of both", []),
        ("Tell me of Both", ["a", "b"]),
        ("nothing here", []),
        ("", []),
        ("😀", []),
    ],
)
def test_the_papers_that_a_question_names_in_its_order(question: str, ids: list[str]) -> None:
    assert list(mentions(question, NAMES)) == ids  # type: ignore[arg-type]


def test_a_shared_name_counts_less_for_each() -> None:
    assert mentions("Is it Both", NAMES)["a"] < mentions("Is it SafeDPO", NAMES)["a"]  # type: ignore[arg-type]


@given(st.text(max_size=200))
def test_any_question_has_mentions_between_zero_and_one(question: str) -> None:
    assert all(0 < s <= 1 for s in mentions(question, NAMES).values())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "name"),
    [("Udoora", "udora"), ("SaveDPO", "safedpo"), ("banana", None), ("DPO", None)],
)
def test_the_closest_name_of_a_misspelt_one(word: str, name: str | None) -> None:
    assert closest_name(word, ["udora", "safedpo", "dpo"]) == name


def test_every_seed_paper_is_named_by_its_title(seed_index: Settings) -> None:
    store = open_index(seed_index).store
    for paper in store.papers():
        found = mentions(f"What does “{paper.title}” find?", store.named)
        assert found.get(paper.arxiv_id) == max(found.values()), paper.title


def test_parts_of_a_title_are_capitalised_runs_of_words() -> None:
    keys = [key for _, _, key in title_parts("How does it compare to Polymorphic Prompt?")]
    assert keys == ["polymorphicprompt"]
    assert not title_parts("how do polymorphic prompts compare?")
    assert not title_parts("")
