from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import cycle

import pytest
from conftest import SEEDS
from digest_files import entry, sections, titled

from rag.build import build_index
from rag.digests import read_digests
from rag.errors import QuestionError
from rag.index import open_index
from rag.search import checked, dense_leg, lexical_leg, search
from rag.settings import Settings
from rag.types import Filters, Hit, Paper

Tiny = Callable[..., Settings]

PAPERS = read_digests([SEEDS]).papers


def ids(hits: list[Hit]) -> list[str]:
    return [hit.paper.arxiv_id for hit in hits]


# On the seeds, with the real encoder.


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.arxiv_id)
def test_every_paper_is_first_by_its_exact_title(seed_settings: Settings, paper: Paper) -> None:
    assert ids(search(paper.title, top_k=1, settings=seed_settings)) == [paper.arxiv_id]


BY_ID = [
    "{}",
    "What is arXiv:{}v3 about, compared with prompt injection?",
    "{}这篇论文讲了什么",
]


@pytest.mark.parametrize(
    ("paper", "question"),
    list(zip(PAPERS, cycle(BY_ID), strict=False)),
    ids=[paper.arxiv_id for paper in PAPERS],
)
def test_every_paper_is_first_by_its_arxiv_id(
    seed_settings: Settings, paper: Paper, question: str
) -> None:
    (hit,) = search(question.format(paper.arxiv_id), top_k=1, settings=seed_settings)
    assert hit.paper.arxiv_id == hit.passage.arxiv_id == paper.arxiv_id
    assert hit.score == 1.0


def test_two_ids_are_both_in_front(seed_settings: Settings) -> None:
    hits = search("2506.05739 or 2505.00018, which defends?", settings=seed_settings)
    assert set(ids(hits)[:2]) == {"2506.05739", "2505.00018"}


def test_an_unknown_id_is_no_match_but_no_error(seed_settings: Settings) -> None:
    assert "9901.00001" not in ids(search("9901.00001", settings=seed_settings))


@pytest.mark.parametrize(
    ("question", "arxiv_id"),
    [
        (
            "Which paper defends agents against prompt injection with polymorphic prompts?",
            "2506.05739",
        ),
        ("用多态提示词防御提示注入攻击的论文", "2506.05739"),
    ],
)
def test_both_languages_find_the_paper(
    seed_settings: Settings, question: str, arxiv_id: str
) -> None:
    assert arxiv_id in ids(search(question, top_k=3, settings=seed_settings))


QUESTIONS = [
    "prompt injection defence",
    "哪篇论文讨论了量子计算",
    "Qwen2.5-VL",
    "zzzz qqqq xxxx",
    "💥",
    "'; DROP TABLE papers; --",
    "<script>alert(1)</script>",
    "the",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_hits_are_one_per_paper_best_first_with_scores_in_range(
    seed_settings: Settings, question: str
) -> None:
    hits = search(question, top_k=50, settings=seed_settings)
    assert hits
    assert len(set(ids(hits))) == len(hits) <= 50
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    for hit in hits:
        assert 0.0 <= hit.score <= 1.0
        assert -1.0 <= hit.dense <= 1.0
        assert hit.lexical >= 0.0
        assert hit.passage.arxiv_id == hit.paper.arxiv_id


def test_the_same_question_gets_the_same_hits(seed_settings: Settings) -> None:
    one, two = (search("agents that plan", settings=seed_settings) for _ in range(2))
    assert one == two


def test_fewer_hits_are_the_beginning_of_more(seed_settings: Settings) -> None:
    many = ids(search("agents", top_k=40, settings=seed_settings))
    for top_k in (0, 1, 7):
        assert ids(search("agents", top_k=top_k, settings=seed_settings)) == many[:top_k]
    assert search("agents", top_k=-1, settings=seed_settings) == []


DAY = date(2025, 6, 9)


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        (Filters(categories=("cs.CR",)), lambda p: "cs.CR" in p.categories),
        (Filters(categories=("cs.CL", "cs.CR")), lambda p: {"cs.CL", "cs.CR"} & {*p.categories}),
        (Filters(authors=("Calvin Or",)), lambda p: False),
        (Filters(authors=("ju wu",)), lambda p: "Ju Wu" in p.authors),
        (Filters(since=DAY), lambda p: DAY in p.dates),
        (Filters(until=date(2025, 6, 8)), lambda p: False),
        (Filters(digests=("001",)), lambda p: any(d.startswith("001") for d in p.digests)),
        (Filters(announce=("new",)), lambda p: "new" in p.announce),
        (Filters(arxiv_ids=("2506.05739v1",)), lambda p: p.arxiv_id == "2506.05739"),
        (
            Filters(announce=("replace",), since=DAY, until=DAY, digests=("004",)),
            lambda p: "replace" in p.announce,
        ),
    ],
)
def test_only_and_all_allowed_papers_are_found(
    seed_settings: Settings, filters: Filters, allowed: Callable[[Paper], object]
) -> None:
    hits = search("language model agents", top_k=30, filters=filters, settings=seed_settings)
    expected = {p.arxiv_id for p in PAPERS if allowed(p)}
    assert set(ids(hits)) <= expected
    assert len(hits) == min(30, len(expected))


def test_filters_hold_for_papers_named_by_id_or_title(seed_settings: Settings) -> None:
    filters = Filters(categories=("cs.CR",))
    for question in ("2506.05739", PAPERS[0].title):
        hits = search(question, filters=filters, settings=seed_settings)
        assert all("cs.CR" in hit.paper.categories for hit in hits)


def test_the_weight_decides_between_words_and_meaning(seed_settings: Settings) -> None:
    question = "keeping chatbots from obeying hidden commands"
    index = open_index(seed_settings)
    for weight, (scores, _) in (
        (0.0, lexical_leg(index, question, None)),
        (1.0, dense_leg(index, question, None)),
    ):
        settings = replace(seed_settings, dense_weight=weight)
        (hit,) = search(question, top_k=1, settings=settings)
        assert scores[hit.paper.arxiv_id] == max(scores.values())


# On small digests, with the encoder in small.


def test_both_languages_vote_for_one_paper(tiny_settings: Tiny) -> None:
    text = titled(
        [
            entry("2501.00001", "Cats", parts=(("translation", "关于猫的研究。"),)),
            entry("2501.00002", "Dogs", parts=(("translation", "关于狗的研究。"),)),
        ]
    )
    settings = tiny_settings({"a.md": text})
    build_index(settings=settings)
    assert ids(search("cats", settings=settings))[0] == "2501.00001"
    assert ids(search("猫的研究", settings=settings))[0] == "2501.00001"
    assert len(search("cats 猫的研究", settings=settings)) == 2


def test_a_lifted_paper_shows_its_own_passage(tiny_settings: Tiny) -> None:
    # More papers than a leg brings, so that the one named by id is in neither.
    crowd = [
        entry(f"2501.{n:05}", f"Crowd {n}", authors=("A",), category="cs.AI") for n in range(1, 260)
    ]
    far = entry("2502.00001", "Zebra", abstract="Stripes.", authors=("B",), category="cs.LG")
    settings = tiny_settings({"a.md": sections([*crowd, far])})
    build_index(settings=settings)
    question = "crowd about crowd 2502.00001"
    index = open_index(settings)
    assert "2502.00001" not in dense_leg(index, question, None)[0]
    hit = search(question, settings=settings)[0]
    assert (hit.paper.arxiv_id, hit.passage.id) == ("2502.00001", "2502.00001/abstract")


# Questions that can't be asked.


@pytest.mark.parametrize("question", ["", " ", "\n\t", "\0", "\x1b\x07", "\u200b\u202e", "\ud800"])
def test_an_empty_question_is_told(question: str) -> None:
    with pytest.raises(QuestionError, match=r"The question is empty\."):
        search(question, settings=Settings())


def test_a_long_question_is_told() -> None:
    with pytest.raises(QuestionError, match=r"100,000 characters, more than 8,000"):
        search("x" * 100_000, settings=Settings())
    assert checked("x" * 8000, Settings()) == "x" * 8000
    assert checked(" " * 9000 + "x", Settings()) == "x"
    with pytest.raises(QuestionError, match="more than 5"):
        checked("123456", Settings(max_question=5))


def test_control_characters_do_not_reach_the_index() -> None:
    assert checked("\x1b[31mred\x00\u202e \udcffflag\x07 ", Settings()) == "[31mred flag"


def test_the_longest_question_is_answered(seed_settings: Settings) -> None:
    assert search("prompt injection 提示注入 " * 360, top_k=3, settings=seed_settings)
