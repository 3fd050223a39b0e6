"""Child processes that run commands of digest-rag, to be killed, and to be looked at after.

They are forked from a server that has the libraries loaded, so that a command
takes a fraction of a second; each runs `rag.cli.main` as the shell would.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_FORK = multiprocessing.get_context("forkserver")
_LOADED = ("rag.cli", "rag.answer", "rag.build", "rag.console", "chromadb", "onnxruntime", "onnx")
_LIMIT = 300.0

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command ended; `code` is None for one that died without a word."""

    code: int | None
    out: str
    err: str

    @property
    def clear(self) -> bool:
        """Return whether it ended well, or with one sentence of ours and nothing else."""
        talk = [line for line in self.err.splitlines() if line.strip()]
        if self.code == 0:
            return "Traceback" not in self.err
        return self.code == 1 and bool(talk) and talk[-1].startswith("digest-rag: ")

    @property
    def last(self) -> str:
        """Return the last line of what it said on stderr."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else f"(died with {self.code})"


def prepare() -> None:
    """Have the libraries loaded once, before the first child."""
    _FORK.set_forkserver_preload(list(_LOADED))


def start(
    commands: Sequence[Sequence[str]], environment: Environment, result: Path, file_limit: int = 0
) -> BaseProcess:
    """Start a child that runs `commands` one after another and writes how each ended.

    With `file_limit` no file may grow beyond that many bytes, as on a full disk.
    """
    child = _FORK.Process(
        target=_run_all, args=(commands, dict(environment), str(result), file_limit)
    )
    child.start()
    return child


def run(
    commands: Sequence[Sequence[str]], environment: Environment, file_limit: int = 0
) -> list[Ran]:
    """Run `commands` in one child and return how each ended."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.json"
        child = start(commands, environment, result, file_limit)
        child.join(_LIMIT)
        if child.is_alive():
            child.kill()
            child.join()
            return [Ran(None, "", f"no end in {_LIMIT:.0f} s") for _ in commands]
        return finished(result, child, len(commands))


def finished(result: Path, child: BaseProcess, wanted: int) -> list[Ran]:
    """Return how the commands of a child that has ended went."""
    lines = result.read_text(encoding="utf-8").splitlines() if result.is_file() else []
    found = [Ran(*json.loads(line)) for line in lines]
    missing = wanted - len(found)
    return found + [Ran(None, "", f"died with {child.exitcode}")] * missing


def kill_when(
    child: BaseProcess, index: Path, marks: Sequence[str], delay: float, limit: float = 120.0
) -> bool:
    """SIGKILL the child `delay` seconds after one of the `marks` in `index` changes.

    Marks are names below `index`; return False when the child had ended by itself.
    """
    before = [stamp(index / mark) for mark in marks]
    end = time.monotonic() + limit
    while child.is_alive() and time.monotonic() < end:
        if [stamp(index / mark) for mark in marks] != before:
            time.sleep(delay)
            break
        time.sleep(0.0005)
    ended = not child.is_alive()
    child.kill()
    child.join()
    return not ended


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 (JSON)
    """Return whether two values from JSON are equal, numbers to four places."""
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, abs_tol=1e-4)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def stamp(path: Path) -> int:
    """Return what changes with a file or a folder's list of files."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _run_all(
    commands: Sequence[Sequence[str]], environment: dict[str, str], result: str, file_limit: int
) -> None:
    for name in [name for name in os.environ if name.startswith("RAG_")]:
        del os.environ[name]
    os.environ.update(environment)
    with Path(result).open("w", encoding="utf-8") as file:
        for arguments in commands:
            with _limited(file_limit):
                ran = _run(arguments)
            file.write(json.dumps(ran) + "\n")
            file.flush()


@contextlib.contextmanager
def _limited(file_limit: int) -> Iterator[None]:
    """Keep files from growing beyond that many bytes; 0 is no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit or soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _run(arguments: Sequence[str]) -> tuple[int, str, str]:
    from rag.cli import main

    out, err = io.StringIO(), io.StringIO()
    code = 0
    sys.argv = ["digest-rag", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # as the interpreter would show it
            traceback.print_exc()
            code = 1
    return code, out.getvalue(), err.getvalue()
