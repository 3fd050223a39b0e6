"""How the command line prints: stdout is data, stderr is talk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import typer

from rag.errors import DigestRagError, NoPapers
from rag.types import Answer, Failure, Hit, Ledger, Paper

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from rag.check import Finding
    from rag.manifest import Manifest
    from rag.watch import Update


class Progress:
    """A progress bar on stderr for `build_index`."""

    def __enter__(self) -> Progress:
        self._bar: Any = None
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        if self._bar is None:
            from rich.progress import Progress as Bar

            self._bar = Bar(console=_console(), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(stage, total=total)
        self._bar.update(self._task, description=stage, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def say(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def print_json(data: object) -> None:
    """Print `data` on stdout as JSON."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def paper_data(paper: Paper) -> dict[str, Any]:
    """Return a paper as plain data."""
    return {**dataclasses.asdict(paper), "url": paper.url}


def hit_data(hit: Hit) -> dict[str, Any]:
    """Return a hit as plain data, its paper by id, title and link."""
    return {
        "arxiv_id": hit.paper.arxiv_id,
        "title": hit.paper.title,
        "url": hit.paper.url,
        "score": hit.score,
        "dense": hit.dense,
        "lexical": hit.lexical,
        "passage": dataclasses.asdict(hit.passage),
    }


def answer_data(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data."""
    data = dataclasses.asdict(dataclasses.replace(answer, hits=(), nearest=()))
    data["hits"] = [hit_data(hit) for hit in answer.hits]
    data["nearest"] = [{"arxiv_id": p.arxiv_id, "title": p.title} for p in answer.nearest]
    return data


def print_answer(answer: Answer) -> None:
    """Print the answer and its sources on stdout, its notes on stderr."""
    typer.echo(answer.text)
    if answer.citations:
        typer.echo("\n来源：" if answer.language == "zh" else "\nSources:")
    for citation in answer.citations:
        typer.echo(f"[{citation.arxiv_id}] {citation.title}\n    {citation.url}")
    for chip in answer.chips:
        say(f"understood {chip.field}: {chip.value}")
    for note in answer.notes:
        say(note)


def print_ledger(ledger: Ledger, as_json: bool) -> None:
    """Print what a build read and could not read on stdout."""
    if as_json:
        print_json({**dataclasses.asdict(ledger), "merged": ledger.merged})
        return
    typer.echo(f"files       {ledger.files}")
    typer.echo(f"entries     {ledger.entries}")
    typer.echo(f"papers      {ledger.papers}")
    typer.echo(f"merged      {ledger.merged}")
    typer.echo(f"passages    {ledger.passages}, {ledger.embedded} newly embedded")
    typer.echo(f"incomplete  {len(ledger.incomplete)}")
    for odd in ledger.incomplete:
        typer.echo(f"  {odd.arxiv_id} ({odd.digest}, line {odd.line}): no {', '.join(odd.missing)}")
    typer.echo(f"failed      {len(ledger.failed)}")
    for bad in ledger.failed:
        typer.echo(f"  {_told(bad)}")


def _told(bad: Failure) -> str:
    place = f", line {bad.line}" if bad.line else ""
    return f"{bad.path}{place}: {bad.reason}"


def print_update(update: Update | DigestRagError, *, as_json: bool) -> None:
    """Print a line on an update of the index on stdout.

    An error, and each file or entry that could not be read, is a line on stderr.
    """
    if isinstance(update, DigestRagError):
        for bad in update.failed if isinstance(update, NoPapers) else ():
            say(f"digest-rag: {_told(bad)}.")
        say(f"digest-rag: {update}")
        return
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(update), ensure_ascii=False, default=_plain))
        return
    ledger = update.ledger
    digests = ", ".join(
        f"{count} {what}"
        for count, what in (
            (update.added, "new"),
            (update.changed, "changed"),
            (update.removed, "removed"),
        )
        if count
    )
    failed = f", {len(ledger.failed)} failed" if ledger.failed else ""
    typer.echo(
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  digests: {digests or 'no change'}; "
        f"{ledger.papers} papers from {ledger.files} digests{failed}, "
        f"{ledger.embedded} texts embedded, {update.seconds:.1f} s"
    )
    for bad in ledger.failed:
        say(f"digest-rag: {_told(bad)}.")


def print_paper(paper: Paper) -> None:
    """Print on stdout all that the digests hold on a paper."""
    typer.echo(f"{paper.title}\n{paper.url}")
    if paper.authors:
        typer.echo(", ".join(paper.authors))
    for place in paper.appearances:
        facts = (place.date, place.category, place.announce, f"entry {place.position}")
        typer.echo(f"{place.digest}: {', '.join(str(fact) for fact in facts if fact)}")
    typer.echo(f"\n{paper.abstract}")
    for text in paper.renditions:
        typer.echo(f"\n[{text.part}, {text.digest}, machine-made] {text.text}")


def print_manifest(manifest: Manifest, folder: Path, reason: str) -> None:
    """Print on stdout what the index in `folder` holds; `reason` says why it is stale."""
    typer.echo(f"index      {folder} (generation {manifest.generation})")
    typer.echo(f"built      {manifest.built}")
    typer.echo(f"digests    {len(manifest.digests)} from {', '.join(manifest.sources)}")
    typer.echo(f"entries    {manifest.entries}, papers {manifest.papers}")
    typer.echo(f"passages   {manifest.passages} of {manifest.dimension} dimensions")
    typer.echo(f"encoder    {manifest.encoder}")
    typer.echo(f"state      {f'stale: {reason}' if reason else 'up to date'}")


def print_findings(findings: Sequence[Finding], as_json: bool) -> None:
    """Print on stdout a line per part that was checked, and what to do about it."""
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
        return
    for finding in findings:
        state = "ok  " if finding.ok else "FAIL"
        typer.echo(f"{state} {finding.part}: {finding.sentence} {finding.todo}".rstrip())


def print_hits(hits: Sequence[Hit]) -> None:
    """Print a line per hit on stdout; that there is none is said on stderr."""
    for hit in hits:
        typer.echo(f"{hit.score:.3f}  {hit.paper.arxiv_id}  {hit.paper.title}")
    if not hits:
        say("No paper fits.")


def print_papers(papers: Sequence[Paper]) -> None:
    """Print a line per paper on stdout, and how many there are on stderr."""
    for paper in papers:
        typer.echo(f"{paper.arxiv_id}  {paper.title}")
    say(f"{len(papers)} papers")
