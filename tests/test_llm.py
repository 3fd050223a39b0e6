"""Every back end by its spec, against the scripted server or a tiny model made here."""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.llm import LLM
from scripted import Script, Scripted, serve
from test_generate import GOOD, drained, evidence

from rag.errors import LLMError, SettingError
from rag.generate import generate
from rag.llm import load_llm, parse_spec
from rag.replies import replies
from rag.settings import Settings

KEY = "sk-very-secret"
READERS = 10


@pytest.fixture
def script() -> Iterator[Script]:
    yield from serve()


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("", ("none", "", "")),
        (" None ", ("none", "", "")),
        ("openai:gpt-4o", ("openai", "", "gpt-4o")),
        ("ollama:qwen3:8b", ("ollama", "", "qwen3:8b")),
        ("hf:/models/tiny", ("hf", "", "/models/tiny")),
        ("http://host:1/v1/#a/b", ("http", "http://host:1/v1", "a/b")),
        ("https://host/v1", ("http", "https://host/v1", "")),
    ],
)
def test_a_spec_is_read(spec: str, parts: tuple[str, str, str]) -> None:
    assert parse_spec(spec) == parts


@pytest.mark.parametrize(
    "spec", ["gpt-4o", "openai:", "ollama: ", "http://", "http://h:x/v1#m", "ftp://h/v1#m", "a:b"]
)
def test_a_bad_spec_is_a_setting_error(spec: str) -> None:
    with pytest.raises(SettingError, match=r"RAG_LLM can't be"):
        load_llm(spec, Settings())


@pytest.mark.parametrize("spec", [f"http://u:{KEY}@h/v1#m", f"http://h/v1?key={KEY}#m"])
def test_a_key_in_the_address_is_refused_and_not_repeated(spec: str) -> None:
    with pytest.raises(SettingError) as caught:
        load_llm(spec, Settings())
    assert KEY not in str(caught.value)


def test_none_is_no_model() -> None:
    assert load_llm("none", Settings()) is None


def test_openai_needs_its_own_key_and_takes_no_other() -> None:
    with pytest.raises(SettingError, match="OPENAI_API_KEY"):
        load_llm("openai:gpt-4o", Settings(llm_key=KEY))


def test_openai_is_set_up_without_a_call() -> None:
    llm = load_llm("openai:gpt-4o", Settings(openai_key=KEY))
    assert llm is not None
    assert llm.metadata.is_chat_model
    assert llm.metadata.context_window == 128_000
    assert KEY not in repr(llm) + str(llm.to_dict()) + str(vars(llm))


def test_an_address_is_asked_for_its_context(script: Script) -> None:
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    assert llm.metadata.context_window == 16384
    assert llm.metadata.is_chat_model
    script.models = {"data": [{"id": "tiny", "meta": {"n_ctx": 4096}}]}
    llm = load_llm(f"{script.address}/v1#tiny", Settings(port=1))
    assert llm is not None
    assert llm.metadata.context_window == 4096
    llm = load_llm(f"{script.address}/v1#tiny", Settings(llm_context=2048))
    assert llm is not None
    assert llm.metadata.context_window == 2048


@pytest.mark.parametrize("models", [{}, [], {"data": None}, {"data": ["tiny"]}, "text"])
def test_a_server_without_a_proper_list_of_models_is_used(script: Script, models: object) -> None:
    script.models = models
    llm = load_llm(f"{script.address}/v1#tiny", Settings())
    assert llm is not None
    assert llm.metadata.context_window == 8192


def test_the_only_model_needs_no_name(script: Script) -> None:
    llm = load_llm(f"{script.address}/v1", Settings())
    assert llm is not None
    assert llm.metadata.model_name == "tiny"
    script.models = {"data": [{"id": "a"}, {"id": "b"}]}
    with pytest.raises(SettingError, match="It has a, b"):
        load_llm(f"{script.address}/v1", Settings(port=1))


def test_a_model_is_opened_once(script: Script) -> None:
    spec = f"{script.address}/v1#tiny"
    assert load_llm(spec, Settings()) is load_llm(spec, Settings())


def test_ten_who_ask_at_the_same_moment_share_one_model_and_one_probe(script: Script) -> None:
    spec, gate = f"{script.address}/v1#tiny", threading.Barrier(READERS)
    found: list[LLM | None] = []

    def ask() -> None:
        gate.wait(30)
        found.append(load_llm(spec, Settings()))

    threads = [threading.Thread(target=ask) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == READERS
    assert len(set(map(id, found))) == 1
    assert len(script.headers) == 1


def test_a_model_that_could_not_be_reached_is_tried_again(script: Script) -> None:
    spec = f"{script.address}/v1#tiny"
    script.models_status = 401
    with pytest.raises(LLMError):
        load_llm(spec, Settings())
    script.models_status = 200
    assert load_llm(spec, Settings()) is not None


@pytest.mark.parametrize("spec", ["http://127.0.0.1:9/v1#m", "ollama:m"])
def test_an_unreachable_server_is_one_sentence(spec: str) -> None:
    settings = Settings(ollama_host="127.0.0.1:9", llm_key=KEY)
    with pytest.raises(
        LLMError, match=r"No language model answers at http://127\.0\.0\.1:9\."
    ) as e:
        load_llm(spec, settings)
    assert KEY not in str(e.value)
    assert e.value.__cause__ is None


def test_a_refused_key_is_told_at_once(script: Script) -> None:
    script.models_status = 401
    with pytest.raises(LLMError, match="refuses the key"):
        load_llm(f"{script.address}/v1#tiny", Settings(llm_key=KEY))


def test_the_key_goes_into_the_header_and_nowhere_else(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    llm = load_llm(f"{script.address}/v1#tiny", Settings(llm_key=KEY))
    assert llm is not None
    script.enqueue(GOOD)
    drained(generate("How?", "en", evidence(), llm=llm))
    for headers in script.headers:
        assert headers["Authorization"] == f"Bearer {KEY}"
    assert "of-openai" not in str(script.headers)
    assert KEY not in repr(llm) + str(llm.to_dict()) + str(script.history)
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(llm)


def test_without_a_key_none_is_sent(script: Script) -> None:
    llm = load_llm(f"{script.address}/v1#tiny", Settings(openai_key=KEY))
    assert llm is not None
    script.enqueue(GOOD)
    drained(generate("How?", "en", evidence(), llm=llm))
    assert "Authorization" not in script.headers[-1]


def test_ollama_streams_with_a_bounded_context(script: Script) -> None:
    settings = Settings(ollama_host=script.address)
    llm = load_llm("ollama:tiny", settings)
    assert llm is not None
    script.enqueue(GOOD, Scripted(["PPA "], between=10))
    _, answer = drained(generate("How?", "en", evidence(), llm=llm))
    assert answer.text == "PPA varies the structure of system prompts [2506.05739]."
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 5)
    assert script.history[0]["options"]["num_ctx"] == 8192
    with pytest.raises(LLMError):
        drained(generate("How?", "en", evidence(), llm=llm, timeout=0.3))
    assert script.hung_up.wait(3)


def test_a_model_that_ollama_lacks_is_told_with_the_command(script: Script) -> None:
    with pytest.raises(LLMError, match="ollama pull other"):
        load_llm("ollama:other", Settings(ollama_host=script.address))


def test_a_small_context_keeps_whole_passages_or_says_so(script: Script) -> None:
    llm = load_llm(f"{script.address}/v1#tiny", Settings(llm_context=900))
    assert llm is not None
    script.enqueue(GOOD)
    _, answer = drained(generate("How?", "en", evidence(), llm=llm))
    assert answer.passages[0] == "2506.05739/a"
    tiny = load_llm(f"{script.address}/v1#tiny", Settings(llm_context=200))
    assert tiny is not None
    with pytest.raises(LLMError, match="too small"):
        drained(generate("How?", "en", evidence(), llm=tiny))


def tiny_model(folder: Path) -> Path:
    """Make a language model of two random layers over bytes, as files."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
    )
    bpe.train_from_iterator(["a b"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{m['role']}}: {{m['content']}}\n{% endfor %}assistant:"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_transformers_model_streams_in_this_process(tmp_path: Path) -> None:
    llm = load_llm(f"hf:{tiny_model(tmp_path)}", Settings())
    assert llm is not None
    assert llm.metadata.context_window == 4096
    chat = [_message("system", "Be brief."), _message("user", "Hello")]
    stream = replies(llm, chat, first_token=60, total=60)
    parts = list(islice((part for part in stream if part), 20))
    stream.close()
    assert "".join(p.delta or "" for p in parts) == parts[-1].message.content
    with pytest.raises(LLMError):
        drained(generate("How?", "zh", evidence(), llm=llm, timeout=60))


def test_a_missing_transformers_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LLMError, match="can't be loaded"):
        load_llm(f"hf:{tmp_path}", Settings())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_real_openai_compatible_server_is_used(tmp_path: Path) -> None:
    """The server is `transformers serve`, with a model of two random layers."""
    model, address = tiny_model(tmp_path / "tiny"), "http://127.0.0.1:18273"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", "18273", "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            llm = _ready(f"{address}/v1#{model}", time.monotonic() + 120)
            stream = replies(llm, [_message("user", "Hello")], first_token=60, total=60)
            parts = list(islice((part for part in stream if part), 5))
            stream.close()
            assert any(p.delta for p in parts)
            with pytest.raises(LLMError):
                drained(generate("How?", "zh", evidence(), llm=llm, timeout=60))
        finally:
            server.terminate()


def _ready(spec: str, until: float) -> LLM:
    while True:
        try:
            llm = load_llm(spec, Settings())
            assert llm is not None
            return llm
        except LLMError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _message(role: str, text: str) -> ChatMessage:
    return ChatMessage(role=role, content=text)


def test_settings_of_a_model_show_no_key() -> None:
    assert KEY not in repr(replace(Settings(), llm_key=KEY, openai_key=KEY))
