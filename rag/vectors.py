"""The vectors of one index generation in Chroma; the only module that imports it.

Chroma is derived and disposable here: its folder is written once, verified,
and never changed, and every vector in it can be made again. Vectors are passed
in, so that no embedding function is ever stored or downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import IndexDamaged

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_COLLECTION = "passages"


def _client(folder: Path) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    return chromadb.PersistentClient(path=str(folder), settings=settings)


class VectorIndex:
    """Nearest passages by cosine similarity."""

    def __init__(self, folder: Path) -> None:
        """Open the collection in `folder`; raises `IndexDamaged` if it can't be."""
        if not (folder / "chroma.sqlite3").is_file():
            raise IndexDamaged.of(folder)
        self._folder = folder
        try:
            self._collection: Any = _client(folder).get_collection(
                _COLLECTION, embedding_function=None
            )
            self.count: int = self._collection.count()
        except Exception as error:  # Chroma raises its own kinds and Rust's
            raise IndexDamaged.of(folder) from error

    def nearest(
        self, vector: NDArray[np.float32], count: int, ids: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return up to `count` (passage id, cosine similarity), most similar first.

        `vector` has shape (dimension,); `ids`, if given, are the passages allowed.
        """
        count = min(count, self.count if ids is None else len(ids))
        if count == 0:
            return []
        try:
            found = self._collection.query(
                query_embeddings=[vector],
                n_results=count,
                ids=None if ids is None else list(ids),
                include=["distances"],
            )
        except Exception as error:
            raise IndexDamaged.of(self._folder) from error
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        # Rounding takes the distance of equal vectors below 0.
        return [(passage_id, min(1.0, 1.0 - float(distance))) for passage_id, distance in pairs]


def write_vectors(
    folder: Path,
    ids: Sequence[str],
    vectors: NDArray[np.float32],
    metadatas: Sequence[dict[str, str]],
) -> None:
    """Write a new collection of `vectors`, shape (len(ids), dimension), in `folder`."""
    client = _client(folder)
    collection = client.create_collection(
        _COLLECTION, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    step = client.get_max_batch_size()
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        collection.add(
            ids=list(ids[part]),
            embeddings=vectors[part],
            metadatas=list(metadatas[part]),
        )
