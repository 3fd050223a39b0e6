"""The command line: stdout is data, stderr is talk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from rag import console, upkeep
from rag.console import Progress, say
from rag.errors import DigestRagError, SettingError
from rag.options import (
    Announcement,
    Author,
    Category,
    Digest,
    Ids,
    Json,
    Since,
    Top,
    Until,
    Without,
    fields_of,
    filters_of,
)
from rag.settings import Settings

app = typer.Typer(
    name="digest-rag",
    help="Ask your daily arXiv digests; every answer is cited to its arXiv ids.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

app.add_typer(upkeep.app)

_STOPPED = 130


@app.command(epilog='Example: digest-rag search "KV cache compression" --category cs.LG')
def search(
    question: str,
    top: Top = 10,
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Announcement = None,
    arxiv_id: Ids = None,
    as_json: Json = False,
) -> None:
    """List the papers that fit a question, best first."""
    from rag.search import search as find

    filters = filters_of(category, author, since, until, digest, announce, arxiv_id)
    hits = find(question, top_k=top, filters=filters, settings=Settings.from_env())
    if as_json:
        console.print_json([console.hit_data(hit) for hit in hits])
    else:
        console.print_hits(hits)


@app.command(epilog='Example: digest-rag ask "Which paper defends agents against injection?"')
def ask(
    question: str,
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Announcement = None,
    arxiv_id: Ids = None,
    without: Without = None,
    llm: Annotated[str | None, typer.Option(help="Language model, see RAG_LLM.")] = None,
    build: Annotated[bool, typer.Option("--build", help="Build a missing or stale index.")] = False,
    as_json: Json = False,
) -> None:
    """Answer a question from the digests, with sources."""
    from rag.answer import answer

    settings = Settings.from_env()
    filters = filters_of(category, author, since, until, digest, announce, arxiv_id)
    if build:
        _ensure(settings)
    ignored = fields_of(without)
    result = answer(question, filters=filters, without=ignored, llm=llm, settings=settings)
    if as_json:
        console.print_json(console.answer_data(result))
    else:
        console.print_answer(result)


@app.command(epilog="Example: digest-rag papers --announce replace --since 2025-06-09")
def papers(
    category: Category = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    digest: Digest = None,
    announce: Announcement = None,
    arxiv_id: Ids = None,
    as_json: Json = False,
) -> None:
    """List the papers of the index, all or those that the filters allow."""
    from rag.index import open_index

    filters = filters_of(category, author, since, until, digest, announce, arxiv_id)
    store = open_index(Settings.from_env()).store
    found = store.papers(store.select(filters))
    if as_json:
        console.print_json([console.paper_data(paper) for paper in found])
    else:
        console.print_papers(found)


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
        console.print_json(console.paper_data(paper))
    else:
        console.print_paper(paper)


@app.command(epilog="Example: digest-rag check --llm ollama:qwen3")
def check(
    llm: Annotated[str | None, typer.Option(help="Language model, see RAG_LLM.")] = None,
    as_json: Json = False,
) -> None:
    """Try the encoder, the index and the language model; a line each."""
    from rag.check import check as findings

    found = list(findings(Settings.from_env(), llm=llm))
    console.print_findings(found, as_json)
    if not all(finding.ok for finding in found):
        raise typer.Exit(1)


@app.command(epilog="Example: RAG_PORT=8080 digest-rag ui")
def ui() -> None:
    """Open the chat in the browser; builds the index if it is missing or stale."""
    settings = Settings.from_env()
    _ensure(settings)
    from ui import launch

    launch(settings)


@app.command(name="eval", epilog="Example: digest-rag eval questions.jsonl")
def evaluate(
    questions: Annotated[Path | None, typer.Argument(help="Judged questions, JSON lines.")] = None,
    own: Annotated[
        bool, typer.Option("--self", help="Make known-item questions from your own index.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score retrieval and answers on judged questions, or on ones made from your index."""
    from rag.evaluate import evaluate_file, evaluate_self, table

    settings = Settings.from_env()
    if own == (questions is not None):
        raise SettingError("Name a file of questions, or give --self, one of the two.", "")
    if questions is None:
        report = evaluate_self(settings, progress=say)
    else:
        report = evaluate_file(questions, settings, progress=say)
    if as_json:
        console.print_json(report)
    else:
        typer.echo(table(report))


def main() -> None:
    """Run the command line; an error of ours is a sentence on stderr and exit code 1."""
    try:
        # Typer turns Ctrl-C into 130, and Exit into its code, and returns them.
        code = app(standalone_mode=False)
        if code == _STOPPED:
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except DigestRagError as error:
        say(f"digest-rag: {error}")
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        say("Stopped; nothing was changed.")
        sys.exit(_STOPPED)
    except Exception as error:
        # Click's usage errors know how to show themselves and their exit code.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            cast(Any, error).show()
            sys.exit(cast(Any, error).exit_code)
        raise


@app.command(
    "train-encoder",
    epilog="Example: digest-rag train-encoder encoder --papers papers.jsonl.zst",
)
def train(
    folder: Annotated[Path, typer.Argument(help="Where the model goes; also what to resume.")],
    papers: Annotated[
        Path | None,
        typer.Option(help="JSONL of papers in both languages [default: your digests]."),
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="JSONL of questions, each with its paper's id.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    trial: Annotated[bool, typer.Option(help="Train for minutes only, to try it out.")] = False,
) -> None:
    """Train an encoder for English and Chinese; run it again to go on after a stop."""
    from rag.digests import read_digests
    from rag.index import known_sources
    from rag.training.corpus import from_digests, read_parallel
    from rag.training.recipe import Recipe
    from rag.training.train import train_encoder

    if papers is None:
        settings = Settings.from_env()
        wanted = known_sources(settings)
        material = from_digests(read_digests(wanted).papers)
    else:
        material = read_parallel(papers, questions)
    recipe = Recipe(seed=seed)
    with Progress() as progress:
        figures = train_encoder(material, folder, recipe.trial() if trial else recipe, progress)
    say(str(figures))
    say(f"Use it with RAG_ENCODER={folder.absolute()}")


def _ensure(settings: Settings) -> None:
    from rag.build import ensure_index

    with Progress() as progress:
        ledger = ensure_index(settings, progress)
    if ledger:
        say(f"Indexed {ledger.papers} papers from {ledger.files} digests.")


if __name__ == "__main__":
    main()
