"""Chat-style question answering over daily arXiv digests, every statement cited.

    import rag
    print(rag.answer("Which paper defends agents against prompt injection?").text)

Names are loaded on first use, so that `import rag` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.answer import answer, prepare, stream
    from rag.build import build_index, ensure_index
    from rag.catalog import papers, status
    from rag.check import Finding, check
    from rag.errors import DigestRagError, SettingError
    from rag.llamaindex import as_query_engine, as_retriever
    from rag.offers import models
    from rag.search import search
    from rag.settings import Settings
    from rag.support import Verdict, support
    from rag.types import (
        Announce,
        Answer,
        Appearance,
        ChipField,
        Citation,
        Done,
        Event,
        Filters,
        Hit,
        Ledger,
        Paper,
        Passage,
        Quote,
        Retrieved,
        Status,
        Token,
        Turn,
    )

__version__ = "0.1.0"

_HOME = {
    "answer": "answer",
    "stream": "answer",
    "prepare": "answer",
    "search": "search",
    "as_query_engine": "llamaindex",
    "as_retriever": "llamaindex",
    "papers": "catalog",
    "status": "catalog",
    "models": "offers",
    "check": "check",
    "Finding": "check",
    "support": "support",
    "Verdict": "support",
    "build_index": "build",
    "ensure_index": "build",
    "DigestRagError": "errors",
    "SettingError": "errors",
    "Settings": "settings",
    **dict.fromkeys(
        (
            "Announce",
            "Answer",
            "Appearance",
            "ChipField",
            "Citation",
            "Done",
            "Event",
            "Filters",
            "Hit",
            "Ledger",
            "Paper",
            "Passage",
            "Quote",
            "Retrieved",
            "Status",
            "Token",
            "Turn",
        ),
        "types",
    ),
}

__all__ = [
    "Announce",
    "Answer",
    "Appearance",
    "ChipField",
    "Citation",
    "DigestRagError",
    "Done",
    "Event",
    "Filters",
    "Finding",
    "Hit",
    "Ledger",
    "Paper",
    "Passage",
    "Quote",
    "Retrieved",
    "SettingError",
    "Settings",
    "Status",
    "Token",
    "Turn",
    "Verdict",
    "answer",
    "as_query_engine",
    "as_retriever",
    "build_index",
    "check",
    "ensure_index",
    "models",
    "papers",
    "prepare",
    "search",
    "status",
    "stream",
    "support",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (any public name)
    """Load a public name from the module that holds it."""
    if name not in _HOME:
        raise AttributeError(f"module 'rag' has no attribute '{name}'")
    value = getattr(import_module(f"rag.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """`rag.search` is the function, also once the module of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, unless importing a module would hide a public name."""
        if name not in _HOME or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
