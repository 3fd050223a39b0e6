import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.lexical import tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Agents learning quickly", ["agent", "learn", "quick"]),
        ("the of and", []),
        ("GPT-4o", ["gpt4o", "gpt-4o", "gpt", "4", "o"]),
        ("Qwen2.5-VL-7B", ["qwen25vl7b", "qwen2.5-vl-7b", "qwen", "2.5", "vl", "7", "b"]),
        ("PromptArmor", ["promptarmor", "prompt", "armor"]),
        ("multi-agent", ["multiag", "multi-agent", "multi", "agent"]),
        ("10.5%", ["10.5"]),
        ("LLMs and an LLM, gpus", ["llm", "llm", "gpu"]),
        ("Einstein's class", ["einstein", "class"]),
        ("naïve Schrödinger", ["naiv", "schroding"]),
        ("Ｆｕｌｌ width", ["full", "width"]),
        ("β-VAE", ["βvae", "β-vae", "β", "vae"]),
        ("C++", ["c++"]),
        ("大语言模型", ["大语", "语言", "言模", "模型"]),
        ("火", ["火"]),
        ("的", []),
        ("這篇論文", ["這篇", "篇論", "論文"]),
        ("𠮷野家", ["𠮷野", "野家"]),
        ("GPT模型", ["gpt", "模型"]),
        ("基于GPT-4o的", ["基于", "gpt4o", "gpt-4o", "gpt", "4", "o"]),
        ("\u200b…!?—", []),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("GPT-4o", "we use GPT4o here"),
        ("gpt4o", "基于GPT-4o的方法"),
        ("Qwen2.5", "evaluated on Qwen2.5-VL-7B"),
        ("Qwen 2.5 VL", "evaluated on Qwen2.5-VL-7B"),
        ("prompt armor", "PromptArmor"),
        ("LLM", "many LLMs"),
        ("mllms", "an MLLM"),
        ("模型", "GPT模型"),
        ("Schrodinger", "Schrödinger's cat"),
        ("multi agent", "a multi-agent system"),
        ("强化学习", "基于强化学习（RL）"),
    ],
)
def test_question_and_passage_share_a_token(question: str, passage: str) -> None:
    assert set(tokens(question)) & set(tokens(passage))


@given(st.text())
def test_tokens_of_any_text_are_plain_words(text: str) -> None:
    for token in tokens(text):
        assert token
        assert not any(ch.isspace() for ch in token)
        assert token == token.casefold()


@given(st.text(alphabet=" GPT-4o模型学习agents.", max_size=30))
def test_white_space_between_the_scripts_changes_nothing(text: str) -> None:
    assert tokens(f"模型 {text.strip()} model") == tokens(f"模型\n{text.strip()}\tmodel")
