"""The chat in the browser; it uses nothing of `rag` but its public names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag import Settings

__all__ = ["launch"]


def launch(settings: Settings, ready: Callable[[str], None] | None = None) -> None:
    """Serve the chat until Ctrl-C; see `ui.app.launch`. Gradio is imported only here."""
    from ui import app

    app.launch(settings, ready)
