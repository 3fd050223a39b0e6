"""The default encoder as it serves: tokenizers and onnxruntime, without torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.default_model import HEADS, MAX_TOKENS, TRAINED, default_identity, default_model
from rag.embed import Progress, Vectors, unit_rows, well_formed
from rag.onnx_graph import sentence_graph
from rag.sentences import pooled, spans_of

# Raised whenever the graph or the pooling changes, so that old exports are not used.
_RECIPE = f"mean,unit,{MAX_TOKENS},int8,2"
# What else an export gives; vectors, and so fingerprints, do not depend on it.
_OUTPUTS = "states"
# Passages between two calls of `progress`.
_STRIDE = 256
_HOUR = 3600
_GRAPH, _TOKENIZER, _SUMS = "model.onnx", "tokenizer.json", "sums.json"


class OnnxEncoder:
    """An exported sentence encoder behind the product's `Encoder` protocol."""

    name = "default"

    def __init__(self, folder: Path, identity: str, truncate_dim: int = 0) -> None:
        """Open the export in `folder`; `truncate_dim` 0 keeps all dimensions."""
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        # Texts are spread over the threads, which beats threads that share a text.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / _GRAPH), options, providers=["CPUExecutionProvider"]
        )
        self._pool = ThreadPoolExecutor(_cores(), thread_name_prefix="encode")
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        full = int(self._session.get_outputs()[0].shape[1])
        self.dimension = min(truncate_dim, full) if truncate_dim else full
        self.fingerprint = _hash(f"{identity},{self.dimension}")
        self.identity = identity

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one L2-normalised row per query: (len(texts), dimension)."""
        if len(texts) == 1:
            # In the reader's own thread: not in line behind what others have encoded.
            return unit_rows(self._vector(texts[0])[None, :])
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return one L2-normalised row per passage: (len(texts), dimension).

        `progress` is called with how many passages are done so far.
        """
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _STRIDE):
            part = texts[start : start + _STRIDE]
            rows[start : start + len(part)] = list(self._pool.map(self._vector, part))
            if progress:
                progress(start + len(part))
        return unit_rows(rows)

    def encode_sentences(self, texts: Sequence[str]) -> tuple[Vectors, list[Vectors]]:
        """Return the rows of `encode_passages`, and for each passage its sentences' rows.

        A sentence that lies behind the most tokens has none; a passage without any
        has its own row.
        """
        found = list(self._pool.map(self._told, texts))
        rows = np.array([row for row, _ in found], np.float32).reshape(-1, self.dimension)
        return unit_rows(rows), [unit_rows(sentences) for _, sentences in found]

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """Return for each text its tokens' states, (tokens, hidden size), without the ends."""
        return [found[1:-1] for found in self._pool.map(self._states, texts)]

    def _vector(self, text: str) -> Vectors:
        return self._run("vector", text)[: self.dimension]

    def _states(self, text: str) -> Vectors:
        return self._run("states", text)

    def _told(self, text: str) -> tuple[Vectors, Vectors]:
        """Return a passage's vector and its sentences'."""
        text = well_formed(text)
        cut = self._tokenizer.encode(text)
        vector, states = self._session.run(["vector", "states"], _tokens(cut.ids))
        row = np.asarray(vector[0][: self.dimension], np.float32)
        sentences = pooled(states[0][:, : self.dimension], cut.offsets, spans_of(text))
        return row, sentences if len(sentences) else row[None]

    def _run(self, output: str, text: str) -> Vectors:
        ids = self._tokenizer.encode(well_formed(text)).ids
        (found,) = self._session.run([output], _tokens(ids))
        return np.asarray(found[0], np.float32)


def _tokens(ids: Sequence[int]) -> dict[str, NDArray[np.int64]]:
    return {"input_ids": np.array([ids], np.int64)}


def open_default(index_dir: Path, truncate_dim: int = 0) -> OnnxEncoder:
    """Return the default encoder, exported into `index_dir` the first time it is asked for.

    Where `index_dir` can't be written the export serves this process alone.
    Raises `EncoderError` when the base model or the trained weights are missing
    or damaged.
    """
    identity = f"{default_identity()},{_RECIPE}"
    folder = index_dir / "encoders" / _hash(f"{identity},{_OUTPUTS}")
    if folder.is_dir():
        try:
            _check(folder)
            return OnnxEncoder(folder, identity, truncate_dim)
        except Exception:  # onnxruntime and tokenizers raise their own kinds
            shutil.rmtree(folder, ignore_errors=True)
    try:
        export_default(folder)
    except OSError:
        with tempfile.TemporaryDirectory() as scratch:
            export_default(Path(scratch) / "encoder")
            return OnnxEncoder(Path(scratch) / "encoder", identity, truncate_dim)
    _drop_others(folder)
    return OnnxEncoder(folder, identity, truncate_dim)


def export_default(folder: Path, trained: Path = TRAINED) -> None:
    """Write the default encoder's graph and tokenizer into the new `folder`, whole or not at all.

    `trained` is the file of trained weights to put on top of the base model.
    """
    model = default_model(trained)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".export-"))
    try:
        (scratch / _GRAPH).write_bytes(sentence_graph(model.weights, HEADS, "int8"))
        (scratch / _TOKENIZER).write_text(model.tokenizer, encoding="utf-8")
        (scratch / _SUMS).write_text(json.dumps(_sums(scratch)), encoding="utf-8")
        scratch.chmod(0o755)
        _put_in_place(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _drop_others(folder: Path) -> None:
    """Delete the exports of other versions, and those that a killed process left half-written."""
    for other in folder.parent.iterdir():
        with suppress(FileNotFoundError):  # another process tidies too
            begun = other.name.startswith(".") and time.time() - other.stat().st_mtime < _HOUR
            if other != folder and not begun:
                shutil.rmtree(other, ignore_errors=True)


def _check(folder: Path) -> None:
    """Raise ValueError unless the files are as they were written.

    One wrong bit of a weight gives other vectors and no error.
    """
    if json.loads((folder / _SUMS).read_text(encoding="utf-8")) != _sums(folder):
        raise ValueError("checksum")


def _sums(folder: Path) -> dict[str, int]:
    return {name: zlib.crc32((folder / name).read_bytes()) for name in (_GRAPH, _TOKENIZER)}


def _put_in_place(scratch: Path, folder: Path) -> None:
    try:
        os.replace(scratch, folder)
    except OSError:
        # Another process was first; its export is the same.
        if not folder.is_dir():
            raise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cores() -> int:
    """Return how many cores this process may use, where the system says."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
