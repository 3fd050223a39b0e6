"""Engines for the lexical leg measured: our postings, bm25s and tantivy.

    python benchmarks/lexical.py build ENGINE FOLDER PAPERS.jsonl.zst [PASSAGES]
    python benchmarks/lexical.py ask ENGINE FOLDER QUERIES.jsonl
    python benchmarks/lexical.py change PAPERS.jsonl.zst QUERIES.jsonl

ENGINE is postings, bm25s or tantivy. PAPERS has a line for each paper: {"title",
"abstract", "zh": {part: text}}; its passages are taken again from the start until
there are PASSAGES of them. QUERIES has {"query"} in each line. `build` and `ask`
print one engine's cost, each in a process of its own; `change` compares an index
that was changed with one built afresh. Times are CPU time, which other work on the
machine touches least; for every question the least of three runs counts.
"""

from __future__ import annotations

import io
import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

from rag.invert import write_postings
from rag.lexical import tokens
from rag.postings import Postings

COUNT = 200
QUESTIONS = 400
Mask = NDArray[np.bool_]
Ask = Callable[[str, Mask | None], list[tuple[int, float]]]


def passages(path: Path, number: int | None = None) -> Iterator[str]:
    """Yield what is indexed of each passage."""
    once = itertools.count() if number else range(1)
    endless = itertools.chain.from_iterable(_papers(path) for _ in once)
    return itertools.islice(endless, number)


def _papers(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8"):
            paper = json.loads(line)
            parts = [text for part, text in paper["zh"].items() if part != "title" and text]
            yield from (f"{paper['title']}\n{text}" for text in (paper["abstract"], *parts))


def questions(path: Path) -> list[str]:
    """Return some of the queries, the same each time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    chosen = np.random.default_rng(3).choice(len(lines), QUESTIONS, replace=False)
    return [json.loads(lines[n])["query"] for n in chosen]


def build_postings(folder: Path, texts: Iterator[str]) -> None:
    """Build ours."""
    write_postings(folder, texts)


def open_postings(folder: Path) -> tuple[int, Ask]:
    """Open ours."""
    index = Postings([folder], [None])
    return index.rows, lambda q, allowed: list(zip(*index.top(q, COUNT, allowed), strict=True))


def build_bm25s(folder: Path, texts: Iterator[str]) -> None:
    """Build with bm25s, which wants all tokens at once."""
    import bm25s

    bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    bm25.index([tokens(text) or [""] for text in texts], show_progress=False)
    bm25.save(folder, show_progress=False)


def open_bm25s(folder: Path) -> tuple[int, Ask]:
    """Open with bm25s, as it lies on the disk."""
    import bm25s

    bm25 = bm25s.BM25.load(folder, mmap=True)

    def ask(question: str, allowed: Mask | None) -> list[tuple[int, float]]:
        known = [t for t in dict.fromkeys(tokens(question)) if t in bm25.vocab_dict]
        scores = bm25.get_scores(known)
        if allowed is not None:
            scores = np.where(allowed, scores, 0)
        best = np.argpartition(-scores, COUNT)[:COUNT]
        order = best[np.lexsort((best, -scores[best]))]
        return [(int(row), float(scores[row])) for row in order]

    return int(bm25.scores["num_docs"]), ask


def _schema() -> object:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field("row", stored=True, indexed=True, fast=True)
    return builder.build()


def build_tantivy(folder: Path, texts: Iterator[str]) -> None:
    """Build with tantivy, from our tokens with spaces between."""
    import tantivy

    folder.mkdir()
    writer = tantivy.Index(_schema(), str(folder)).writer(200_000_000, 1)
    for row, text in enumerate(texts):
        document = tantivy.Document()
        document.add_text("body", " ".join(tokens(text)))
        document.add_unsigned("row", row)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()


def open_tantivy(folder: Path) -> tuple[int, Ask]:
    """Open with tantivy; a mask is a set of row numbers there."""
    import tantivy

    schema = _schema()
    searcher = tantivy.Index.open(str(folder)).searcher()
    sets: dict[int, object] = {}

    def ask(question: str, allowed: Mask | None) -> list[tuple[int, float]]:
        words = dict.fromkeys(tokens(question))
        terms = [tantivy.Query.term_query(schema, "body", word, "freq") for word in words]
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
        if allowed is not None:
            if id(allowed) not in sets:
                rows = np.flatnonzero(allowed).tolist()
                only = tantivy.Query.term_set_query(schema, "row", rows)
                sets[id(allowed)] = tantivy.Query.const_score_query(only, 0.0)
            pair = [(tantivy.Occur.Must, sets[id(allowed)]), (tantivy.Occur.Must, query)]
            query = tantivy.Query.boolean_query(pair)
        hits = searcher.search(query, COUNT, count=False).hits
        return [(searcher.doc(address)["row"][0], score) for score, address in hits]

    return int(searcher.num_docs), ask


def times(ask: Ask, asked: list[str], allowed: Mask | None) -> str:
    """Return the median and 95th percentile in milliseconds."""
    least = np.full(len(asked), np.inf)
    for _ in range(3):
        for number, question in enumerate(asked):
            start = time.process_time()
            ask(question, allowed)
            least[number] = min(least[number], time.process_time() - start)
    return " / ".join(f"{1000 * x:.1f}" for x in np.percentile(least, [50, 95]))


def _resident() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def print_asked(engine: str, folder: Path, asked: list[str]) -> None:
    """Print what opening and asking cost."""
    before, start = _resident(), time.process_time()
    rows, ask = globals()[f"open_{engine}"](folder)
    print(f"| {engine}: open, s | {time.process_time() - start:.2f} |")
    print(f"| passages | {rows:,} |")
    ask(asked[0], None)
    print(f"| top {COUNT}, p50 / p95, ms | {times(ask, asked, None)} |", flush=True)
    print(f"| resident after that, MB more | {_resident() - before} |")
    rng = np.random.default_rng(5)
    # A set of rows takes tantivy so long that a tenth of the questions must do.
    some = asked[::10] if engine == "tantivy" else asked
    for share in (0.1, 0.5):
        allowed = rng.random(rows) < share
        print(f"| of {share:.0%} of the passages | {times(ask, some, allowed)} |", flush=True)


def print_built(engine: str, folder: Path, texts: Iterator[str]) -> None:
    """Print what building costs."""
    start = time.process_time()
    globals()[f"build_{engine}"](folder, texts)
    print(f"| {engine}: build, s | {time.process_time() - start:.0f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"| peak, MB | {peak} |")
    size = sum(path.stat().st_size for path in folder.rglob("*")) / 2**20
    print(f"| disk, MB | {size:.0f} |")


def print_changed(texts: list[str], asked: list[str], folder: Path) -> None:
    """Print how far an index with additions and deletions is from one built afresh."""
    import tantivy

    old, new = texts[:-1000], texts[-1000:]
    dead = np.random.default_rng(9).random(len(texts)) < 0.1
    kept = np.flatnonzero(~dead)
    write_postings(folder / "old", old)
    start = time.process_time()
    write_postings(folder / "new", new)
    live = [~dead[:-1000], ~dead[-1000:]]
    changed = Postings([folder / "old", folder / "new"], live)
    print(f"| postings: add 1,000 passages and open, s | {time.process_time() - start:.2f} |")
    write_postings(folder / "afresh", [texts[row] for row in kept])
    afresh = Postings([folder / "afresh"], [None])
    same = 0
    for question in asked:
        rows, scores = afresh.top(question, COUNT)
        found, values = changed.top(question, COUNT)
        same += bool(np.array_equal(kept[rows], found) and np.array_equal(scores, values))
    print(f"| postings: same rows and scores as afresh | {same} of {len(asked)} |")
    build_tantivy(folder / "tantivy", iter(old))
    writer = tantivy.Index.open(str(folder / "tantivy")).writer(200_000_000, 1)
    start = time.process_time()
    for row, text in enumerate(new, start=len(old)):
        document = tantivy.Document()
        document.add_text("body", " ".join(tokens(text)))
        document.add_unsigned("row", row)
        writer.add_document(document)
    writer.commit()
    print(f"| tantivy: add 1,000 passages, s | {time.process_time() - start:.2f} |")
    for row in np.flatnonzero(dead).tolist():
        # By term it deletes nothing from a field of numbers, and says nothing.
        writer.delete_documents_by_query(tantivy.Query.term_query(_schema(), "row", row))
    writer.commit()
    writer.wait_merging_threads()
    build_tantivy(folder / "tantivy afresh", (texts[row] for row in kept))
    left, ask = open_tantivy(folder / "tantivy")
    assert left == len(kept)
    _, other = open_tantivy(folder / "tantivy afresh")
    changes, errors = [], []
    for question in asked:
        two = [int(kept[row]) for row, _ in other(question, None)]
        changes.append(_common([row for row, _ in ask(question, None)], two))
        errors.append(_common(kept[afresh.top(question, COUNT)[0]].tolist(), two))
    print(f"| tantivy: same rows as afresh | {changes.count((1, 1))} of {len(asked)} |")
    for what, shares in (("as afresh", changes), ("afresh, as BM25", errors)):
        ten, all_ = np.mean(shares, axis=0)
        print(f"| tantivy: of the top 10, {COUNT} the same {what} | {ten:.1%}, {all_:.1%} |")


def _common(one: list[int], two: list[int]) -> tuple[float, float]:
    """Return which share of the best ten, and of all, two rankings have in common."""
    if one == two:
        return 1, 1
    ten = len(set(one[:10]) & set(two[:10])) / 10
    # Less than 1 for the same rows in another order.
    return ten, min(len(set(one) & set(two)) / COUNT, 0.9999)


def main() -> None:
    """Run the measurement that the command line names."""
    match sys.argv[1:]:
        case ["build", engine, folder, papers, *number]:
            texts = passages(Path(papers), int(number[0]) if number else None)
            print_built(engine, Path(folder), texts)
        case ["ask", engine, folder, queries]:
            print_asked(engine, Path(folder), questions(Path(queries)))
        case ["change", papers, queries]:
            with tempfile.TemporaryDirectory() as folder:
                texts = list(passages(Path(papers), 21_000))
                print_changed(texts, questions(Path(queries))[:100], Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
