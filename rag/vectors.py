"""The vectors of one index segment in Chroma; the only module that imports it.

Chroma is derived and disposable here: a segment is written once, verified and
never changed, and every vector in it can be made again. A vector's id is its
row. Vectors are passed in, so that no embedding function is ever stored or
downloaded. They lie in the segment's folder, or in a Chroma service: then the
folder holds the name of the segment's collection.

What Chroma 1.5.9 does to its files decides how they are used here. Opening a
folder writes to it: each client inserts a row into `chroma.sqlite3`, and fails
where it may not. The graph's files are opened for writing and only read. So a
reader opens a *view*: a temporary folder with a copy of the small database and a
link to the graph. No file of a segment changes after it was written, neither its
content nor its time, a folder that can't be written to is readable, and no two
processes share a database.

A graph that lost a file is silently begun anew, and one that was cut short ends
the process by SIGSEGV. So who opens a segment compares its files' sizes first,
and tries a new one in a process of its own.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rag.errors import DigestRagError, IndexDamaged, IndexUnwritable

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

    from rag.remote import RemoteVectors
    from rag.service import Service

Progress = Callable[[int, int], None]
Vectors = NDArray[np.float32]
Result = TypeVar("Result")
Add = Callable[[list[str], Vectors], object]

_COLLECTION, _DATABASE = "vectors", "chroma.sqlite3"
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class VectorPlace:
    """Where a segment's vectors lie.

    `folder` is the segment's folder for them, `service` the address of a Chroma
    service that holds them instead, "" for none, `token` its secret and
    `database` TENANT/DATABASE in it, "" for the default ones.
    """

    folder: Path
    service: str = ""
    token: str = field(default="", repr=False)
    database: str = ""


class VectorIndex:
    """Nearest vectors by cosine similarity. Several threads may ask at once."""

    def __init__(self, place: VectorPlace) -> None:
        """Open the vectors of `place`.

        Raises `IndexDamaged` if they can't be, `IndexUnwritable` without room for
        a temporary folder, and `ServiceDown` when the service does not answer.
        """
        self._home = _home(place)
        opened = ExitStack()
        # Also when nobody holds it any more and nobody closed it.
        self._release = weakref.finalize(self, opened.close)
        try:
            self._collection, self.count = opened.enter_context(self._home.reading())
        except BaseException:
            self._release()
            raise

    def nearest(self, vector: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return up to `count` rows and their cosine similarities, most similar first.

        `vector` has shape (dimension,). The search is approximate: of the true
        nearest a few may be missing. Raises as the opening does.
        """
        count = min(count, self.count)
        if count == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = self._home.asked(
            lambda: self._collection.query(
                query_embeddings=[vector], n_results=count, include=["distances"]
            )
        )
        rows = np.array(found["ids"][0], dtype=np.str_).astype(np.int64)
        # Rounding takes the distance of equal vectors below 0.
        similarities = np.minimum(1.0, 1.0 - np.array(found["distances"][0], dtype=np.float32))
        # A graph that was overwritten finds nothing, or anything.
        if not (len(rows) and 0 <= rows.min() <= rows.max() < self.count):
            raise IndexDamaged.of(self._home.folder)
        return rows, similarities.astype(np.float32)

    def close(self) -> None:
        """Release the memory and the files; nothing can be asked any more."""
        self._collection = None
        self._release()


def write_vectors(place: VectorPlace, vectors: Vectors, progress: Progress | None = None) -> None:
    """Write `vectors`, shape (rows, dimension), into the empty or absent `place`.

    When it returns nothing is open, and no file will change again. `progress` is
    called with (rows done, rows in all). Raises `IndexUnwritable` where it can't be
    written, and `ServiceDown` when the service does not answer.
    """
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        with _home(place).writing(len(vectors), _graph_settings(len(vectors))) as (add, step):
            for start in range(0, len(vectors), step):
                part = np.ascontiguousarray(vectors[start : start + step])
                add([str(row) for row in range(start, start + len(part))], part)
                if progress:
                    progress(start + len(part), len(vectors))
    except DigestRagError:
        raise
    except Exception as error:  # Chroma raises its own kinds and Rust's
        raise IndexUnwritable(
            f"The vectors can't be written to '{place.folder}'.",
            "Check that the disk is not full and that you may write there.",
        ) from error


def drop_vectors(place: VectorPlace) -> None:
    """Delete the vectors of a segment that no generation names; absent ones are no error.

    Raises `ServiceDown`, and deletes nothing, when the service that holds them
    does not answer.
    """
    if place.service:
        _remote(place).drop()
    shutil.rmtree(place.folder, ignore_errors=True)


class _FolderVectors:
    """A segment's vectors in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def asked(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; raises `IndexDamaged` if it raises anything of Chroma's."""
        try:
            return call()
        except IndexUnwritable:
            raise
        except Exception as error:
            raise IndexDamaged.of(self.folder) from error

    @contextmanager
    def reading(self) -> Iterator[tuple[Any, int]]:
        """Give the collection and how many vectors it holds."""
        with ExitStack() as opened:

            def collection() -> tuple[Any, int]:
                client = opened.enter_context(_client(opened.enter_context(_view(self.folder))))
                found = client.get_collection(_COLLECTION, embedding_function=None)
                return found, found.count()

            yield self.asked(collection)

    @contextmanager
    def writing(self, rows: int, graph: CreateHNSWConfiguration) -> Iterator[tuple[Add, int]]:
        """Give how vectors are added to a new collection, and how many at once."""
        with _client(self.folder) as client:
            collection = client.create_collection(
                _COLLECTION, configuration={"hnsw": graph}, embedding_function=None
            )
            yield collection.add, client.get_max_batch_size()
            if rows == 1:
                # It saves after two changes at the least; the same row again is one.
                only = collection.get(include=["embeddings"])
                collection.update(ids=only["ids"], embeddings=only["embeddings"])
        # Gives back the pages of the rows that waited to be saved: nine tenths of the file.
        with closing(sqlite3.connect(self.folder / _DATABASE)) as db:
            db.execute("VACUUM")


def _home(place: VectorPlace) -> _FolderVectors | RemoteVectors:
    return _remote(place) if place.service else _FolderVectors(place.folder)


def _remote(place: VectorPlace) -> RemoteVectors:
    from rag.remote import RemoteVectors
    from rag.service import Service

    service = Service.at(place.service, place.token, place.database)
    return RemoteVectors(place.folder, service, partial(_remote_client, service))


def _graph_settings(rows: int) -> CreateHNSWConfiguration:
    """Return how the graph is made: dense, searched widely, and saved once, after its last row.

    With 130,000 vectors of passages and sentences and 150 written questions, Chroma's own 16
    neighbours and width of 100 find 91% of the 200 nearest, these find 99%, and a
    question takes 5 to 10 milliseconds. A search for more than the width is as wide
    as what is asked for.

    Chroma would save the graph after each thousand rows, and replay what came after
    the last save whenever the folder is opened.
    """
    once = max(2, rows)
    return {
        "space": "cosine",
        "max_neighbors": 32,
        "ef_search": 500,
        "sync_threshold": once,
        "batch_size": once,
    }


@contextmanager
def _client(folder: Path) -> Iterator[Client]:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    client = cast("Client", chromadb.PersistentClient(path=str(folder), settings=settings))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _remote_client(service: Service) -> Iterator[Client]:
    import chromadb
    from chromadb.config import Settings

    # The client has no time limit while it connects, so this goes first.
    service.greet()
    settings = Settings(
        anonymized_telemetry=False,
        chroma_server_host=service.host,
        chroma_server_http_port=service.port,
    )
    client = cast(
        "Client",
        chromadb.HttpClient(
            host=service.host,
            port=service.port,
            ssl=service.tls,
            headers=dict(service.headers),
            settings=settings,
            tenant=service.tenant,
            database=service.database,
        ),
    )
    # It would wait for ever and leave its connections open, and has no setting for either.
    asking, knowing = cast(Any, client._server)._session, cast(Any, client._admin_client)
    asking.timeout = service.timeout
    try:
        yield client
    finally:
        client.close()
        asking.close()
        knowing._server._session.close()


@contextmanager
def _view(folder: Path) -> Iterator[Path]:
    """Give a temporary folder through which Chroma may open `folder`.

    Raises `IndexUnwritable` when there is no room for one.
    """
    with ExitStack() as made:
        try:
            name = made.enter_context(
                tempfile.TemporaryDirectory(prefix="digest-rag-", ignore_cleanup_errors=True)
            )
        except OSError as error:
            raise _no_room() from error
        view = Path(name)
        try:
            shutil.copyfile(folder / _DATABASE, view / _DATABASE)
        except OSError as error:
            raise (_no_room() if error.errno in _FULL else error) from error
        for graph in folder.iterdir():
            if graph.is_dir():
                (view / graph.name).symlink_to(graph.resolve(), target_is_directory=True)
        yield view


def _no_room() -> IndexUnwritable:
    return IndexUnwritable(
        "There is no temporary folder to open the index with.",
        "Make room in it, or set TMPDIR to one that you may write to.",
    )
