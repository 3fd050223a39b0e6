import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from scripted import Script, Scripted, serve

from rag.check import Finding, check
from rag.errors import EncoderError
from rag.settings import Settings

DIGEST = """# 2025-06-06

## 1. [A Paper about Prompts](https://arxiv.org/abs/2506.05739)
"""


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


def parts(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in check(settings)}


def test_everything_works(script: Script, seed_settings: Settings) -> None:
    script.enqueue("OK, it does.")
    found = parts(replace(seed_settings, llm=f"{script.address}/v1#tiny"))
    assert list(found) == ["encoder", "index", "language model"]
    assert all(f.ok and not f.todo for f in found.values()), found
    assert "166 papers" in found["index"].sentence
    assert "streams" in found["language model"].sentence
    assert "16,384 tokens" in found["language model"].sentence


def test_no_model_is_no_fault(seed_settings: Settings) -> None:
    assert parts(replace(seed_settings, llm="none"))["language model"].ok


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Scripted(["<think>"], status=500), "HTTP 500"),
        (Scripted([]), "answers with nothing"),
    ],
)
def test_a_model_that_fails_is_told(
    script: Script, seed_settings: Settings, reply: Scripted, why: str
) -> None:
    script.enqueue(reply)
    found = parts(replace(seed_settings, llm=f"{script.address}/v1#tiny"))["language model"]
    assert not found.ok
    assert why in found.sentence
    assert found.todo


def test_each_part_that_does_not_work_says_what_to_do(
    tiny_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: Settings) -> None:
        raise EncoderError("The model is not there.", "Install it.")

    settings = replace(tiny_settings({"d.md": DIGEST}), llm="nonsense")
    monkeypatch.setattr(sys.modules["rag.check"], "load_encoder", absent)
    found = parts(settings)
    assert [f.ok for f in found.values()] == [False, False, False]
    assert all(f.sentence and f.todo for f in found.values())
    assert found["encoder"].todo == "Install it."
    assert "digest-rag index" in found["index"].todo
