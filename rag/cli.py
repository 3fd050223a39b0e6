"""The command line: stdout is data, stderr is talk."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from rag.errors import DigestRagError, NoPapers, SettingError
from rag.settings import Settings
from rag.types import Announce, Answer, Filters, Hit, Ledger, Paper

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="digest-rag",
    help="Ask your daily arXiv digests; every answer is cited to its arXiv ids.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Category = Annotated[list[str] | None, typer.Option(help="Only this category, such as cs.CL.")]
Author = Annotated[list[str] | None, typer.Option(help="Only papers by this author.")]
Since = Annotated[str | None, typer.Option(help="Only digests from this day on, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option(help="Only digests up to this day, YYYY-MM-DD.")]
Digest = Annotated[list[str] | None, typer.Option(help="Only digests whose name starts so.")]
Kind = Annotated[
    list[str] | None,
    typer.Option("--announce", help="Only announced as new, cross, replace or replace-cross."),
]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this arXiv id.")]
Top = Annotated[int, typer.Option("--top", min=1, max=100, help="How many papers.")]


@app.command(epilog="Example: digest-rag index ~/digests")
def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Digest files or folders [default: the last ones].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild or update the index, and account for every file and entry."""
    from rag.build import build_index

    settings = Settings.from_env()
    try:
        with _Progress() as progress:
            ledger = build_index(paths, settings=settings, progress=progress)
    except NoPapers as error:
        _print_ledger(Ledger(failed=error.failed), as_json)
        raise
    _print_ledger(ledger, as_json)


@app.command(epilog='Example: digest-rag search "KV cache compression" --category cs.LG')
def search(
    question: str,
    top: Top = 10,
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Kind = None,
    arxiv_id: Ids = None,
    as_json: Json = False,
) -> None:
    """List the papers that fit a question, best first."""
    from rag.search import search as find

    filters = _filters(category, author, since, until, digest, announce, arxiv_id)
    hits = find(question, top_k=top, filters=filters, settings=Settings.from_env())
    if as_json:
        _json([_hit(hit) for hit in hits])
        return
    for hit in hits:
        typer.echo(f"{hit.score:.3f}  {hit.paper.arxiv_id}  {hit.paper.title}")
    if not hits:
        _say("No paper fits.")


@app.command(epilog='Example: digest-rag ask "Which paper defends agents against injection?"')
def ask(
    question: str,
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Kind = None,
    arxiv_id: Ids = None,
    llm: Annotated[str | None, typer.Option(help="Language model, see RAG_LLM.")] = None,
    build: Annotated[bool, typer.Option("--build", help="Build a missing or stale index.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a question from the digests, with sources."""
    from rag.answer import answer

    settings = Settings.from_env()
    filters = _filters(category, author, since, until, digest, announce, arxiv_id)
    if build:
        _ensure(settings)
    result = answer(question, filters=filters, llm=llm, settings=settings)
    if as_json:
        _json(_answer(result))
    else:
        _print_answer(result)


@app.command(epilog="Example: digest-rag papers --announce replace --since 2025-06-09")
def papers(
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Kind = None,
    arxiv_id: Ids = None,
    as_json: Json = False,
) -> None:
    """List the papers of the index, all or those that the filters allow."""
    from rag.index import open_index

    filters = _filters(category, author, since, until, digest, announce, arxiv_id)
    store = open_index(Settings.from_env()).store
    found = store.papers(store.select(filters))
    if as_json:
        _json([_paper(paper) for paper in found])
        return
    for paper in found:
        typer.echo(f"{paper.arxiv_id}  {paper.title}")
    _say(f"{len(found)} papers")


@app.command(epilog="Example: digest-rag show 2506.05739")
def show(arxiv_id: str, as_json: Json = False) -> None:
    """Show all that the digests hold on one paper."""
    from rag.index import open_index
    from rag.layouts.base import find_arxiv_id

    wanted, _ = find_arxiv_id(arxiv_id)
    paper = open_index(Settings.from_env()).store.paper(wanted or arxiv_id)
    if paper is None:
        raise DigestRagError(
            f"{arxiv_id} is not in the digests.", "'digest-rag papers' lists what is."
        )
    if as_json:
        _json(_paper(paper))
        return
    typer.echo(f"{paper.title}\n{paper.url}")
    if paper.authors:
        typer.echo(", ".join(paper.authors))
    for place in paper.appearances:
        facts = (place.date, place.category, place.announce, f"entry {place.position}")
        typer.echo(f"{place.digest}: {', '.join(str(fact) for fact in facts if fact)}")
    typer.echo(f"\n{paper.abstract}")
    for text in paper.renditions:
        typer.echo(f"\n[{text.part}, {text.digest}, machine-made] {text.text}")


@app.command(epilog="Example: digest-rag status --json")
def status(as_json: Json = False) -> None:
    """Say what the index holds and whether it is up to date."""
    from rag.index import current_folder
    from rag.manifest import read_manifest, staleness

    settings = Settings.from_env()
    manifest = read_manifest(current_folder(settings))
    reason = staleness(manifest, settings)
    data = {**dataclasses.asdict(manifest), "stale": reason, "index_dir": str(settings.index_dir)}
    if as_json:
        _json(data)
        return
    typer.echo(f"index      {settings.index_dir} (generation {manifest.generation})")
    typer.echo(f"built      {manifest.built}")
    typer.echo(f"digests    {len(manifest.digests)} from {', '.join(manifest.sources)}")
    typer.echo(f"entries    {manifest.entries}, papers {manifest.papers}")
    typer.echo(f"passages   {manifest.passages} of {manifest.dimension} dimensions")
    typer.echo(f"encoder    {manifest.encoder}")
    typer.echo(f"state      {f'stale: {reason}' if reason else 'up to date'}")
    if reason:
        _say("Run 'digest-rag index'.")


@app.command(epilog="Example: RAG_PORT=8080 digest-rag ui")
def ui() -> None:
    """Open the chat in the browser; builds the index if it is missing or stale."""
    settings = Settings.from_env()
    _ensure(settings)
    from ui import launch

    launch(settings)


@app.command(name="eval", epilog="Example: digest-rag eval questions.jsonl")
def evaluate(
    questions: Annotated[Path, typer.Argument(help="Judged questions, JSON lines.")],
    as_json: Json = False,
) -> None:
    """Score retrieval and answers on judged questions."""
    from rag.evaluate import evaluate_file, table

    report = evaluate_file(questions, Settings.from_env(), progress=_say)
    if as_json:
        _json(report)
    else:
        typer.echo(table(report))


def main() -> None:
    """Run the command line; an error of ours is a sentence on stderr and exit code 1."""
    try:
        app(standalone_mode=False)
    except DigestRagError as error:
        _say(f"digest-rag: {error}")
        sys.exit(1)
    except typer.Abort:
        _say("Stopped.")
        sys.exit(130)
    except KeyboardInterrupt:
        _say("Stopped; nothing was changed.")
        sys.exit(130)
    except Exception as error:
        # Click's usage errors know how to show themselves and their exit code.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            cast(Any, error).show()
            sys.exit(cast(Any, error).exit_code)
        raise


def _filters(
    category: list[str] | None,
    author: list[str] | None,
    since: str | None,
    until: str | None,
    digest: list[str] | None,
    announce: list[str] | None,
    arxiv_id: list[str] | None,
) -> Filters:
    kinds = get_args(Announce)
    for kind in announce or ():
        if kind not in kinds:
            raise SettingError(f"'{kind}' is no announce kind.", f"Use one of {', '.join(kinds)}.")
    return Filters(
        categories=tuple(category or ()),
        authors=tuple(author or ()),
        since=_day(since),
        until=_day(until),
        digests=tuple(digest or ()),
        announce=cast(tuple[Announce, ...], tuple(announce or ())),
        arxiv_ids=tuple(arxiv_id or ()),
    )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingError(f"'{text}' is no day.", "Write it as 2025-06-09.") from None


def _ensure(settings: Settings) -> None:
    from rag.build import ensure_index

    with _Progress() as progress:
        ledger = ensure_index(settings, progress)
    if ledger:
        _say(f"Indexed {ledger.papers} papers from {ledger.files} digests.")


class _Progress:
    """A progress bar on stderr for `build_index`."""

    def __enter__(self) -> _Progress:
        self._bar: Any = None
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._bar is None:
            from rich.progress import Progress

            self._bar = Progress(console=_console(), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(stage, total=total)
        self._bar.update(self._task, description=stage, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _paper(paper: Paper) -> dict[str, Any]:
    return {**dataclasses.asdict(paper), "url": paper.url}


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "arxiv_id": hit.paper.arxiv_id,
        "title": hit.paper.title,
        "url": hit.paper.url,
        "score": hit.score,
        "dense": hit.dense,
        "lexical": hit.lexical,
        "passage": dataclasses.asdict(hit.passage),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    data = dataclasses.asdict(dataclasses.replace(answer, hits=(), nearest=()))
    data["hits"] = [_hit(hit) for hit in answer.hits]
    data["nearest"] = [{"arxiv_id": p.arxiv_id, "title": p.title} for p in answer.nearest]
    return data


def _print_answer(answer: Answer) -> None:
    typer.echo(answer.text)
    if answer.citations:
        typer.echo("\n来源：" if answer.language == "zh" else "\nSources:")
    for citation in answer.citations:
        typer.echo(f"[{citation.arxiv_id}] {citation.title}\n    {citation.url}")
    for note in answer.notes:
        _say(note)


def _print_ledger(ledger: Ledger, as_json: bool) -> None:
    if as_json:
        _json({**dataclasses.asdict(ledger), "merged": ledger.merged})
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
        place = f", line {bad.line}" if bad.line else ""
        typer.echo(f"  {bad.path}{place}: {bad.reason}")


if __name__ == "__main__":
    main()
