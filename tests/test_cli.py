"""The command line: data on stdout, talk on stderr, exit codes, sentences for errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, SEEDS
from digest_files import entry, sections

import rag.cli
import rag.upkeep
from rag import index as index_module
from rag.settings import Settings

COMMANDS = "index watch search ask papers show status doctor check train-encoder ui eval".split()
PPA = "2506.05739"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    seed_index: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """run("ask", "…", RAG_X="…") in this process; return exit code, stdout, stderr."""
    monkeypatch.setenv("RAG_INDEX", str(seed_index.index_dir))
    monkeypatch.setenv("RAG_DIGESTS", str(SEEDS))

    def ran(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["digest-rag", *arguments])
        code = 0
        try:
            rag.cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return ran


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "rag.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def questions(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    row = {
        "question": "What is SafeDPO?",
        "style": "named",
        "lang": "en",
        "gold": ["2505.20065"],
        "answer_keys": [["SafeDPO"]],
    }
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


def test_the_commands_are_those_that_are_tested(run: Run) -> None:
    registered = [*rag.cli.app.registered_commands, *rag.upkeep.app.registered_commands]
    found = [c.name or getattr(c.callback, "__name__", "") for c in registered]
    assert sorted(found) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_says_what_it_does_with_an_example(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Example:" in out
    assert f"digest-rag {command}" in " ".join(out.split("Example:")[1].split())


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys, rag.cli
sys.argv = ["digest-rag", "--help"]
try:
    rag.cli.main()
finally:
    heavy = {"numpy", "chromadb", "torch", "llama_index", "gradio", "onnxruntime",
             "sentence_transformers", "transformers", "pydantic", "rich.progress"}
    print(*(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert "Commands" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "KV cache"),
        ("search", "量化", "--top", "3", "--category", "cs.LG"),
        ("ask", "What is SafeDPO?"),
        ("ask", "SafeDPO是什么？"),
        ("ask", "2599.99999"),
        ("ask", "上周的论文"),
        ("papers",),
        ("papers", "--announce", "replace", "--since", "2025-06-09"),
        ("papers", "--category", "zz.ZZ"),
        ("show", PPA),
        ("show", f"https://arxiv.org/abs/{PPA}v2"),
        ("status",),
    ],
)
def test_json_is_all_of_stdout(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    assert json.loads(out) is not None


@pytest.mark.parametrize(
    "arguments",
    [("search", "KV cache"), ("ask", "What is SafeDPO?"), ("papers",), ("show", PPA), ("status",)],
)
def test_without_json_stdout_is_for_reading(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 0
    assert len(out.strip()) > 20
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        json.loads(out)
    assert "Traceback" not in err


def test_an_answer_as_json_has_all_that_the_record_has(run: Run) -> None:
    data = json.loads(run("ask", "What is SafeDPO?", "--json")[1])
    assert {
        "question",
        "text",
        "language",
        "citations",
        "is_refusal",
        "hits",
        "nearest",
        "notes",
    } <= set(data)
    assert data["citations"][0]["arxiv_id"] == data["hits"][0]["arxiv_id"] == "2505.20065"
    assert data["citations"][0]["quotes"][0]["text"] in data["text"]


def test_an_answer_comes_with_its_sources(run: Run) -> None:
    _, out, _ = run("ask", "哪篇论文用多态提示来防御提示注入？")
    assert f"[{PPA}]" in out
    assert f"https://arxiv.org/abs/{PPA}" in out
    assert "Polymorphic" in out


def test_a_refusal_is_data_and_no_error(run: Run) -> None:
    code, out, err = run("ask", "2599.99999")
    assert (code, err) == (0, "")
    assert "2599.99999" in out


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 166),
        (("--author", "Ivan Vulic"), 1),
        (("--category", "cs.CL"), 6),
        (("--digest", "004"), 127),
        (("--announce", "replace"), 9),
        (("--id", PPA, "--id", "2505.20065"), 2),
        (("--until", "2025-06-08"), 0),
    ],
)
def test_filters_of_papers(run: Run, arguments: tuple[str, ...], count: int) -> None:
    code, out, err = run("papers", *arguments)
    assert code == 0
    assert len(out.splitlines()) == count
    assert str(count) in err


def test_filters_of_search_and_ask(run: Run) -> None:
    hits = json.loads(run("search", "reinforcement learning", "--category", "cs.CR", "--json")[1])
    assert len(hits) == 1
    found = json.loads(run("ask", "planning", "--author", "Ivan Vulic", "--json")[1])
    assert [c["arxiv_id"] for c in found["citations"]] == ["2505.11409"]


BAD: list[tuple[tuple[str, ...], str]] = [
    (("ask", ""), "empty"),
    (("ask", " \x01 "), "empty"),
    (("ask", "x" * 9000), "9,000"),
    (("search", ""), "empty"),
    (("show", "2599.99999"), "2599.99999"),
    (("show", "junk"), "junk"),
    (("papers", "--since", "tomorrow"), "tomorrow"),
    (("papers", "--since", "2025-06-10", "--until", "2025-06-09"), "after"),
    (("ask", "What is it?", "--id", "9999"), "'9999' is no arXiv id"),
    (("papers", "--announce", "bad"), "bad"),
    (("index", "/no/such/folder"), "/no/such/folder"),
    (("eval", "/no/such/file"), "/no/such/file"),
    (("ask", "hi", "--llm", "nonsense"), "nonsense"),
]


@pytest.mark.parametrize(("arguments", "word"), BAD, ids=[" ".join(a)[:30] for a, _ in BAD])
def test_bad_input_gets_a_sentence_and_exit_code_1(
    run: Run, arguments: tuple[str, ...], word: str
) -> None:
    code, out, err = run(*arguments)
    assert code == 1
    assert out == ""
    assert word in err
    assert "Traceback" not in err
    assert err.strip().endswith((".", "`", ")"))
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("ask", "hi"), ("search", "hi"), ("papers",), ("show", PPA), ("status",)]
)
def test_without_an_index_the_command_to_run_is_named(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    code, out, err = run(*command, RAG_INDEX=str(tmp_path / "none"))
    assert (code, out) == (1, "")
    assert "digest-rag index" in err


@pytest.mark.parametrize("variable", ["RAG_PORT", "RAG_DENSE_WEIGHT", "RAG_MAX_QUESTION"])
def test_a_setting_that_cant_be_read(run: Run, variable: str) -> None:
    code, out, err = run("status", **{variable: "lots"})
    assert (code, out) == (1, "")
    assert variable in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("ask",),
        ("papers", "--bogus"),
        ("search", "x", "--top", "0"),
        ("search", "x", "--top", "many"),
    ],
)
def test_a_wrong_option_is_exit_code_2_with_the_usage(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Usage" in err


@pytest.mark.usefixtures("word_encoder")
def test_index_ends_with_a_ledger(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "digests"
    folder.mkdir()
    good = [
        entry("2501.00001", "One", category="cs.CL"),
        entry("2501.00002", "Two", category="cs.CL"),
    ]
    (folder / "a.md").write_text(sections(good), encoding="utf-8")
    (folder / "b.md").write_text(sections(good[:1]), encoding="utf-8")
    (folder / "bad.md").write_bytes(b"\0\1\2")
    (folder / "none.md").write_text("Nothing here.", encoding="utf-8")
    code, out, _ = run(
        "index", str(folder), "--json", RAG_INDEX=str(tmp_path / "index"), RAG_DIGESTS=str(folder)
    )
    ledger = json.loads(out)
    assert code == 0
    assert (ledger["files"], ledger["entries"], ledger["papers"], ledger["merged"]) == (2, 3, 2, 1)
    assert {Path(f["path"]).name for f in ledger["failed"]} == {"bad.md", "none.md"}
    code, out, _ = run("index", str(folder))
    assert code == 0
    assert all(word in out for word in ("papers", "merged", "bad.md", "none.md"))
    index_module._open.clear()


def test_index_of_nothing_is_exit_code_1_and_names_the_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_bytes(b"\0\1\2")
    code, out, err = run("index", str(tmp_path), RAG_INDEX=str(tmp_path / "index"))
    assert code == 1
    assert "bad.md" in out
    assert "RAG_DIGESTS" in err
    code, out, _ = run("index", str(tmp_path), "--json", RAG_INDEX=str(tmp_path / "index"))
    assert code == 1
    assert json.loads(out)["failed"]


def test_eval_prints_a_table_and_json(run: Run, tmp_path: Path) -> None:
    path = questions(tmp_path)
    code, out, err = run("eval", str(path))
    assert code == 0
    assert "| named en | 1 |" in out
    assert "1 of 1" in err
    code, out, _ = run("eval", str(path), "--json")
    assert json.loads(out)["groups"]["named en"]["n"] == 1


def test_status_says_when_the_index_is_stale(run: Run) -> None:
    assert json.loads(run("status", "--json")[1])["papers"] == 166
    code, out, err = run("status", RAG_TRUNCATE_DIM="64")
    assert code == 0
    assert "stale" in out
    assert "digest-rag index" in err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, rag.cli.typer.Abort])
def test_a_stop_is_exit_code_130(
    run: Run, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr("rag.index.open_index", stopped)
    code, out, err = run("papers")
    assert (code, out) == (130, "")
    assert "Stopped" in err
    assert "Traceback" not in err


def test_ctrl_c_in_a_process_of_its_own(tmp_path: Path) -> None:
    env = {**os.environ, "RAG_INDEX": str(tmp_path / "index"), "RAG_DIGESTS": str(SEEDS)}
    with subprocess.Popen(
        [sys.executable, "-m", "rag.cli", "index"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=env,
        # A shell starts its background jobs with this signal ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "index").is_dir() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    # CPython ends by the signal itself when it struck inside an exec() that an
    # import runs, also where the interrupt was caught: 130 to a shell as well.
    assert process.returncode in {130, -signal.SIGINT}
    assert "Stopped" in err
    assert out == ""
    assert "Traceback" not in err
    assert not (tmp_path / "index" / "CURRENT").exists()


def test_a_closed_pipe_is_no_traceback(seed_index: Settings) -> None:
    command = f"'{sys.executable}' -m rag.cli papers --json | head -c 10"
    env = {**os.environ, "RAG_INDEX": str(seed_index.index_dir), "RAG_DIGESTS": str(SEEDS)}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT, env=env
    )
    assert "Traceback" not in done.stderr


def test_an_error_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = shell("ask", "hi", RAG_INDEX=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "digest-rag index" in done.stderr


@pytest.mark.slow
def test_check_prints_a_line_per_part_and_fails_when_one_does(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("check", "--json")
    assert code == 0
    assert all(finding["ok"] for finding in json.loads(out))
    code, out, err = run("check", "--json", RAG_INDEX=str(tmp_path / "none"))
    assert code == 1
    assert not all(finding["ok"] for finding in json.loads(out))
    assert "Traceback" not in err
