import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from scripted import Script, Scripted, serve
from typer.testing import CliRunner

from rag.check import Finding, check
from rag.cli import app
from rag.errors import EncoderError
from rag.settings import Settings

KEY = "sk-very-secret"
DIGEST = """# 2025-06-06

## 1. [A Paper about Prompts](https://arxiv.org/abs/2506.05739)
"""


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


def parts(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in check(settings)}


@pytest.mark.slow
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


def tried(settings: Settings, spec: str) -> Finding:
    """Return what is found of the model alone."""
    return list(check(settings, llm=spec))[-1]


@pytest.mark.parametrize(
    ("spec", "sentence", "todo"),
    [
        ("openai:gpt", "openai:… needs a key.", "Set OPENAI_API_KEY"),
        ("ollama:m", "No language model answers at http://127.0.0.1:9.", "Run 'ollama serve'"),
        ("http://127.0.0.1:9/v1#m", "No language model answers at http://127.0.0.1:9", "Start its"),
        ("hf:/no/such/model", "The model '/no/such/model' can't be loaded", "Give a folder"),
        ("gpt-4o", "RAG_LLM can't be 'gpt-4o'.", "Use none, openai:MODEL, ollama:MODEL"),
    ],
)
def test_each_back_end_that_is_not_there_says_what_to_do(
    seed_settings: Settings, spec: str, sentence: str, todo: str
) -> None:
    settings = replace(seed_settings, ollama_host="127.0.0.1:9", llm_key=KEY)
    found = tried(settings, spec)
    assert not found.ok
    assert found.sentence.startswith(sentence)
    assert found.todo.startswith(todo)
    assert KEY not in found.sentence + found.todo


@pytest.mark.parametrize(
    ("status", "sentence", "todo"),
    [
        (401, "The language model's server refuses the key.", "OPENAI_API_KEY"),
        (404, "The server does not know the model or the address.", "Correct RAG_LLM"),
        (429, "busy or its quota is used up", "digest-rag check"),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "http", "ollama"])
def test_a_server_that_refuses_says_why_in_a_line(  # noqa: PLR0917 (a case in words)
    script: Script,
    seed_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    status: int,
    sentence: str,
    todo: str,
) -> None:
    script.enqueue(Scripted(status=status, error=f"wrong\nkey {KEY}"))
    monkeypatch.setattr(sys.modules["rag.llm"], "OPENAI_ADDRESS", f"{script.address}/v1")
    settings = replace(seed_settings, openai_key=KEY, ollama_host=script.address)
    spec = f"{script.address}/v1#tiny" if kind == "http" else f"{kind}:tiny"
    found = tried(settings, spec)
    assert not found.ok
    assert sentence in found.sentence
    assert todo in found.todo
    assert "\n" not in found.sentence + found.todo
    assert KEY not in found.sentence + found.todo


def test_a_model_that_ollama_lacks_and_an_address_of_several_say_what_to_do(
    script: Script, seed_settings: Settings
) -> None:
    settings = replace(seed_settings, ollama_host=script.address)
    assert tried(settings, "ollama:qwen3").todo == "Run 'ollama pull qwen3'."
    script.models = {"data": [{"id": "one"}, {"id": "two"}]}
    found = tried(settings, f"{script.address}/v1")
    assert "It has one, two." in found.sentence
    assert found.todo == "Write ADDRESS#MODEL."


@pytest.mark.parametrize(("spec", "package"), [("ollama:tiny", "ollama"), ("hf:m", "transformers")])
def test_a_back_end_whose_package_is_missing_is_a_line(
    script: Script,
    seed_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    found = tried(replace(seed_settings, ollama_host=script.address), spec)
    assert not found.ok
    assert found.todo


def test_a_model_that_never_begins_is_given_up(
    script: Script, seed_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["rag.check"], "_PATIENCE", 0.3)
    script.enqueue(Scripted(["OK"], before=5))
    found = tried(seed_settings, f"{script.address}/v1#tiny")
    assert found.sentence == "The language model did not begin to answer within 0.3 s."


def test_the_command_prints_a_line_for_each_part(
    script: Script, seed_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_INDEX", str(seed_settings.index_dir))
    script.enqueue(Scripted(status=500, error="a\nb"))
    outcome = CliRunner().invoke(app, ["check", "--llm", f"{script.address}/v1#tiny"])
    lines = outcome.stdout.splitlines()
    assert outcome.exit_code == 1
    assert len(lines) == 3, lines
    for line, part in zip(lines, ("encoder", "index", "language model"), strict=True):
        assert part in line


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
