"""The documentation says what the program does: commands, settings, examples, links."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main
from conftest import ROOT, SEEDS

import rag
import rag.cli
from rag import index as index_module
from rag.settings import Settings

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
CLI = typer.main.get_command(rag.cli.app)
COMMANDS: dict[str, object] = dict(CLI.commands)  # type: ignore[attr-defined]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, *languages: str) -> list[str]:
    """The code blocks of a page that name one of the languages ("" for none)."""
    return [body for language, body in FENCE.findall(read(path)) if language in languages]


def lines(path: Path) -> list[list[str]]:
    """The commands of a page's code blocks in words, without prompt and environment."""
    found = []
    for block in blocks(path, "", "sh", "bash", "console"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and Path(words[0]).name in ("make", "digest-rag"):
                found.append([Path(words[0]).name, *words[1:]])
    return found


def tracked() -> list[Path]:
    """The files that git knows."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in names.stdout.decode().split("\0") if name]


USED = [(page, line) for page in PAGES for line in lines(page)]
BY_NAME = [" ".join(line)[:50] for _, line in USED]


def test_the_tests_are_looking_at_the_pages() -> None:
    assert README in PAGES
    assert len(DECISIONS) >= 2
    assert ["make", "chat"] in lines(README)
    assert any(line[0] == "digest-rag" for line in lines(README))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert any(f"digest-rag {command}" in read(page) for page in PAGES)


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_documented(field: dataclasses.Field[object]) -> None:
    usage = read(ROOT / "docs" / "usage.md")
    variable = field.metadata["variable"]
    rows = [line for line in usage.splitlines() if line.startswith(f"| `{variable}`")]
    assert len(rows) == 1, variable
    _, _, name, default, meaning, _ = (cell.strip() for cell in rows[0].split("|"))
    assert name == f"`{field.name}`"
    assert meaning
    if isinstance(field.default, int | float):
        assert float(default) == field.default
    elif isinstance(field.default, str) and field.default:
        assert default == f"`{field.default}`"


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {field.metadata["variable"] for field in dataclasses.fields(Settings)}
    for page in PAGES:
        assert set(re.findall(r"\bRAG_[A-Z_]+\b", read(page))) <= known, page.name


@pytest.mark.parametrize(("page", "words"), USED, ids=BY_NAME)
def test_every_command_in_a_code_block_exists(page: Path, words: list[str]) -> None:
    program, name, *rest = words
    if program == "make":
        goal = [program, "-n", name, *rest]
        done = subprocess.run(goal, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(rf"^{re.escape(name)}:.*## ", read(ROOT / "Makefile"), re.MULTILINE)
    else:
        assert name in COMMANDS, page.name
        CLI.commands[name].make_context(name, list(rest))  # type: ignore[attr-defined]


def test_every_make_target_is_explained() -> None:
    targets = re.findall(r"^([a-z-]+):(.*)$", read(ROOT / "Makefile"), re.MULTILINE)
    assert len(targets) > 5
    assert [name for name, rest in targets if "## " not in rest] == []


CHEAP = [words[1:] for words in lines(README) if words[0] == "digest-rag" and words[1] != "ui"]


@pytest.mark.slow
@pytest.mark.usefixtures("word_encoder")
@pytest.mark.parametrize("words", CHEAP, ids=lambda words: " ".join(words)[:40])
def test_the_readmes_commands_run(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(SEEDS, tmp_path / "my-digests")
    monkeypatch.setenv("RAG_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("RAG_DIGESTS", str(tmp_path / "my-digests"))
    rag.build_index()
    words = [word.replace("~", str(tmp_path)) for word in words]
    monkeypatch.setattr(sys, "argv", ["digest-rag", *words])
    with pytest.raises(SystemExit) as stop:
        rag.cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 0, err
    assert out.strip()
    index_module._open.clear()


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "python.md"], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(
    page: Path,
    seed_index: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAG_INDEX", str(seed_index.index_dir))
    monkeypatch.setenv("RAG_DIGESTS", str(SEEDS))
    found = blocks(page, "python")
    assert found
    names: dict[str, object] = {}
    for block in found:
        exec(compile(block, page.name, "exec"), names)  # noqa: S102 (our own page)
    assert re.search(r"\[\d{4}\.\d{5}\]", capsys.readouterr().out)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", read(page))):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            goal = (page.parent / path) if path else page
            assert goal.exists(), target
            if anchor:
                heads = re.findall(r"^#+ (.*)$", read(goal), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
                assert anchor in slugs, target


def test_every_module_of_the_readmes_table_exists() -> None:
    for name in re.findall(r"`((?:rag|ui|tests|docs|benchmarks|seeds)/[\w./-]*)`", read(README)):
        assert (ROOT / name).exists(), name


def test_every_public_name_is_documented() -> None:
    text = "".join(map(read, PAGES))
    functions = [name for name in rag.__all__ if name.islower()]
    assert [name for name in functions if f"rag.{name}" not in text] == []


def test_the_versions_agree() -> None:
    top = re.search(r"^## \[?(\d+\.\d+\.\d+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert top is not None
    assert top[1] == rag.__version__ == project["version"]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_says_what_why_and_what_else_was_tried(page: Path) -> None:
    assert re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", page.name)
    heads = re.findall(r"^## (.*)$", read(page), re.MULTILINE)
    assert [head for head in heads if head in ("What", "Why", "What else was tried")] == [
        "What",
        "Why",
        "What else was tried",
    ]


def test_every_decision_has_its_own_number() -> None:
    numbers = [page.name[:3] for page in DECISIONS]
    assert len(set(numbers)) == len(numbers)


FOREIGN = re.compile(
    # [x] keeps this line from matching itself.
    r"(?<![\w.])/(?:wor[k]|hom[e]|roo[t]|User[s])/\w|file:[/]{2}|"
    r"--(?:extra-)?inde[x]-url|--trusted-hos[t]|-[i] https?:|(?i:\bissu[e] #?\d)"
)


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        if path.is_file() and SEEDS not in path.parents:
            try:
                text = read(path)
            except UnicodeDecodeError:
                continue
            found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in FOREIGN.finditer(text)]
    assert found == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    key = re.compile(r"[-_.]+")
    pinned = {
        key.sub("-", line.split("==")[0].split("[")[0]).lower()
        for line in read(ROOT / "constraints.txt").splitlines()
        if "==" in line
    }
    wanted = {key.sub("-", re.split(r"[\[<>=~ ;]", name)[0]).lower() for name in named}
    assert wanted <= pinned


def test_the_pages_were_not_left_half_written() -> None:
    for page in PAGES:
        assert not re.search(r"\b[A-Z]+_BLOCK\b|\bTODO\b|\bTBD\b|\bFIXME\b", read(page)), page.name
