"""A trained network as a Sentence Transformers folder, and as the file that ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from rag.base_model import verified_base_model
from rag.default_model import MAX_TOKENS, BertModel, apply_trained, save_trained
from rag.training.network import Network

SHIPPED = "trained.safetensors"
_COPIED = ("config_sentence_transformers.json", "modules.json")


def export(
    network: Network, base: BertModel, words: Sequence[str], folder: Path, card: str
) -> None:
    """Write `network` into `folder`: a model directory, its card, and the file that ships.

    The directory holds the weights as the shipped file gives them back, int8
    rounding included, so that the two never differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_trained(
        folder / SHIPPED,
        list(words),
        network.rows.detach().cpu().numpy(),
        _changes(network, base),
    )
    write_model(apply_trained(base, folder / SHIPPED), folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_model(model: BertModel, folder: Path) -> None:
    """Write what `SentenceTransformer(folder)` loads: weights, tokenizer, pooling."""
    source = verified_base_model()
    for name in _COPIED:
        shutil.copyfile(source / name, folder / name)
    for name in ("1_Pooling", "2_Normalize"):
        (folder / name).mkdir(exist_ok=True)
    shutil.copyfile(source / "1_Pooling" / "config.json", folder / "1_Pooling" / "config.json")
    save_file(model.weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    size = len(model.weights["embeddings.word_embeddings.weight"])
    _write(folder / "config.json", {**config, "vocab_size": size})
    _write(
        folder / "sentence_bert_config.json",
        {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
    )
    (folder / "tokenizer.json").write_text(model.tokenizer, encoding="utf-8")
    special = json.loads((source / "special_tokens_map.json").read_text(encoding="utf-8"))
    # BERT's own tokenizer class would cut Chinese into single characters again.
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS}
    _write(folder / "tokenizer_config.json", {**tokenizer, **special})


def _changes(network: Network, base: BertModel) -> dict[str, NDArray[np.float32]]:
    changes = {}
    for name, value in network.body.items():
        key = name.replace("/", ".")
        changes[key] = value.detach().cpu().numpy() - base.weights[key]
    return changes


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
