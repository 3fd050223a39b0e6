"""The commands that keep the index: build it, watch for digests, see how it is, mend it."""

from __future__ import annotations

import dataclasses
import signal
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rag import console
from rag.console import Progress, say
from rag.errors import NoPapers
from rag.options import Json
from rag.settings import Settings
from rag.types import Ledger

app = typer.Typer()


@app.command(epilog="Example: digest-rag index ~/digests")
def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Digest files or folders [default: the last ones].")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Write all of it anew, not only what changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rebuild or update the index, and account for every file and entry."""
    from rag.build import build_index

    settings = Settings.from_env()
    try:
        with Progress() as progress:
            ledger = build_index(paths, settings=settings, progress=progress, whole=whole)
    except NoPapers as error:
        console.print_ledger(Ledger(failed=error.failed), as_json)
        raise
    console.print_ledger(ledger, as_json)


@app.command(epilog="Example: digest-rag watch ~/digests")
def watch(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Digest files or folders [default: the last ones].")
    ] = None,
    settle: Annotated[
        float, typer.Option(min=0.1, help="Seconds that files must stay as they are to be whole.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Keep the index up with the digests, a line for each update, until stopped."""
    from rag.watch import watch as keep_up

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    say("Watching; stop it with Ctrl-C.")
    # Ctrl-C is how it ends; a build that it interrupts changes nothing.
    with suppress(KeyboardInterrupt):
        keep_up(
            paths,
            settings=Settings.from_env(),
            tell=partial(console.print_update, as_json=as_json),
            stop=stop,
            settle=settle,
        )
    say("Stopped watching.")


@app.command(epilog="Example: digest-rag status --json")
def status(as_json: Json = False) -> None:
    """Say what the index holds and whether it is up to date."""
    from rag.index import current_folder
    from rag.manifest import read_manifest, staleness

    settings = Settings.from_env()
    manifest = read_manifest(current_folder(settings))
    reason = staleness(manifest, settings)
    if as_json:
        place = str(settings.index_dir)
        console.print_json({**dataclasses.asdict(manifest), "stale": reason, "index_dir": place})
        return
    console.print_manifest(manifest, settings.index_dir, reason)
    if reason:
        say("Run 'digest-rag index'.")


@app.command(epilog="Example: digest-rag doctor --repair")
def doctor(
    mend: Annotated[
        bool, typer.Option("--repair", help="Make again what is damaged or missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every file of the index through and say whether it is sound."""
    from rag.doctor import examine, repair

    settings = Settings.from_env()
    if mend:
        with Progress() as progress:
            repair(settings, progress)
    found = list(examine(settings))
    console.print_findings(found, as_json)
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)
