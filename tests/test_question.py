"""The language a question asks in, and the one it asks to be answered in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.question import question_language, wished_language


@pytest.mark.parametrize(
    ("question", "left", "language"),
    [
        ("Explain Cartridges in Chinese", "Explain Cartridges", "zh"),
        ("用英文回答：Cartridges 是什么？", "Cartridges 是什么？", "en"),
        ("Answer in English: Cartridges 是什么？", "Cartridges 是什么？", "en"),
        ("What is UDora? Please answer in Chinese.", "What is UDora?", "zh"),
        ("What is UDora, in Chinese please?", "What is UDora?", "zh"),
        ("What is UDora? 请用中文回答", "What is UDora?", "zh"),
        ("In English, what is UDora?", "what is UDora?", "en"),
        ("请用英文比较 SafeDPO 和 UDora", "比较 SafeDPO 和 UDora", "en"),
        ("请用中文介绍一下 Cartridges", "介绍一下 Cartridges", "zh"),
        ("中文回答：What is UDora?", "What is UDora?", "zh"),
        ("in Chinese please", "", "zh"),
        ("那用英文说呢？", "", "en"),
    ],
)
def test_a_wish_for_a_language_is_no_part_of_the_question(
    question: str, left: str, language: str
) -> None:
    assert wished_language(question) == (left, language)


@pytest.mark.parametrize(
    "question",
    [
        "Which models answer in Chinese?",
        "Are there datasets in Chinese?",
        "List papers on speech recognition in Chinese",
        "哪些论文用中文回答问题？",
        "用中文数据训练的模型有哪些？",
        "What does UDora do in Chinese tasks?",
        "What is UDora?",
        "",
    ],
)
def test_a_question_about_a_language_is_no_wish(question: str) -> None:
    assert wished_language(question) == (question, None)


@given(st.text(max_size=200))
def test_any_text_is_left_whole_or_shortened(text: str) -> None:
    left, language = wished_language(text)
    assert left == text if language is None else len(left) <= len(text) + 1


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Sentinel 呢？", "zh"),
        ("prompt injection 攻击", "zh"),
        ("Text-to-LoRA 是什么", "zh"),
        ("A Simple Approach to Direct Preference Optimization with Safety 的作者是谁？", "zh"),
        ("What does 强化学习 mean?", "en"),
        ("Explain 强化学习", "en"),
        ("Which papers study 联邦学习?", "en"),
        ("プロンプトの論文は?", "en"),
        ("What is SafeDPO?", "en"),
    ],
)
def test_the_language_that_asks_is_the_questions(question: str, language: str) -> None:
    assert question_language(question) == language
