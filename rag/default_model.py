"""The default encoder's weights: the pinned base model with what was trained on top."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.base_model import WEIGHTS_SHA256, verified_base_model
from rag.errors import EncoderError
from rag.vocabulary import extended_tokenizer, word_rows

TRAINED = Path(__file__).parent / "weights" / "trained.safetensors"
MAX_TOKENS = 256
HEADS = 12
_WORDS = "embeddings.word_embeddings.weight"
_SCALE = ".scale"

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BertModel:
    """Weights of a BERT under Hugging Face's names, as float32, and its tokenizer as JSON."""

    weights: dict[str, Array]
    tokenizer: str


def default_identity(trained: Path = TRAINED) -> str:
    """Return a text that changes whenever the default model does; reads no base weights."""
    if not trained.exists():
        return WEIGHTS_SHA256
    with trained.open("rb") as file:
        return f"{WEIGHTS_SHA256}+{hashlib.file_digest(file, 'sha256').hexdigest()}"


def default_model(trained: Path = TRAINED) -> BertModel:
    """Return the pinned base model changed by the file `trained`, if there is one.

    Raises `EncoderError` when the base model is absent or changed.
    """
    base = base_model()
    return apply_trained(base, trained) if trained.exists() else base


def base_model() -> BertModel:
    """Return the pinned base model, checked. Raises `EncoderError` when it is absent or changed."""
    from safetensors.numpy import load_file

    folder = verified_base_model()
    weights = {
        name: value.astype(np.float32)
        for name, value in load_file(folder / "model.safetensors").items()
        if value.dtype.kind == "f" and not name.startswith("pooler.")
    }
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    # As packaged it fills every text up to a fixed length.
    tokenizer["truncation"] = tokenizer["padding"] = None
    return BertModel(weights, json.dumps(tokenizer, ensure_ascii=False))


def apply_trained(base: BertModel, trained: Path) -> BertModel:
    """Return `base` with the Chinese words and the changes of the file `trained`.

    Raises `EncoderError` when the file is absent or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(trained, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            words = json.loads(file.metadata()["words"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise EncoderError(
            f"The trained weights {trained.name} are missing or damaged.",
            "Restore them from the repository or reinstall the package.",
        ) from None
    weights = dict(base.weights)
    for name, small in tensors.items():
        if name != "rows" and not name.endswith(_SCALE):
            weights[name] = weights[name] + _restored(small, tensors[name + _SCALE])
    tokenizer = extended_tokenizer(base.tokenizer, words)
    rows = _restored(tensors["rows"], tensors["rows" + _SCALE])
    weights[_WORDS] = _extended(weights[_WORDS], rows, word_rows(tokenizer, words))
    return BertModel(weights, tokenizer)


def save_trained(path: Path, words: list[str], rows: Array, changes: dict[str, Array]) -> None:
    """Write what `apply_trained` reads: rows of the Chinese `words`, and `changes` to add.

    `rows` is (len(words), hidden size); `changes` are differences from the base
    weights, by name. All are kept as int8 with a scale for each row, which costs
    less than one part in 250 of a row's largest entry.
    """
    from safetensors.numpy import save_file

    from rag.onnx_graph import quantised_rows

    tensors: dict[str, NDArray[np.generic]] = {}
    for name, value in {"rows": rows, **changes}.items():
        small, scales = quantised_rows(value.reshape(-1, value.shape[-1]))
        tensors[name] = small.reshape(value.shape)
        tensors[name + _SCALE] = scales
    save_file(tensors, path, metadata={"words": json.dumps(words, ensure_ascii=False)})


def _restored(small: NDArray[np.int8], scales: Array) -> Array:
    rows = small.reshape(-1, small.shape[-1]).astype(np.float32) * scales[:, None]
    return np.asarray(rows.reshape(small.shape), dtype=np.float32)


def _extended(table: Array, rows: Array, row_of: dict[int, int]) -> Array:
    size = max(len(table), 1 + max(row_of, default=0))
    longer = np.zeros((size, table.shape[1]), np.float32)
    longer[: len(table)] = table
    longer[list(row_of)] = rows[list(row_of.values())]
    return longer
