"""What the public functions are called with, checked where they begin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import get_args

from rag.errors import SettingError
from rag.types import Announce, ChipField, Filters, Turn


def check_filters(filters: object) -> None:
    """Raise `SettingError` unless `filters` is None or `Filters` of the types it names."""
    if filters is None:
        return
    if not isinstance(filters, Filters):
        raise SettingError("The filters are no rag.Filters.", "Write rag.Filters(categories=…).")
    for name in ("since", "until"):
        day = getattr(filters, name)
        if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
            raise SettingError(
                f"The filter '{name}' is no day but {_shown(day)}.",
                "Give a datetime.date, such as date(2025, 6, 9).",
            )
    for name in ("categories", "authors", "digests", "announce", "arxiv_ids"):
        if not _texts(getattr(filters, name)):
            raise SettingError(
                f"The filter '{name}' is no tuple of texts but {_shown(getattr(filters, name))}.",
                f'Write it as {name}=("…",).',
            )
    _known("announce kind", filters.announce, get_args(Announce))


def check_history(history: object) -> None:
    """Raise `SettingError` unless `history` is a sequence of `Turn`."""
    turns = history if isinstance(history, Collection) else (history,)
    for turn in turns:
        if not isinstance(turn, Turn):
            raise SettingError(
                f"The history holds {_shown(turn)}, which is no rag.Turn.",
                "Give the turns before, oldest first: rag.Turn(question, answer).",
            )


def check_without(without: object) -> None:
    """Raise `SettingError` unless `without` names fields of chips."""
    if not _texts(without):
        raise SettingError(
            f"'without' is no tuple of texts but {_shown(without)}.",
            'Write it as without=("days",).',
        )
    _known("thing that is read out of a question", without, get_args(ChipField))


def _texts(values: object) -> bool:
    if isinstance(values, str) or not isinstance(values, Collection):
        return False
    return all(isinstance(value, str) for value in values)


def _known(what: str, values: object, known: tuple[str, ...]) -> None:
    for value in values if isinstance(values, Collection) else ():
        if value not in known:
            raise SettingError(f"{_shown(value)} is no {what}.", f"Use one of {', '.join(known)}.")


def _shown(value: object) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"a {type(value).__name__}"
