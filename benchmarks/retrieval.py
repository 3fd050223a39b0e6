"""Retrieval measured: this product beside its parts and beside the tutorial's pipeline.

    python benchmarks/retrieval.py [--public]

R@1 / R@5 on the judged questions about one paper, over the seeds; with
`--public` also nDCG@10 on SciFact and on Chinese titles and TL;DRs against
English abstracts (Latin letters stripped), which takes many minutes. Then speed:
passages of 200 tokens per second, a warm query, the size of the index. All in
one run on one machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tutorial import Tutorial

from rag import search
from rag.base_model import verified_base_model
from rag.build import build_index
from rag.embed import Encoder, Vectors, load_encoder
from rag.evaluate import SINGLE, Item, read_questions
from rag.fusion import attended, fuse, share_of_words, weight_for
from rag.invert import write_postings
from rag.lexicon import english_of, shipped_lexicon
from rag.postings import Postings, Query
from rag.settings import DEFAULT_ENCODER, Settings

ROOT = Path(__file__).resolve().parent.parent
EVAL = ROOT.parent / "shared" / "eval"
GROUPS = ("named en", "named zh", "described en", "described zh")
SETS = ("scifact", "digest_zhtitle2en", "digest_zhtldr2en")
POOL = 200

Ranker = Callable[[str], list[str]]


def main() -> None:
    """Print the tables as Markdown."""
    if not EVAL.is_dir():
        sys.exit(f"Skipped: there are no judged questions at {EVAL}.")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        base = Settings(digests=(ROOT / "seeds",), index_dir=scratch / "base")
        mini = replace(base, encoder=str(verified_base_model()))
        ours = replace(base, encoder=DEFAULT_ENCODER, index_dir=scratch / "ours")
        for settings in (mini, ours):
            build_index(settings=settings)
        tutorial = Tutorial(ROOT / "seeds", load_encoder(mini))
        print_questions(
            {
                "BM25 alone": by_search(replace(ours, dense_weight=0.0)),
                "all-MiniLM-L6-v2 alone": by_search(replace(mini, dense_weight=1.0)),
                "BM25 + all-MiniLM-L6-v2": by_search(mini),
                "default encoder alone": by_search(replace(ours, dense_weight=1.0)),
                "digest-rag": by_search(ours),
                "LlamaIndex + Chroma + MiniLM, as in the tutorial": tutorial.rank,
            }
        )
        if "--public" in sys.argv[1:]:
            print_public(load_encoder(mini), load_encoder(ours), scratch, ours.dense_weight)
        print_speed(load_encoder(mini), load_encoder(ours), ours)


def by_search(settings: Settings) -> Ranker:
    """Return a ranker that asks the product under `settings`."""
    return lambda question: [
        hit.paper.arxiv_id for hit in search(question, top_k=5, settings=settings)
    ]


def print_questions(rankers: dict[str, Ranker]) -> None:
    """Print R@1 / R@5 of each ranker for each group of questions."""
    talks = read_questions(EVAL / "questions.jsonl")
    items = [talk[0] for talk in talks if talk[0].group.startswith(SINGLE)]
    print(f"| R@1 / R@5, {len(items)} questions | {' | '.join(GROUPS)} |")
    print("| --- " * (len(GROUPS) + 1) + "|")
    for name, rank in rankers.items():
        cells = [recall([i for i in items if i.group == group], rank) for group in GROUPS]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def recall(items: Sequence[Item], rank: Ranker) -> str:
    """Return 'R@1 / R@5' in per cent."""
    found = [(item.gold[0], rank(item.question)) for item in items]
    first = statistics.fmean(gold in ids[:1] for gold, ids in found)
    five = statistics.fmean(gold in ids[:5] for gold, ids in found)
    return f"{100 * first:.1f} / {100 * five:.1f}"


def print_public(mini: Encoder, ours: Encoder, scratch: Path, weight: float) -> None:
    """Print nDCG@10 on the public sets for words, meaning and both."""
    print(f"\n| nDCG@10 | {' | '.join(SETS)} |")
    print("| --- " * (len(SETS) + 1) + "|")
    rows: dict[str, list[str]] = {}
    for name in SETS:
        for method, score in public_set(EVAL / name, mini, ours, scratch, weight):
            rows.setdefault(method, []).append(f"{100 * score:.1f}")
    for method, cells in rows.items():
        print(f"| {method} | {' | '.join(cells)} |", flush=True)


def public_set(
    folder: Path, mini: Encoder, ours: Encoder, scratch: Path, weight: float
) -> Iterable[tuple[str, float]]:
    """Yield (method, nDCG@10) on a set in BEIR's form."""
    documents = rows_of(folder / "corpus.jsonl")
    texts = [f"{d['title']}\n{d['text']}" for d in documents]
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines():
        query, *_, document, grade = line.split()
        if grade.isdigit() and int(grade) > 0:
            relevant.setdefault(query, {})[document] = int(grade)
    queries = [q for q in rows_of(folder / "queries.jsonl") if q["_id"] in relevant]
    asked = [q.get("text_nolatin") or q["text"] for q in queries]
    write_postings(scratch / folder.name, texts)
    lexical = Postings([scratch / folder.name], [None])
    ids = [d["_id"] for d in documents]

    def found(query: Query) -> dict[str, float]:
        return {ids[row]: float(s) for row, s in zip(*lexical.top(query, POOL), strict=True)}

    words = [found(question) for question in asked]
    possible = [lexical.possible(question) for question in asked]
    english = [english_of(question, shipped_lexicon(question)) for question in asked]
    targets = [relevant[q["_id"]] for q in queries]
    plain = [share_of_words(w, p, {}, 0.0) for w, p in zip(words, possible, strict=True)]
    translated = [
        share_of_words(w, p, found(e) if e else {}, lexical.possible(e))
        for w, p, e in zip(words, possible, english, strict=True)
    ]
    yield "BM25 alone", mean_ndcg(words, targets)
    yield "BM25 and translated words", mean_ndcg(translated, targets)
    for name, encoder, shares, both in (
        ("all-MiniLM-L6-v2", mini, plain, "BM25 + all-MiniLM-L6-v2"),
        ("default encoder", ours, translated, "digest-rag"),
    ):
        near = [best(row, ids) for row in likeness(encoder, asked, texts)]
        yield f"{name} alone", mean_ndcg(near, targets)
        fused = [fuse(n, w, weight_for(n, w, weight)) for n, w in zip(near, shares, strict=True)]
        yield both, mean_ndcg(fused, targets)


def likeness(encoder: Encoder, asked: Sequence[str], texts: Sequence[str]) -> Vectors:
    """Return how like each question each text is, as `rag.dense` has it: (asked, texts)."""
    questions = encoder.encode_queries(asked)
    passages, told = encoder.encode_sentences(texts)
    sizes = [len(rows) for rows in told]
    if not any(sizes):
        return questions @ passages.T
    sentences, begins = np.concatenate(told), np.cumsum([0, *sizes])[:-1]
    return np.array([attended(sentences @ question, begins) for question in questions])


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def best(scores: NDArray[np.float32], ids: Sequence[str]) -> dict[str, float]:
    """Return the `POOL` best of `ids` with their positive scores."""
    return {ids[i]: float(scores[i]) for i in np.argsort(-scores)[:POOL] if scores[i] > 0}


def mean_ndcg(found: Iterable[dict[str, float]], targets: Iterable[dict[str, int]]) -> float:
    """Return the mean nDCG@10 (Järvelin and Kekäläinen 2002), gains as graded."""
    return statistics.fmean(ndcg(f, t) for f, t in zip(found, targets, strict=True))


def ndcg(found: dict[str, float], target: dict[str, int]) -> float:
    """Return the nDCG@10 of one ranking."""
    ranked = sorted(found, key=lambda i: -found[i])[:10]
    gains = [target.get(i, 0) for i in ranked]
    ideal = sorted(target.values(), reverse=True)[:10]
    discounts = 1 / np.log2(np.arange(2, 12))
    return float(np.dot(gains, discounts[: len(gains)]) / np.dot(ideal, discounts[: len(ideal)]))


def print_speed(mini: Encoder, ours: Encoder, settings: Settings) -> None:
    """Print throughput, latency and size."""
    # Two hundred tokens of English prose, the length of an abstract.
    passages = ["the model learns to plan with rewards and tools in long tasks " * 16] * 64
    print("\n| encoder | passages/s | ms a warm query |")
    print("| --- | --- | --- |")
    for name, encoder in (("all-MiniLM-L6-v2, torch float32", mini), ("default", ours)):
        encoder.encode_passages(passages[:4])
        rate = max(len(passages) / seconds(encoder.encode_passages, passages) for _ in range(3))
        query = ["is there a testbed for agents that learn from logged conversations"]
        pace = statistics.median(seconds(encoder.encode_queries, query) for _ in range(50))
        print(f"| {name} | {rate:.1f} | {1000 * pace:.1f} |")
    size = sum(p.stat().st_size for p in settings.index_dir.rglob("*") if p.is_file())
    encoders = settings.index_dir / "encoders"
    export = sum(p.stat().st_size for p in encoders.rglob("*") if p.is_file())
    print(f"\nIndex: {(size - export) / 1e6:.1f} MB, encoder {export / 1e6:.1f} MB.")


def seconds(work: Callable[[list[str]], object], texts: list[str]) -> float:
    """Return how long `work(texts)` takes."""
    start = time.perf_counter()
    work(texts)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
