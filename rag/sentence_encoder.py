"""Any Sentence Transformers model, by name or folder, run by torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.embed import Progress, Vectors, unit_rows, well_formed
from rag.errors import EncoderError
from rag.prompts import Prompts, prompts_for

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

_BATCH = 32
# Passages between two calls of `progress`.
_STRIDE = 256


class SentenceEncoder:
    """A `SentenceTransformer` behind the product's `Encoder` protocol."""

    def __init__(self, name: str, model: SentenceTransformer, truncate_dim: int = 0) -> None:
        """Wrap `model`, known to the user as `name`; `truncate_dim` 0 keeps all dimensions."""
        self.name = name
        self._model = model
        self._truncate_dim = truncate_dim
        self._prompts = _effective_prompts(name, model)
        full = model.get_embedding_dimension() or 0
        self.dimension = min(truncate_dim, full) if truncate_dim else full
        self.fingerprint = _fingerprint(model, self._prompts, self.dimension)

    @classmethod
    def load(cls, name: str, truncate_dim: int = 0) -> SentenceEncoder:
        """Return the model at the folder `name`, or of that name in the cache or the hub.

        Code that a model brings along is never run. Raises `EncoderError` when
        there is no such model, or it can't be loaded.
        """
        return cls(name, _open(name), truncate_dim)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per query: (len(texts), dimension)."""
        return self._encode(texts, self._prompts.query)

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return one L2-normalised row per passage: (len(texts), dimension).

        `progress` is called with how many passages are done so far.
        """
        rows = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(texts), _STRIDE):
            part = texts[start : start + _STRIDE]
            rows.append(self._encode(part, self._prompts.passage))
            if progress:
                progress(start + len(part))
        return np.concatenate(rows)

    def encode_sentences(self, texts: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
        """Return the passages' rows and no sentences: how models pool differs."""
        return self.encode_passages(texts), [np.zeros((0, self.dimension), np.float32)] * len(texts)

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        vectors = self._model.encode(
            [well_formed(text) for text in texts],
            prompt=prompt,
            batch_size=_BATCH,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        kept = np.asarray(vectors, dtype=np.float32)[:, : self.dimension]
        return unit_rows(kept)


def _open(name: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if _looks_like_path(name) and not Path(name).is_dir():
        raise EncoderError(
            f"There is no model folder at {name}.",
            "Set RAG_ENCODER to a folder that holds a Sentence Transformers model, or unset it.",
        )
    # The cache first: with the model at hand no address is ever asked.
    for local_only in (True, False):
        try:
            return SentenceTransformer(name, device="cpu", local_files_only=local_only)
        except (OSError, ValueError, ImportError) as error:
            cause = error
    raise EncoderError(
        f"The encoder '{name}' could not be loaded ({_first_line(cause)}).",
        "Check the name; without network, give a folder that holds the model, or download it "
        "beforehand where there is one with `hf download`; or unset RAG_ENCODER.",
    ) from cause


def _looks_like_path(name: str) -> bool:
    return Path(name).is_absolute() or name.startswith((".", "~"))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(". ") or type(error).__name__


def _effective_prompts(name: str, model: SentenceTransformer) -> Prompts:
    """Return the prompts that the model declares, or else those known for its kind."""
    declared = model.prompts or {}
    query = declared.get("query") or ""
    passages = (declared.get(kind) or "" for kind in ("document", "passage", "corpus"))
    passage = next(filter(None, passages), "")
    if query or passage:
        return Prompts(query, passage)
    default = declared.get(model.default_prompt_name or "") or ""
    return Prompts(default, default) if default else prompts_for(name)


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8


def _tokenizer_text(model: SentenceTransformer) -> str:
    """Return the tokenizer as JSON, or its description where it can't be written so."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    return str(backend.to_str() if backend is not None else model.tokenizer)


def _fingerprint(model: SentenceTransformer, prompts: Prompts, dimension: int) -> str:
    """Hash all that a vector depends on; the model's place on disk is no part of it."""
    digest = hashlib.sha256()
    state = model.state_dict()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.flatten().view(_bytes()).numpy().tobytes())
    settings = [repr(model), prompts.query, prompts.passage, dimension, _tokenizer_text(model)]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()[:16]
