import os
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from rag.errors import SettingError
from rag.settings import Settings, project_dir


def test_without_variables_the_defaults_hold() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings().index_dir == project_dir() / "index_store"
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("variable", "raw", "name", "value"),
    [
        ("RAG_DIGESTS", f"a{os.pathsep}b/c", "digests", (Path("a"), Path("b/c"))),
        ("RAG_DIGESTS", f"a{os.pathsep}", "digests", (Path("a"),)),
        ("RAG_INDEX", "/tmp/x", "index_dir", Path("/tmp/x")),  # noqa: S108
        ("RAG_ENCODER", "BAAI/bge-m3", "encoder", "BAAI/bge-m3"),
        ("RAG_TRUNCATE_DIM", "128", "truncate_dim", 128),
        ("RAG_DENSE_WEIGHT", "0.25", "dense_weight", 0.25),
        ("RAG_LLM", " ollama:qwen3 ", "llm", "ollama:qwen3"),
        ("RAG_LLM_KEY", "k", "llm_key", "k"),
        ("OPENAI_API_KEY", "k", "openai_key", "k"),
        ("OLLAMA_HOST", "http://h:1", "ollama_host", "http://h:1"),
        ("RAG_LLM_TIMEOUT", "1.5", "llm_timeout", 1.5),
        ("RAG_MAX_QUESTION", "10", "max_question", 10),
        ("RAG_HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104
        ("RAG_PORT", "8080", "port", 8080),
    ],
)
def test_each_variable_sets_its_field(variable: str, raw: str, name: str, value: object) -> None:
    settings = Settings.from_env({variable: raw})
    assert getattr(settings, name) == value
    assert (
        sum(getattr(settings, f.name) != getattr(Settings(), f.name) for f in fields(settings)) == 1
    )


def test_every_field_has_a_variable_and_a_help_text() -> None:
    variables = [f.metadata["variable"] for f in fields(Settings)]
    assert len(variables) == len(set(variables))
    assert all(f.metadata["help"].endswith(".") for f in fields(Settings))


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_env({"RAG_PORT": " ", "RAG_DENSE_WEIGHT": ""}) == Settings()


def test_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_PORT", "1234")
    assert Settings.from_env().port == 1234


@pytest.mark.parametrize(
    ("variable", "raw"),
    [
        ("RAG_PORT", "http"),
        ("RAG_PORT", "1.5"),
        ("RAG_DENSE_WEIGHT", "heavy"),
        ("RAG_LLM_TIMEOUT", "soon"),
        ("RAG_MAX_QUESTION", "∞"),
        ("RAG_TRUNCATE_DIM", "all"),
    ],
)
def test_what_is_no_number_is_refused_by_name(variable: str, raw: str) -> None:
    with pytest.raises(SettingError, match=f"{variable} can't be read: '{raw}' is not a number"):
        Settings.from_env({variable: raw})


@pytest.mark.parametrize(
    ("variable", "raw"),
    [
        *(("RAG_DENSE_WEIGHT", raw) for raw in ("-0.1", "1.1", "nan", "inf")),
        *(("RAG_PORT", raw) for raw in ("-1", "65536")),
        *(("RAG_LLM_TIMEOUT", raw) for raw in ("0", "-5", "nan", "inf")),
        *(("RAG_MAX_QUESTION", raw) for raw in ("0", "-1")),
        ("RAG_TRUNCATE_DIM", "-1"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(variable: str, raw: str) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.from_env({variable: raw})


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_ends_of_a_range_belong_to_it(weight: float) -> None:
    assert Settings(dense_weight=weight).dense_weight == weight


def test_secrets_are_not_shown() -> None:
    settings = Settings.from_env({"RAG_LLM_KEY": "hush-1", "OPENAI_API_KEY": "hush-2"})
    assert "hush" not in repr(settings)
    assert "hush" not in str(settings)


def test_settings_can_not_be_changed_but_can_be_a_key() -> None:
    settings = Settings()
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    assert {settings: 1}[Settings()] == 1
