"""The registry of digest layouts: every module of this folder is one layout.

A layout module has a `LAYOUT` of type `rag.layouts.base.Layout`. To teach the
product a new layout, add a module here; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from rag.layouts.base import Entry, Layout

__all__ = ["Entry", "Layout", "layouts", "recognise"]


@cache
def layouts() -> tuple[Layout, ...]:
    """Return every layout, in the order of their module names."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base")
    found = [importlib.import_module(f"{__name__}.{name}").LAYOUT for name in names]
    return tuple(found)


def recognise(text: str) -> Layout | None:
    """Return the layout of a file's text, or None when it is no digest."""
    return next((layout for layout in layouts() if layout.recognises(text)), None)
