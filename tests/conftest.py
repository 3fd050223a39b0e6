"""What the tests share: a small encoder, small digests, and the index of the seeds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

from rag import build, doctor, index
from rag.build import build_index
from rag.embed import Encoder
from rag.lexical import tokens
from rag.segment import HERE, Encode, Where
from rag.sentences import Sentences, in_steps, spans_of
from rag.settings import Settings
from rag.verify import verify_segment

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "seeds"
SHARED = ROOT.parent / "shared"

hypothesis_settings.register_profile("tests", deadline=None, max_examples=80)
hypothesis_settings.load_profile("tests")


class WordEncoder:
    """A real encoder in small: each word has a direction, a text is their sum."""

    dimension = 64

    def __init__(self, name: str = "words") -> None:
        self.name = name
        self.fingerprint = f"{name}-1"
        self.encoded: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self._vector(text) for text in texts], dtype=np.float32)

    def encode_passages(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        self.encoded += texts
        return self.encode_queries(texts)

    def encode_sentences(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        told = [[text[a:b] for a, b in spans_of(text)] or [text] for text in texts]
        return self.encode_passages(texts), [self.encode_queries(own) for own in told]

    def _vector(self, text: str) -> NDArray[np.float64]:
        words = tokens(text) or ["nothing"]
        total = sum((self._direction(word) for word in words), np.zeros(self.dimension))
        return np.asarray(total / (np.linalg.norm(total) or 1.0))

    def _direction(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(f"{self.name} {word}".encode()).digest()[:8])
        return np.random.default_rng(seed).normal(size=self.dimension)


def encode_by(encoder: Encoder) -> Encode:
    """What encodes for `write_segment`, without a cache."""

    def encode(texts: Sequence[str]) -> tuple[NDArray[np.float32], list[Sentences]]:
        vectors, told = encoder.encode_sentences(texts)
        counts = np.array([len(rows) for rows in told], dtype=np.int64)
        return vectors, [Sentences(counts, *in_steps(np.concatenate(told)))]

    return encode


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings out of the tests."""
    for name in list(os.environ):
        if name.startswith(("RAG_", "OPENAI_", "OLLAMA_")):
            monkeypatch.delenv(name)


@pytest.fixture
def word_encoder(monkeypatch: pytest.MonkeyPatch) -> WordEncoder:
    """The encoder of every index that is built or opened in this test."""
    encoder = WordEncoder()
    for module in (build, index):
        monkeypatch.setattr(module, "load_encoder", lambda settings: encoder)
    # The same look at the segments without a second for each new process; the index
    # of the seeds, and test_verify, have the process as well.
    for module in (build, doctor):
        monkeypatch.setattr(module, "verify", verify_here)
    # No test cuts the power; waiting for the disk is most of a small build's time.
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return encoder


def verify_here(folders: Sequence[Path], where: Where = HERE) -> None:
    """Verify segments in this process."""
    for folder in folders:
        verify_segment(folder, where)


@pytest.fixture
def tiny_settings(tmp_path: Path, word_encoder: WordEncoder) -> Callable[..., Settings]:
    """Return settings for small digests: tiny_settings({"name.md": "text"}, port=1)."""

    def make(digests: dict[str, str | bytes], **changes: object) -> Settings:
        folder = tmp_path / "digests"
        write_files(folder, digests)
        values: dict[str, object] = {"digests": (folder,), "index_dir": tmp_path / "index"}
        return Settings(**{**values, **changes})  # type: ignore[arg-type]

    return make


def write_files(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write each file, text as UTF-8, below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture(scope="session")
def seed_index(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Settings:
    """Settings of an index of the five seeds, built once per run with the default encoder.

    Vectors are taken over from the last run's cache, which knows the encoder and
    the text of each; everything else is built anew.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    settings = Settings(digests=(SEEDS,), index_dir=shared / "seed_index")
    kept = Path(request.config.cache.mkdir("seed_vectors")) / "vectors.sqlite"
    with FileLock(shared / "seed_index.lock"):
        if not (settings.index_dir / "CURRENT").is_file():
            settings.index_dir.mkdir(exist_ok=True)
            copy = settings.index_dir / "vectors.sqlite"
            if kept.is_file():
                copy.write_bytes(kept.read_bytes())
            build_index(settings=settings)
            kept.write_bytes(copy.read_bytes())
    return settings


@pytest.fixture(scope="session")
def seed_settings(seed_index: Settings) -> Settings:
    """The settings under which the index of the seeds is current."""
    return seed_index
