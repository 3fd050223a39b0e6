from collections import Counter

import pytest
from conftest import SEEDS

from rag.digests import read_digests
from rag.passages import all_passages, passages_of
from rag.types import Appearance, Paper, Passage, Rendition

PAPER = Paper(
    arxiv_id="2501.00001",
    title="A Title",
    abstract="An abstract.",
    appearances=(Appearance("d1", 1, 1), Appearance("d2", 1, 1)),
    renditions=(
        Rendition("tldr", "zh", "短。", "d1"),
        Rendition("tldr", "zh", "更短。", "d1"),
        Rendition("tldr", "en", "Short.", "d2"),
    ),
)


@pytest.fixture(scope="module")
def passages() -> list[Passage]:
    return all_passages(read_digests([SEEDS]).papers)


def test_the_seeds_give_527_passages_each_with_its_own_id(passages: list[Passage]) -> None:
    assert len(passages) == len({p.id for p in passages}) == 527
    assert Counter(p.part for p in passages) == {
        "abstract": 166,
        "translation": 121,
        **dict.fromkeys(("tldr", "motivation", "method", "result", "conclusion"), 48),
    }
    assert Counter(p.language for p in passages) == {"en": 166, "zh": 361}


def test_ids_are_readable_and_the_same_at_every_reading(passages: list[Passage]) -> None:
    ids = {p.id for p in passages}
    assert {"2506.05739/abstract", "2506.05739/translation@004_550b361b9cc0b56f"} <= ids
    assert passages == all_passages(read_digests([SEEDS]).papers)
    assert all(p.id.startswith(f"{p.arxiv_id}/{p.part}") for p in passages)


def test_a_passage_is_verbatim_the_abstract_or_the_rendition() -> None:
    found = passages_of(PAPER)
    assert [(p.id, p.part, p.language, p.text, p.digest) for p in found] == [
        ("2501.00001/abstract", "abstract", "en", "An abstract.", "d1"),
        ("2501.00001/tldr@d1", "tldr", "zh", "短。", "d1"),
        ("2501.00001/tldr@d1#2", "tldr", "zh", "更短。", "d1"),
        ("2501.00001/tldr@d2", "tldr", "en", "Short.", "d2"),
    ]
    assert {p.title for p in found} == {"A Title"}
    assert found[0].indexed_text == "A Title\nAn abstract."


def test_a_paper_with_nothing_but_a_title_is_found_by_it() -> None:
    (only,) = passages_of(Paper("2501.00002", "Lonely Title", ""))
    assert (only.id, only.part, only.text) == ("2501.00002/title", "title", "Lonely Title")


def test_a_paper_without_abstract_has_its_renditions() -> None:
    paper = Paper("2501.00002", "T", "", renditions=(Rendition("tldr", "zh", "短。", "d"),))
    assert [p.part for p in passages_of(paper)] == ["tldr"]


def test_passages_come_in_the_order_of_the_papers() -> None:
    other = Paper("2401.00001", "Other", "Text.")
    assert [p.arxiv_id for p in all_passages([PAPER, other])] == ["2501.00001"] * 4 + ["2401.00001"]
    assert all_passages([]) == []
