"""The house has few rooms, each with one job, and its doors open one way only."""

import ast
from pathlib import Path

import pytest
from conftest import ROOT

RAG, UI = ROOT / "rag", ROOT / "ui"

# From the bottom to the top; a module imports only from rows below its own. A new
# module gets a place here, which is to decide what it may know.
LAYERS = [
    {"types"},
    {"errors", "fusion", "once"},
    {"settings", "text", "arguments"},
    {
        "layouts.base",
        "dates",
        "base_model",
        "prompts",
        "vocabulary",
        "onnx_graph",
        "numbers",
        "polarity",
        "entail",
    },
    {"layouts", "layouts.*", "default_model", "embed", "service"},
    {"sentences"},
    {"sentence_encoder", "onnx_encoder", "passages", "lexical", "remote", "durable"},
    {
        *("names", "digests", "question", "aspects", "cues", "postings", "invert"),
        *("lexicon", "pointers"),
    },
    {"training.recipe", "training.corpus", "training.network", "training.checkpoint", "training"},
    {
        *("training.card", "training.words", "training.rows", "training.export"),
        *("training.contrast", "training.holdout"),
    },
    {"training.tuning"},
    {"training.train"},
    {"columns", "cache", "library", "manifest", "vectors"},
    {"papers"},
    {"store", "segment"},
    {"dense"},
    {"index"},
    {"plan", "verify"},
    {"search", "understand", "catalog"},
    {"evidence"},
    {"calibrate"},
    {"build"},
    {"extract", "guard", "replies", "local", "support", "reasoning", "watch"},
    {"chat", "details", "compose", "cite", "prompt", "llm"},
    {"judge", "reading", "condense", "offers", "framing", "lookup"},
    {"respond", "generate"},
    {"answer"},
    {"evaluate", "llamaindex", "check"},
    {"doctor"},
    {"training.recipe", "training.corpus", "training.checkpoint"},
    {"training.network", "training.words", "training.card"},
    {"training.rows", "training.export", "training.holdout"},
    {"training.tuning"},
    {"training", "training.*"},
    {"console", "options"},
    {"upkeep"},
    {"cli", ""},
]
# Training an encoder is the one job that needs torch from its first line; nothing
# outside this package may load it before it is asked for.
TRAINING = "training"
# The seam of the encoders loads, on first use, those that are built on it.
ON_FIRST_USE = {("embed", "sentence_encoder"), ("embed", "onnx_encoder")}
HEAVY = ("torch", "sentence_transformers", "transformers", "chromadb", "gradio")
MAX_LINES = 330


def modules(folder: Path) -> dict[str, Path]:
    """{dotted name below the folder ("" for __init__): file}."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules(RAG)


def rank(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if module in names:
            return number
    parent = module.partition(".")[0]
    return next((n for n, names in enumerate(LAYERS) if parent and f"{parent}.*" in names), -1)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> set[str]:
    """The dotted names that a piece of code imports, wherever in it."""
    found: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            found.add(child.module or "")
            found |= {f"{child.module}.{alias.name}" for alias in child.names}
    return found


def ours(path: Path) -> set[str]:
    """The modules of rag that a file imports, by their names below rag."""
    names = {name.partition(".")[2] for name in imported(tree(path)) if name.startswith("rag.")}
    late = {other for module, other in ON_FIRST_USE if path == MODULES[module]}
    return names & set(MODULES) - {""} - late


def at_the_top(path: Path) -> set[str]:
    """What a file imports when it is imported itself."""
    found: set[str] = set()
    pending: list[ast.stmt] = list(tree(path).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= imported(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [
                child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
            ]
    return found


def test_the_rules_are_looking_at_the_code() -> None:
    assert {"index", "layouts", "layouts.sections", "search", ""} <= set(MODULES)
    assert {"settings", "store", "index"} <= ours(RAG / "index.py") | {"index"}
    assert "chromadb" in imported(tree(RAG / "vectors.py"))
    assert "chromadb" not in at_the_top(RAG / "vectors.py")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_place(module: str) -> None:
    assert rank(module) >= 0, f"rag.{module} stands in no layer of {Path(__file__).name}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards_only(module: str) -> None:
    upwards = {other for other in ours(MODULES[module]) - {module} if rank(other) >= rank(module)}
    assert not upwards, f"rag.{module} may not import {sorted(upwards)}"


def test_there_are_no_import_cycles() -> None:
    open_: list[str] = []
    done: set[str] = set()

    def visit(module: str) -> None:
        assert module not in open_, " → ".join([*open_, module])
        if module not in done:
            open_.append(module)
            for other in ours(MODULES[module]) - {module}:
                visit(other)
            done.add(open_.pop())

    for module in MODULES:
        visit(module)


def test_the_ui_uses_the_public_names_only() -> None:
    for path in modules(UI).values():
        for name in imported(tree(path)):
            if name == "rag" or name.startswith("rag."):
                assert name.count(".") < 2, f"{path.name} imports {name}"
                assert name.partition(".")[2] not in set(MODULES) - {""} - _public(), path.name


def _public() -> set[str]:
    """The names that rag exports, which may be those of modules too (rag.answer)."""
    import rag

    return set(rag.__all__)


def test_rag_does_not_know_the_ui() -> None:
    # The command that opens the chat is the one exception.
    knowing = {
        module
        for module, path in MODULES.items()
        if any(name.partition(".")[0] in {"ui", "gradio"} for name in imported(tree(path)))
    }
    assert knowing <= {"cli"}


def test_one_module_knows_chroma() -> None:
    knowing = {m for m, path in MODULES.items() if "chromadb" in imported(tree(path))}
    assert knowing == {"vectors"}


def test_what_is_loaded_on_first_use_is_not_loaded_before() -> None:
    for module, other in ON_FIRST_USE:
        assert f"rag.{other}" not in at_the_top(MODULES[module])


# All of the training is torch; its one command imports it when it runs.
@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("training.")])
def test_heavy_libraries_are_imported_where_they_are_used(module: str) -> None:
    top = {name.partition(".")[0] for name in at_the_top(MODULES[module])}
    if module.partition(".")[0] == TRAINING:
        return
    assert not top & set(HEAVY)
    assert not any(name.startswith(f"rag.{TRAINING}") for name in at_the_top(MODULES[module]))


@pytest.mark.parametrize("path", [*MODULES.values(), *modules(UI).values()], ids=lambda p: p.name)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if path == RAG / "settings.py":
        return
    for node in ast.walk(tree(path)):
        # Setting a variable for a library is writing, and allowed.
        if isinstance(node, ast.Attribute) and node.attr in {"getenv", "environb"}:
            pytest.fail(f"{path.name}:{node.lineno} reads the environment")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get":
            pytest.fail(f"{path.name}:{node.lineno} reads the environment")
        if (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.value) == "os.environ"
            and isinstance(node.ctx, ast.Load)
        ):
            pytest.fail(f"{path.name}:{node.lineno} reads the environment")
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {alias.name for alias in node.names} & {"environ", "getenv"}


@pytest.mark.parametrize("path", [*MODULES.values(), *modules(UI).values()], ids=lambda p: p.name)
def test_no_module_grows_beyond_one_job(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES, f"{path.name} has {lines} lines"
