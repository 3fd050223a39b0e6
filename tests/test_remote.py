"""Vectors in a real Chroma service: `chroma run`, the Rust server, on the loopback."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import write_files
from digest_files import entry, titled
from numpy.typing import NDArray

from rag.build import build_index
from rag.doctor import examine, repair
from rag.errors import IndexDamaged, ServiceDown
from rag.index import current_manifest
from rag.search import search
from rag.settings import Settings
from rag.vectors import VectorIndex, VectorPlace, drop_vectors, write_vectors

RUN = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"
TOKEN = "hush-hush"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Server:
    """A Chroma server that can be stopped and started again over the same data."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *[sys.executable, "-c", RUN, "run", "--path", str(self.folder / "data")],
                    *["--host", "127.0.0.1", "--port", str(self.port)],
                ],
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            try:
                httpx.get(f"{self.address}/api/v2/heartbeat", timeout=5).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def collections(self) -> set[str]:
        path = "/api/v2/tenants/default_tenant/databases/default_database/collections"
        return {c["name"] for c in httpx.get(self.address + path, timeout=30).json()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("chroma"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    random = np.random.default_rng(7).normal(size=(40, 16))
    return (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def place(server: Server, tmp_path: Path, vectors: NDArray[np.float32]) -> Iterator[VectorPlace]:
    place = VectorPlace(tmp_path / "20250101T000000000000" / "chroma", server.address)
    write_vectors(place, vectors)
    yield place
    drop_vectors(place)


@pytest.mark.slow
def test_the_service_answers_as_the_folder_does(
    place: VectorPlace, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    here = VectorPlace(tmp_path / "here" / "chroma")
    write_vectors(here, vectors)
    remote, local = VectorIndex(place), VectorIndex(here)
    assert remote.count == local.count == 40
    for vector in vectors:
        rows, similarities = remote.nearest(vector, 7)
        np.testing.assert_array_equal(rows, local.nearest(vector, 7)[0])
        np.testing.assert_allclose(similarities, local.nearest(vector, 7)[1], atol=1e-5)
    remote.close()
    local.close()


@pytest.mark.slow
def test_a_segment_is_one_collection_named_for_it(server: Server, place: VectorPlace) -> None:
    (file,) = place.folder.iterdir()
    name = json.loads(file.read_text())["collection"]
    assert re.fullmatch(r"digest-rag-20250101T000000000000-\w{32}", name)
    assert name in server.collections()


@pytest.mark.slow
def test_more_vectors_than_one_request_takes(server: Server, tmp_path: Path) -> None:
    many = np.random.default_rng(1).normal(size=(6000, 4)).astype(np.float32)
    place = VectorPlace(tmp_path / "many" / "chroma", server.address)
    write_vectors(place, many)
    index = VectorIndex(place)
    assert index.count == 6000
    assert list(index.nearest(many[5999], 1)[0]) == [5999]
    index.close()
    drop_vectors(place)


@pytest.mark.slow
def test_only_what_the_folder_names_is_dropped(
    server: Server, place: VectorPlace, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    other = VectorPlace(tmp_path / "elsewhere" / place.folder.parent.name / "c", server.address)
    write_vectors(other, vectors)
    before = server.collections()
    drop_vectors(other)
    assert len(before - server.collections()) == 1
    assert not other.folder.exists()
    assert VectorIndex(place).count == 40
    drop_vectors(other)


@pytest.mark.slow
def test_a_foreign_collection_is_never_dropped(server: Server, place: VectorPlace) -> None:
    name = "somebody-elses"
    path = "/api/v2/tenants/default_tenant/databases/default_database/collections"
    httpx.post(server.address + path, json={"name": name}, timeout=30).raise_for_status()
    pointer = place.folder / "collection.json"
    kept = pointer.read_text()
    pointer.write_text(json.dumps({"collection": name, "rows": 0}))
    with pytest.raises(IndexDamaged):
        VectorIndex(place)
    drop_vectors(place)
    assert name in server.collections()
    place.folder.mkdir()
    pointer.write_text(kept)


@pytest.mark.slow
def test_a_collection_that_is_gone_or_smaller_is_damage(
    server: Server, place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(place)
    pointer = place.folder / "collection.json"
    kept = pointer.read_text()
    pointer.write_text(json.dumps({**json.loads(kept), "rows": 41}))
    with pytest.raises(IndexDamaged, match="has lost vectors"):
        VectorIndex(place)
    pointer.write_text(kept)
    drop_vectors(place)
    with pytest.raises(IndexDamaged, match="does not have the index's vectors"):
        index.nearest(vectors[0], 1)
    place.folder.mkdir()
    pointer.write_text(kept)
    with pytest.raises(IndexDamaged, match="does not have the index's vectors"):
        VectorIndex(place)


@pytest.mark.slow
def test_a_database_that_is_not_there_is_named(place: VectorPlace) -> None:
    with pytest.raises(ServiceDown, match="no database 'acme/papers'"):
        VectorIndex(replace(place, database="acme/papers"))


@pytest.mark.slow
def test_a_stopped_service_is_named_and_found_again(
    server: Server, place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    index = VectorIndex(place)
    expected = index.nearest(vectors[0], 5)
    server.stop()
    try:
        for call in (
            lambda: index.nearest(vectors[0], 5),
            lambda: VectorIndex(place),
            lambda: write_vectors(replace(place, folder=place.folder.with_name("new")), vectors),
            lambda: drop_vectors(place),
        ):
            with pytest.raises(ServiceDown, match="does not answer") as caught:
                call()
            assert server.address in caught.value.message
        assert place.folder.is_dir()
    finally:
        server.start()
    for again in (index, VectorIndex(place)):
        rows, similarities = again.nearest(vectors[0], 5)
        np.testing.assert_array_equal(rows, expected[0])
        np.testing.assert_allclose(similarities, expected[1], atol=1e-5)


READER = """
    import sys
    from pathlib import Path
    import numpy as np
    from rag.vectors import VectorIndex, VectorPlace

    vectors = np.load(sys.argv[1])
    index = VectorIndex(VectorPlace(Path(sys.argv[2]), sys.argv[3]))
    print("open", flush=True)
    asked = 0
    while asked < 100 or not Path(sys.argv[4]).exists():
        row = asked % len(vectors)
        assert index.nearest(vectors[row], 3)[0][0] == row, row
        asked += 1
    print(asked, flush=True)
"""


@pytest.mark.slow
def test_two_processes_read_while_a_third_writes(
    server: Server, place: VectorPlace, tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    done = tmp_path / "done"
    readers = [
        subprocess.Popen(
            [
                *[sys.executable, "-c", textwrap.dedent(READER), str(tmp_path / "v.npy")],
                *[str(place.folder), server.address, str(done)],
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
    more = np.random.default_rng(2).normal(size=(3000, 16)).astype(np.float32)
    new = VectorPlace(tmp_path / "20250102T000000000000" / "chroma", server.address)
    write_vectors(new, more)
    drop_vectors(new)
    done.touch()
    for reader in readers:
        asked, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        assert int(asked) >= 100


ASKER = """
    import sys
    from pathlib import Path
    from rag import Settings, search

    digests, index_dir, address, done = sys.argv[1:]
    settings = Settings(digests=(Path(digests),), index_dir=Path(index_dir), chroma_url=address)
    found = set()
    for asked in range(10**9):
        last = Path(done).exists()
        found |= {hit.paper.arxiv_id for hit in search("Zebras", settings=settings)}
        if not asked:
            print("open", flush=True)
        if last:
            break
    print(asked, *sorted(found), flush=True)
"""


@pytest.fixture
def served(server: Server, tmp_path: Path) -> Settings:
    """Settings of an index whose vectors the server holds, of one digest."""
    write_files(tmp_path / "digests", {"a.md": titled([entry("2501.00001", "Zebras in space")])})
    settings = Settings(
        digests=(tmp_path / "digests",), index_dir=tmp_path / "index", chroma_url=server.address
    )
    build_index(settings=settings)
    return settings


def used(settings: Settings) -> set[str]:
    """The collections that the index's segments name."""
    files = settings.index_dir.glob("segments/*/chroma/collection.json")
    return {json.loads(file.read_text())["collection"] for file in files}


@pytest.mark.slow
def test_two_processes_ask_an_index_that_a_third_updates(
    server: Server, served: Settings, tmp_path: Path
) -> None:
    done, others = tmp_path / "done", server.collections() - used(served)
    readers = [
        subprocess.Popen(
            [
                *[sys.executable, "-c", textwrap.dedent(ASKER), str(served.digests[0])],
                *[str(served.index_dir), server.address, str(done)],
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
    for n in range(2, 6):
        new = titled([entry(f"2501.0000{n}", f"Zebras of kind {n}")])
        write_files(served.digests[0], {f"{n}.md": new})
        build_index(settings=served)
    # A corrected digest replaces what was said in one of the segments before.
    write_files(served.digests[0], {"2.md": titled([entry("2501.00002", "Zebras of old")])})
    build_index(settings=served)
    done.touch()
    for reader in readers:
        out, _ = reader.communicate(timeout=120)
        assert reader.returncode == 0
        assert out.split()[1:] == [f"2501.0000{n}" for n in range(1, 6)]
    # With the readers gone, the next build deletes what only they needed.
    write_files(served.digests[0], {"2.md": titled([entry("2501.00002", "Zebras of new")])})
    build_index(settings=served)
    assert server.collections() - others == used(served)


@pytest.mark.slow
def test_an_index_outlives_its_service_and_mends_what_it_lost(
    server: Server, served: Settings
) -> None:
    assert search("Zebras", settings=served)
    server.stop()
    try:
        with pytest.raises(ServiceDown, match="does not answer"):
            search("Zebras", settings=served)
        write_files(served.digests[0], {"b.md": titled([entry("2501.00002", "Zebras")])})
        before = current_manifest(served)
        with pytest.raises(ServiceDown):
            build_index(settings=served)
        assert current_manifest(served) == before
        bad = [finding for finding in examine(served) if not finding.ok]
        assert [finding.part for finding in bad] == ["segments", "up to date"]
        assert "does not answer" in bad[0].sentence
        with pytest.raises(ServiceDown):
            repair(served)
    finally:
        server.start()
    assert search("Zebras", settings=served)
    for name in used(served):
        path = "/api/v2/tenants/default_tenant/databases/default_database/collections/"
        httpx.delete(server.address + path + name, timeout=30).raise_for_status()
    with pytest.raises(IndexDamaged, match="does not have"):
        search("Zebras", settings=served)
    assert len(used(served)) == 1
    build_index(settings=served)
    found = {hit.paper.arxiv_id for hit in search("Zebras", settings=served)}
    assert found == {"2501.00001", "2501.00002"}


class Guard(BaseHTTPRequestHandler):
    """A proxy that lets nobody through without the token, as one would put before Chroma."""

    upstream = ""
    protocol_version = "HTTP/1.1"

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            answer = httpx.Response(401, text="no")
        else:
            url = self.upstream + self.path
            kind = {"content-type": "application/json"}
            answer = httpx.request(self.command, url, content=body, headers=kind, timeout=30)
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guarded(server: Server) -> Iterator[str]:
    handler = type("Handler", (Guard,), {"upstream": server.address})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{proxy.server_port}"
    proxy.shutdown()
    proxy.server_close()


@pytest.mark.slow
def test_a_token_opens_the_way_and_a_wrong_one_is_named(
    guarded: str, place: VectorPlace, vectors: NDArray[np.float32]
) -> None:
    through = replace(place, service=guarded, token=TOKEN)
    assert list(VectorIndex(through).nearest(vectors[5], 1)[0]) == [5]
    for wrong in ("", "hush-no"):
        with pytest.raises(ServiceDown, match="refuses the token") as caught:
            VectorIndex(replace(through, token=wrong))
        assert "hush" not in str(caught.value)
    assert TOKEN not in repr(through)


def test_embedded_vectors_need_nothing_of_the_service(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        import numpy as np
        from rag.vectors import VectorIndex, VectorPlace, write_vectors

        place = VectorPlace(Path({str(tmp_path)!r}))
        write_vectors(place, np.eye(3, dtype=np.float32))
        assert VectorIndex(place).count == 3
        for name in ("rag.remote", "rag.service"):
            assert name not in sys.modules, name
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
