"""Which models a back end offers, asked of real servers: good, odd, hostile and silent ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from scripted import Script, serve

import rag
from rag import offers
from rag.errors import SettingError
from rag.settings import Settings
from ui import session
from ui.state import writers

KEY = "sk-very-secret"


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


def listed(*names: object) -> dict[str, object]:
    return {"data": [{"id": name} for name in names]}


def test_an_address_offers_what_it_lists_the_settings_own_first(script: Script) -> None:
    script.models = listed("a/one:8b", "tiny", "two")
    address = f"{script.address}/v1"
    found = rag.models(Settings(llm=f"{address}#tiny", llm_key=KEY))
    assert list(found.items()) == [
        ("tiny", f"{address}#tiny"),
        ("a/one:8b", f"{address}#a/one:8b"),
        ("two", f"{address}#two"),
    ]
    assert script.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_ollama_offers_what_it_has(script: Script) -> None:
    script.models = {"models": [{"name": "tiny:latest"}, {"name": "x", "model": "qwen3:8b"}]}
    found = rag.models(Settings(llm="ollama:tiny", ollama_host=script.address, llm_key=KEY))
    assert found == {"tiny": "ollama:tiny", "qwen3:8b": "ollama:qwen3:8b"}
    assert "Authorization" not in script.headers[0]


@pytest.mark.parametrize(("spec", "found"), [("none", {}), ("openai:m", {"m": "openai:m"})])
def test_only_the_settings_own_is_offered_where_nothing_is_asked(
    spec: str, found: dict[str, str]
) -> None:
    assert rag.models(Settings(llm=spec, openai_key=KEY)) == found


def test_the_choice_can_be_switched_off(script: Script) -> None:
    script.models = listed("tiny", "two")
    spec = f"{script.address}/v1#tiny"
    assert rag.models(Settings(llm=spec, llm_choice=0)) == {"tiny": spec}
    assert not script.headers


def test_the_only_model_of_an_address_is_named_by_its_server(script: Script) -> None:
    spec = f"{script.address}/v1"
    assert rag.models(Settings(llm=spec)) == {"tiny": spec}
    script.models = listed("a", "b")
    assert list(rag.models(Settings(llm=spec, port=1))) == ["", "a", "b"]


@pytest.mark.parametrize(
    "models",
    [
        [],
        {},
        "text",
        {"data": None},
        {"data": ["two", None, {}, {"id": 7}, {"id": ""}]},
        listed("two#http://evil", "<img src=x>", "a b", "line\nbreak", "x" * 121),
        listed("nomic-embed-text", "BAAI/bge-m3", "reranker-v2"),
        listed("x" * 1_000_001),
    ],
)
def test_what_can_be_no_model_to_write_is_left_out(script: Script, models: object) -> None:
    script.models = models
    spec = f"{script.address}/v1#tiny"
    assert rag.models(Settings(llm=spec)) == {"tiny": spec}


def test_a_long_list_is_cut(script: Script) -> None:
    script.models = listed(*(f"m{n}" for n in range(1000)))
    assert len(rag.models(Settings(llm=f"{script.address}/v1#m0"))) == 50


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_server_without_a_list_adds_none(script: Script, status: int) -> None:
    script.models_status = status
    spec = f"{script.address}/v1#own"
    assert rag.models(Settings(llm=spec)) == {"own": spec}


def test_a_server_that_is_not_there_adds_none() -> None:
    assert list(rag.models(Settings(llm="http://127.0.0.1:9/v1#own"))) == ["own"]
    assert list(rag.models(Settings(llm="ollama:own", ollama_host="127.0.0.1:9"))) == ["own"]


@pytest.mark.parametrize("drip", [b"", b" "])
def test_a_server_that_never_ends_is_not_waited_for(
    drip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    time.sleep(0.05)
                    connection.sendall(drip or b"")

        threading.Thread(target=trickle, daemon=True).start()
        spec = f"http://127.0.0.1:{server.getsockname()[1]}/v1#own"
        assert rag.models(Settings(llm=spec)) == {"own": spec}


def test_a_list_is_not_asked_for_at_every_question(script: Script) -> None:
    settings = Settings(llm=f"{script.address}/v1#tiny")
    for _ in range(3):
        rag.models(settings)
    assert len(script.headers) == 1


def test_a_setting_that_can_not_be_meant_is_told() -> None:
    with pytest.raises(SettingError):
        rag.models(Settings(llm="nonsense"))


def test_the_chat_offers_them_and_takes_no_other(script: Script, tmp_path: Path) -> None:
    script.models = listed("tiny", "two")
    settings = Settings(llm=f"{script.address}/v1#tiny", index_dir=tmp_path)
    two = f"{script.address}/v1#two"
    assert writers(settings, "en") == [
        ("Written by tiny", ""),
        ("Written by two", two),
        ("Quoted, without a model", "none"),
    ]
    assert [session.writer(c, settings) for c in ("", "none", two)] == ["", "none", two]
    for address in ("http://evil.example/v1#m", f"{two}2", "hf:/etc", "ollama:x"):
        assert session.writer(address, settings) == ""


def test_a_model_without_a_name_is_still_told_from_quotes(script: Script) -> None:
    script.models = listed("a", "b")
    found = writers(Settings(llm=f"{script.address}/v1"), "zh")
    assert found[0] == ("由语言模型撰写", "")
