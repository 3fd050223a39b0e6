"""Follow-ups: which papers a question is about, given the turns before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checks
from hypothesis import strategies as st

from rag.chat import Resolved, resolve
from rag.index import Index, open_index
from rag.settings import Settings
from rag.types import Answer, Citation, Turn
from rag.understand import understand

SAFE, UDORA, PPA = "2505.20065", "2503.01908", "2506.05739"
VTOOL, PLANNING = "2505.19255", "2505.11409"
Ask = Callable[..., Resolved]


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


@pytest.fixture(scope="module")
def ask(index: Index) -> Ask:
    """ask(question, [ids cited in turn 1], [ids cited in turn 2], ...)."""

    def turn(cited: list[str]) -> Turn:
        papers = index.store.papers(cited)
        citations = tuple(Citation(p.arxiv_id, p.title, p.url) for p in papers)
        return Turn("?", Answer("?", "", "en", citations, is_refusal=not cited))

    def asked(question: str, *turns: list[str]) -> Resolved:
        return resolve(understand(question, index), [turn(cited) for cited in turns])

    return asked


@pytest.mark.parametrize(
    "question",
    [
        "and its results?",
        "Which datasets was it tested on?",
        "What do the authors conclude?",
        "How does this method work?",
        "why?",
        "What about the limitations?",
        "它在哪些数据集上测的?",
        "这篇的结果如何？",
        "该方法有什么局限？",
        "那结果呢？",
        "为什么？",
        "AND ITS RESULTS?",
    ],
)
def test_a_pronoun_or_an_ellipsis_stays_with_the_paper(ask: Ask, question: str) -> None:
    assert ask(question, [VTOOL]).focus == (VTOOL,)


def test_a_resolved_question_names_the_paper_and_keeps_the_words(ask: Ask, index: Index) -> None:
    resolved = ask("and its results?", [VTOOL])
    paper = index.store.paper(VTOOL)
    assert paper is not None
    assert paper.title in resolved.question
    assert "and its results?" in resolved.question


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("the first one", 0),
        ("Tell me more about the second one", 1),
        ("What does the 2nd paper do?", 1),
        ("the third", 2),
        ("the last one?", -1),
        ("第一篇讲什么？", 0),
        ("第二篇呢？", 1),
        ("第三个", 2),
        ("最后一篇呢？", -1),
    ],
)
def test_ordinals_count_in_the_list_as_it_was_given(ask: Ask, question: str, place: int) -> None:
    listed = [UDORA, SAFE, VTOOL, PLANNING]
    assert ask(question, listed).focus == (listed[place],)


@pytest.mark.parametrize(
    ("question", "place"),
    [("What about the former?", 0), ("And the latter?", 1), ("前者呢？", 0), ("后者的结果？", 1)],
)
def test_former_and_latter(ask: Ask, question: str, place: int) -> None:
    assert ask(question, [SAFE, UDORA]).focus == ([SAFE, UDORA][place],)


def test_an_ordinal_reaches_back_to_the_list_when_one_of_it_was_opened(ask: Ask) -> None:
    listed = [UDORA, SAFE, VTOOL]
    assert ask("and the last one?", listed, [SAFE]).focus == (VTOOL,)
    assert ask("第一篇呢？", listed, [SAFE]).focus == (UDORA,)
    assert ask("后者呢？", [SAFE, UDORA], [SAFE]).focus == (UDORA,)


def test_an_ordinal_beyond_the_list_names_none_of_it_by_number(ask: Ask) -> None:
    assert ask("the fifth one", [UDORA, SAFE]).focus in ((), (UDORA,))


@pytest.mark.parametrize(
    "question",
    [
        "by the way, which paper quantizes KV caches?",
        "Something else: is there a paper on diffusion?",
        "Which papers work on reinforcement learning?",
        "Is there any paper on quantization?",
        "换个话题，有没有量化的论文？",
        "有没有关于扩散模型的论文？",
        "2599.99999",
        "papers by Zzyzx Qwerty",
        "how many cs.CL papers?",
        "cs.LG papers",
        "上周的论文",
    ],
)
def test_a_new_topic_drops_the_old_paper(ask: Ask, question: str) -> None:
    resolved = ask(question, [VTOOL])
    assert resolved.focus == ()
    assert resolved.lean == ()
    assert resolved.question == question


@pytest.mark.parametrize(
    "question", ["What is SafeDPO?", "SafeDPO是什么？", SAFE, "换个话题，SafeDPO是什么？"]
)
def test_another_papers_name_changes_the_topic(ask: Ask, question: str) -> None:
    assert VTOOL not in ask(question, [VTOOL]).focus


@pytest.mark.parametrize(
    "question",
    [
        "compare it with SafeDPO",
        "How does it differ from SafeDPO?",
        "SafeDPO versus this one?",
        "和SafeDPO比呢？",
        "它和SafeDPO有什么区别？",
    ],
)
def test_comparing_brings_the_other_paper_to_the_one_talked_about(ask: Ask, question: str) -> None:
    resolved = ask(question, [VTOOL])
    assert resolved.compares
    assert resolved.focus == (VTOOL, SAFE)


def test_comparing_the_listed_ones(ask: Ask) -> None:
    assert ask("How do they differ?", [VTOOL, PLANNING]).focus == (VTOOL, PLANNING)
    assert ask("它们有什么区别？", [VTOOL, PLANNING]).focus == (VTOOL, PLANNING)


@pytest.mark.parametrize(
    "question",
    ["compare the two", "Compare them", "比较这两篇", "它们有什么不同？", "which is better?"],
)
def test_the_last_two_papers_talked_about_are_compared(ask: Ask, question: str) -> None:
    resolved = ask(question, [UDORA], [SAFE], [PPA])
    assert resolved.compares
    assert resolved.focus == (SAFE, PPA)


@pytest.mark.parametrize("question", ["compare it to prior work", "How does it compare?"])
def test_a_single_paper_is_compared_with_none_talked_about(ask: Ask, question: str) -> None:
    assert ask(question, [UDORA], [SAFE]).focus == (SAFE,)


@pytest.mark.parametrize(
    ("question", "places"),
    [
        ("Compare the first two", (0, 1)),
        ("比较前两篇", (0, 1)),
        ("后两篇有什么区别？", (2, 3)),
        ("the last two: what do they share?", (2, 3)),
        ("Compare the first one and the third one", (0, 2)),
        ("第一篇和第四篇比较一下", (0, 3)),
    ],
)
def test_several_of_a_list_are_set_side_by_side(
    ask: Ask, question: str, places: tuple[int, ...]
) -> None:
    listed = [UDORA, SAFE, VTOOL, PLANNING]
    resolved = ask(question, listed)
    assert resolved.compares
    assert resolved.focus == tuple(listed[place] for place in places)


def test_the_opened_one_is_compared_with_another_of_the_list(ask: Ask) -> None:
    resolved = ask("compare it with the first one", [UDORA, SAFE, VTOOL], [SAFE])
    assert resolved.focus == (SAFE, UDORA)
    assert ask("the last one", [UDORA, SAFE, VTOOL], [UDORA, SAFE]).focus == (VTOOL,)
    assert ask("the latter", [UDORA, SAFE, VTOOL], [UDORA, SAFE]).focus == (SAFE,)


def test_a_paper_named_by_a_part_of_its_title_is_compared(ask: Ask) -> None:
    assert ask("How does it compare to Polymorphic Prompt?", [SAFE]).focus == (SAFE, PPA)
    assert ask("它和 Polymorphic Prompt 有什么区别？", [SAFE]).focus == (SAFE, PPA)


@pytest.mark.parametrize(
    "question",
    [
        "which of those are about safety?",
        "Which of them protects agents?",
        "how many of these use reinforcement learning?",
        "其中哪些用了强化学习？",
        "这些论文中哪些和安全有关？",
        "which of these are in cs.CR?",
    ],
)
def test_a_question_for_some_of_a_list_is_asked_of_the_list(ask: Ask, question: str) -> None:
    listed = [UDORA, SAFE, VTOOL]
    assert ask(question, listed).among == tuple(listed)
    assert ask(question, listed, [SAFE]).among == tuple(listed)
    assert ask(question, [SAFE]).among == ()


@pytest.mark.parametrize(
    "question", ["What about quantization?", "那联邦学习呢？", "and diffusion models?"]
)
def test_a_subject_of_its_own_is_left_to_the_search(ask: Ask, question: str) -> None:
    resolved = ask(question, [VTOOL])
    assert resolved.focus == ()
    assert resolved.lean == (VTOOL,)
    assert resolved.fragment


@pytest.mark.parametrize(
    "question", ["thanks! now tell me about watermarking", "Let's talk about federated learning."]
)
def test_a_subject_that_is_broached_drops_the_paper(ask: Ask, question: str) -> None:
    assert ask(question, [VTOOL]) == Resolved(question)
    assert ask("tell me more about it", [VTOOL]).focus == (VTOOL,)


def test_a_change_of_language_stays_with_the_paper(ask: Ask) -> None:
    assert ask("它的结果如何？", [UDORA], [VTOOL]).focus == (VTOOL,)
    assert ask("what are its results?", [UDORA], [VTOOL]).focus == (VTOOL,)


def test_a_refusal_between_does_not_lose_the_paper(ask: Ask) -> None:
    assert ask("and its results?", [VTOOL], []).focus == (VTOOL,)


@pytest.mark.parametrize(
    "question", ["and its results?", "the second one", "它呢？", "What is it?"]
)
def test_without_a_history_what_points_back_is_lost(ask: Ask, question: str) -> None:
    assert ask(question) == Resolved(question, lost=True)
    assert ask(question, []) == Resolved(question, lost=True)


@pytest.mark.parametrize(
    "question",
    [
        "Who was the first to jailbreak agents, and in which paper?",
        "the first paper to attack agents by their own reasoning",
        "Does the model forget what it has learnt in continual learning?",
        "有没有讲它忘记以前任务的论文？",
    ],
)
def test_a_question_of_its_own_is_not_lost(ask: Ask, question: str) -> None:
    assert ask(question) == Resolved(question)


@pytest.mark.parametrize("question", ["is there code?", "有代码吗？", "which GPUs?"])
def test_a_detail_alone_is_asked_of_the_last_paper(ask: Ask, question: str) -> None:
    assert ask(question, [VTOOL]).focus == (VTOOL,)


def test_papers_with_a_detail_are_a_search(ask: Ask) -> None:
    assert ask("are there papers with code?", [VTOOL]).focus == ()


@checks(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=120).filter(lambda text: text == text.strip()))
def test_the_focus_is_of_the_conversation_or_named(ask: Ask, index: Index, question: str) -> None:
    resolved = ask(question, [VTOOL, PLANNING], [SAFE])
    allowed = {VTOOL, PLANNING, SAFE, *understand(question, index).named}
    assert set(resolved.focus) | set(resolved.lean) <= allowed
    assert question in resolved.question
