import pytest

from rag.reading import is_wrong
from rag.types import Language


@pytest.mark.parametrize(
    ("text", "language", "wrong"),
    [
        ("PPA varies the structure of system prompts.", "en", False),
        ("PPA varies the structure of system prompts in many ways.", "zh", True),
        ("该方法随机改变系统提示的结构。", "zh", False),
        ("该方法随机改变系统提示的结构。", "en", True),
        ("GPT-4o [2506.05739]", "zh", False),
        ("Qwen2.5-VL 和 GPT-4o 在 MMLU、GSM8K、HumanEval 上优于 LLaMA 与 Mistral。", "zh", False),
        ("The paper “多态提示” varies prompts.", "en", False),
        ("", "en", False),
    ],
)
def test_the_language_of_a_finished_text(text: str, language: Language, wrong: bool) -> None:
    assert is_wrong(text, language) is wrong
