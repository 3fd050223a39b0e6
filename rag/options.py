"""The options that several commands share, and the filters they make."""

from __future__ import annotations

from datetime import date
from typing import Annotated, cast, get_args

import typer

from rag.errors import SettingError
from rag.layouts.base import find_arxiv_id
from rag.types import Announce, ChipField, Filters

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Category = Annotated[list[str] | None, typer.Option(help="Only this category, such as cs.CL.")]
Author = Annotated[list[str] | None, typer.Option(help="Only papers by this author.")]
Since = Annotated[str | None, typer.Option(help="Only digests from this day on, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option(help="Only digests up to this day, YYYY-MM-DD.")]
Digest = Annotated[list[str] | None, typer.Option(help="Only digests whose name starts so.")]
Announcement = Annotated[
    list[str] | None,
    typer.Option("--announce", help="Only announced as new, cross, replace or replace-cross."),
]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this arXiv id.")]
Without = Annotated[
    list[str] | None,
    typer.Option(help="Do not read this out of the question: authors, days, categories …"),
]
Top = Annotated[int, typer.Option("--top", min=1, max=100, help="How many papers.")]


def filters_of(
    category: list[str] | None,
    author: list[str] | None,
    since: str | None,
    until: str | None,
    digest: list[str] | None,
    announce: list[str] | None,
    arxiv_id: list[str] | None,
) -> Filters:
    """Return the filters that the options give; raises `SettingError` for a bad one."""
    kinds = get_args(Announce)
    for kind in announce or ():
        if kind not in kinds:
            raise SettingError(f"'{kind}' is no announce kind.", f"Use one of {', '.join(kinds)}.")
    for asked in arxiv_id or ():
        if find_arxiv_id(asked)[0] is None:
            raise SettingError(f"'{asked}' is no arXiv id.", "Write it as 2506.05739.")
    first, last = _day(since), _day(until)
    if first and last and first > last:
        raise SettingError(f"--since {first} is after --until {last}.", "Swap the two.")
    return Filters(
        categories=tuple(category or ()),
        authors=tuple(author or ()),
        since=first,
        until=last,
        digests=tuple(digest or ()),
        announce=cast(tuple[Announce, ...], tuple(announce or ())),
        arxiv_ids=tuple(arxiv_id or ()),
    )


def fields_of(without: list[str] | None) -> tuple[ChipField, ...]:
    """Return the fields that `--without` names; raises `SettingError` for a bad one."""
    known = get_args(ChipField)
    for name in without or ():
        if name not in known:
            raise SettingError(
                f"'{name}' is nothing that is read out of a question.",
                f"Use one of {', '.join(known)}.",
            )
    return cast(tuple[ChipField, ...], tuple(without or ()))


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingError(f"'{text}' is no day.", "Write it as 2025-06-09.") from None
