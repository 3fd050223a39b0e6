"""The names that `import rag` offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rag

WANTED = """
    answer stream search build_index Answer Citation Hit Paper Turn Filters
    Retrieved Token Done Ledger Settings as_retriever as_query_engine DigestRagError
""".split()


def test_the_list_of_names_is_sorted_and_complete() -> None:
    assert rag.__all__ == sorted(rag.__all__)
    assert len(set(rag.__all__)) == len(rag.__all__)
    assert set(rag.__all__) == set(rag._HOME)
    assert set(WANTED) <= set(rag.__all__)


@pytest.mark.parametrize("name", rag.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(rag, name)
    assert value is getattr(rag, name)
    if name not in ("Announce", "ChipField", "Event"):  # an alias has no docstring of its own
        assert callable(value)
        assert value.__doc__
        assert not value.__module__.startswith("_")
        assert value.__name__ == name


def test_dir_lists_every_name_before_it_is_loaded() -> None:
    code = "import rag; assert set(rag.__all__) <= set(dir(rag)); print(*dir(rag))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"answer", "search", "__version__"} <= set(run.stdout.split())


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rag.nonsense  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    "before",
    [
        "rag.answer",
        "rag.search",
        "rag.stream",
        "import rag.answer",
        "import rag.search",
        "from rag.search import find",
        "from rag.answer import stream",
        "import rag.evaluate",
        "import rag.cli",
    ],
)
def test_a_function_stays_one_whatever_was_imported_before(before: str) -> None:
    code = f"import rag; {before}; assert callable(rag.answer) and callable(rag.search)"
    code += "; from rag import answer, search; assert callable(answer) and callable(search)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_costs_nothing() -> None:
    code = """
import sys, rag
heavy = {"numpy", "chromadb", "torch", "llama_index", "gradio", "onnxruntime", "typer"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_star_import() -> None:
    code = "from rag import *; assert answer and search and Filters()  is not None"
    subprocess.run([sys.executable, "-c", code], check=True)
