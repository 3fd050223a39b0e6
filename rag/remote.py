"""A segment's vectors in a Chroma service, as one collection.

The segment's folder holds a small file that names the collection and says how
many vectors were sent. The file is written first, so that what a stopped build
had sent is found and deleted with its folder; and nothing is ever deleted in a
service that no such file names.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rag.errors import IndexDamaged
from rag.service import Service, is_absent, patiently

Result = TypeVar("Result")
Add = Callable[[list[str], NDArray[np.float32]], object]
Connect = Callable[[], AbstractContextManager[Any]]

POINTER = "collection.json"
_OURS = "digest-rag-"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9]+")


class RemoteVectors:
    """The collection of one segment in a service; `connect` gives Chroma's client."""

    def __init__(self, folder: Path, service: Service, connect: Connect) -> None:
        """Keep where to look; nothing is asked yet."""
        self.folder = folder
        self._service = service
        self._connect = connect

    def asked(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns, with patience; raises as `patiently` does."""
        return patiently(call, self._service)

    @contextmanager
    def reading(self) -> Iterator[tuple[Any, int]]:
        """Give the collection and how many vectors it holds.

        Raises `IndexDamaged` when the service has not all that were sent.
        """
        name, sent = self._pointer()
        with self._client() as client:
            found = self.asked(lambda: client.get_collection(name, embedding_function=None))
            if self.asked(found.count) != sent:
                raise IndexDamaged(
                    f"The Chroma service at {self._service.url} has lost vectors of the index.",
                    "Run 'digest-rag index' to send them again.",
                )
            yield found, sent

    @contextmanager
    def writing(self, rows: int, graph: Mapping[str, object]) -> Iterator[tuple[Add, int]]:
        """Give how vectors are added to a new collection, and how many at once."""
        segment = _NOT_IN_NAMES.sub("-", self.folder.parent.name).strip("-")
        # No two indexes, of whatever machine, have the same.
        name = f"{_OURS}{segment}-{uuid.uuid4().hex}"
        pointer = json.dumps({"collection": name, "rows": rows})
        with self._client() as client:
            (self.folder / POINTER).write_text(pointer, encoding="utf-8")
            collection = self.asked(
                lambda: client.get_or_create_collection(
                    name, configuration={"hnsw": graph}, embedding_function=None
                )
            )

            def add(ids: list[str], vectors: NDArray[np.float32]) -> None:
                # An id that is there already stays as it is: a second try does no harm.
                self.asked(lambda: collection.add(ids=ids, embeddings=vectors))

            yield add, self.asked(client.get_max_batch_size)

    def drop(self) -> None:
        """Delete the collection that the folder names; an absent one is no error."""
        try:
            name, _ = self._pointer()
        except IndexDamaged:
            return

        def delete() -> None:
            try:
                client.delete_collection(name)
            except Exception as error:  # Chroma raises its own kinds and httpx's
                if not is_absent(error):
                    raise

        with self._client() as client:
            self.asked(delete)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        with ExitStack() as opened:
            yield self.asked(lambda: opened.enter_context(self._connect()))

    def _pointer(self) -> tuple[str, int]:
        path = self.folder / POINTER
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            name, rows = str(data["collection"]), int(data["rows"])
            if not name.startswith(_OURS):
                raise ValueError(name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexDamaged.of(path) from error
        return name, rows
