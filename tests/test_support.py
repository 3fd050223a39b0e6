import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import rag
from rag.numbers import names_missing, numbers_missing
from rag.polarity import direction, is_negated, opposites
from rag.settings import Settings
from rag.support import Features, concluded, weigh

TEXT = (
    "We present Polymorphic Prompt Assembling (PPA), built on GPT-4o and Qwen2.5-VL-7B. "
    "It reduces the attack success rate from 98.3% to 1.85% over 1,200 prompts in three settings, "
    "with 8.5k tokens and a 2x speedup, and does not need retraining."
)


@pytest.mark.parametrize(
    "sentence",
    [
        "It drops from 98.3% to 1.85%.",
        "It drops from 98.3 percent to 1.85 points.",
        "Over 1200 prompts, or 1.2k.",
        "With 8,500 tokens and 2x speed.",
        "About 98% fall.",
        "In 3 settings.",
        "GPT-4o and Qwen2.5-VL-7B.",
        "1. The first of them.",
        "（7）它更快；8）更准。",
        "降至1.85%，共1200个提示。",
        "攻击成功率从98.3％降到1.85％。",
    ],
)
def test_numbers_of_the_text_are_found_however_written(sentence: str) -> None:
    assert numbers_missing(sentence, TEXT) == ()


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("It drops to 57%.", ("57%",)),
        ("It needs 1,300 prompts and 98.3%.", ("1,300",)),
        ("It was made in 2019.", ("2019",)),
        ("It drops to 1.95%.", ("1.95%",)),
        ("提升了57%，用了3万个样本。", ("57%", "3万")),
    ],
)
def test_numbers_that_the_text_lacks_are_named(sentence: str, missing: tuple[str, ...]) -> None:
    assert numbers_missing(sentence, TEXT) == missing


def test_names_that_the_text_lacks_are_named() -> None:
    assert names_missing("PPA uses GPT4o, Qwen2.5-VL and PPAs.", TEXT) == ()
    assert names_missing("PPA uses LLaMA-3 and asks Gemini.", TEXT) == ("LLaMA-3", "Gemini")


@pytest.mark.parametrize(
    ("sentence", "label"),
    [
        ("PPA reduces the attack success rate from 98.3% to 1.85%.", "supported"),
        ("PPA does not need retraining.", "supported"),
        ("PPA reduces the attack success rate to 12%.", "unsupported"),
        ("Bananas grow on tropical islands.", "unsupported"),
        ("PPA reduces the attack success rate of Gemini.", "partly"),
        ("", "unsupported"),
    ],
)
def test_a_sentence_is_judged(sentence: str, label: str) -> None:
    assert weigh(sentence, [TEXT]).label == label


def test_nothing_supports_a_sentence_without_texts() -> None:
    assert weigh("PPA works.", []).label == "unsupported"


def test_a_name_of_the_question_needs_no_source() -> None:
    verdict = weigh("PPA reduces the attack success rate of Gemini.", [TEXT], said="And Gemini?")
    assert verdict.label == "supported"


def test_chinese_is_judged_by_chinese_texts() -> None:
    chinese = "该方法随机改变系统提示的结构，攻击成功率降至1.85%，无需重新训练。"
    assert weigh("该方法改变系统提示的结构。", [chinese]).label == "supported"
    assert weigh("该方法的攻击成功率为57%。", [chinese]).label == "unsupported"
    assert weigh("香蕉生长在热带岛屿上。", [chinese]).label == "unsupported"


def test_meaning_makes_up_for_other_words() -> None:
    def encode(texts: list[str]) -> NDArray[np.float32]:
        return np.array([[0.0, 1.0] if "not true" in t else [1.0, 0.0] for t in texts], np.float32)

    sentence = "PPA assembles prompts and thereby cuts successful injections sharply."
    assert weigh(sentence, [TEXT]).label == "partly"
    verdict = weigh(sentence, [TEXT], encode=encode)
    assert verdict.label == "supported"
    assert verdict.similarity == pytest.approx(1.0)
    assert verdict.margin == pytest.approx(1.0)


def test_a_sentence_closer_in_its_opposite_is_not_supported() -> None:
    def encode(texts: list[str]) -> NDArray[np.float32]:
        return np.array([[0.6, 0.8] if "increases" in t else [1.0, 0.0] for t in texts], np.float32)

    sentence = "PPA increases the attack success rate from 1.85% to 98.3%."
    assert weigh(sentence, [TEXT], encode=encode).label == "partly"


@pytest.mark.parametrize(
    ("recall", "similarity", "entailed", "contradicted", "label"),
    [
        (0.8, 0.6, 0.9, 0.05, "supported"),
        # Likely contradicted, or neither said nor denied.
        (0.8, 0.9, 0.3, 0.6, "partly"),
        (0.8, 0.9, 0.3, 0.1, "partly"),
        # Word for word, whatever the network makes of it, unless it sees the contrary.
        (0.99, 0.99, 0.3, 0.1, "supported"),
        (0.99, 0.99, 0.3, 0.6, "partly"),
        # Few tokens find their like; one of both is enough not to be doubted.
        (0.5, 0.6, 0.9, 0.05, "partly"),
        (0.5, 0.4, 0.9, 0.05, "unsupported"),
    ],
)
def test_where_tokens_are_compared_the_network_has_a_say(
    recall: float, similarity: float, entailed: float, contradicted: float, label: str
) -> None:
    likely = {"entailed": math.log(entailed), "contradicted": math.log(contradicted)}
    found = Features(
        overlap=0.0, similarity=similarity, margin=0.0, reverse=0.0, recall=recall, neither=-1.0,
        **likely,
    )  # fmt: skip
    assert concluded("PPA 降低了攻击成功率。", [TEXT], found).label == label
    # A number that the text lacks outweighs all; a name it lacks leaves a doubt.
    lacking = replace(found, missing_numbers=("7",))
    assert concluded("It is 7.", [TEXT], lacking).label == "unsupported"
    nameless = replace(found, missing_names=("Gemini",))
    assert concluded("Gemini.", [TEXT], nameless).label != "supported"


def test_polarity() -> None:
    assert is_negated("It does not work")
    assert not is_negated("It is not without merit")
    assert is_negated("该方法无法收敛")
    assert not is_negated("不仅快而且好")
    assert (direction("It improves recall"), direction("It is"), direction("降低成本")) == (
        1,
        0,
        -1,
    )
    assert opposites("It does not work") == ["It work"]
    assert opposites("It is more robust")[:2] == ["It is not more robust", "It is less robust"]
    assert "该方法降低了精度" in opposites("该方法提高了精度")
    assert opposites("Nothing here") == ["It is not true that nothing here"]


@pytest.mark.parametrize(
    ("alike", "near", "label"),
    [
        (0.0, 0.9, "supported"),
        (0.0, 0.6, "partly"),
        (0.0, 0.1, "unsupported"),
        # An encoder to which unrelated Chinese sentences are alike is not asked.
        (0.9, 0.1, "partly"),
    ],
)
def test_between_languages_meaning_decides_if_the_encoder_knows_chinese(
    alike: float, near: float, label: str
) -> None:
    def at(cosine: float) -> list[float]:
        return [cosine, (1 - cosine**2) ** 0.5]

    def encode(texts: list[str]) -> NDArray[np.float32]:
        known = {"这只猫喜欢在窗台上睡觉。": at(1.0), "公司去年的出口额有所增长。": at(alike)}
        own = {"该方法防御代理。": at(1.0), "该方法不防御代理。": at(-1.0)}
        rows = [(known | own).get(t, at(near) if "PPA" in t else at(-1.0)) for t in texts]
        return np.array(rows, np.float32)

    assert weigh("该方法防御代理。", ["PPA protects."], encode=encode).label == label


def test_the_public_function_measures_meaning_by_the_settings_encoder(
    seed_index: Settings,
) -> None:
    says = "PPA reduces the attack success rate from 98.3% to 1.85%."
    verdict = rag.support(says, [TEXT], settings=seed_index)
    assert verdict.similarity is not None
    assert verdict.contradicted is not None
    turned = "PPA increases the attack success rate from 98.3% to 1.85%."
    contrary = rag.support(turned, [TEXT], settings=seed_index)
    assert contrary.contradicted is not None
    assert contrary.contradicted > verdict.contradicted
    assert contrary.score < verdict.score
    chinese = rag.support("PPA 降低了攻击成功率。", [TEXT], settings=seed_index)
    opposite = rag.support("PPA 提高了攻击成功率。", [TEXT], settings=seed_index)
    assert chinese.score > opposite.score
    assert rag.support("", [TEXT], settings=seed_index).label == "unsupported"
    assert rag.support("PPA works.", [], settings=seed_index).label == "unsupported"
