"""Score retrieval and answers on judged questions.

A question file has one JSON object per line: `question` (or `turns`), `style`,
`lang`, `gold` (arXiv ids a right answer cites), `answer_keys` (a right answer
holds one string of every group) and `also_ok` (ids that may be cited too).

R@k: is the first gold paper among the k papers found first. Citation precision
and recall are means over questions, an answer that cites nothing having
precision 0 where something is to be cited. A question that finds nothing scores
0 and is never dropped.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rag.answer import answer
from rag.errors import SettingError
from rag.extract import length
from rag.index import open_index
from rag.passages import passages_of
from rag.search import find, search
from rag.settings import Settings
from rag.text import sentences
from rag.types import Answer, Paper, Passage, Turn

SINGLE = ("named", "described", "known-item")
_TELLS = re.compile(
    r"\bwe (?:propose|introduce|present|develop)|this paper|本文|提出", re.IGNORECASE
)
# The fused search as users have it, and its two legs by themselves, where no
# name in the question lifts a paper.
_METHODS = {"fused": None, "BM25 alone": 0.0, "dense alone": 1.0}


@dataclass(frozen=True, slots=True)
class Item:
    """One judged question, or one turn of a judged conversation."""

    group: str
    question: str
    gold: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    also_ok: frozenset[str]
    language: str


@dataclass(frozen=True, slots=True)
class Score:
    """How one answer did; shares lie in [0, 1], `seconds` is the time it took."""

    r1: float
    r5: float
    cited: float
    keys: float
    precision: float
    recall: float
    refused: float
    in_language: float
    verbatim: float
    words: float
    seconds: float


def evaluate_file(
    path: Path, settings: Settings, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return {"groups": {group: means}, "retrieval": {method: {group: R@1, R@5}}, ...}.

    Raises `SettingError` for a file that can't be read as judged questions.
    """
    return evaluate_talks(list(read_questions(path)), settings, progress)


def evaluate_self(
    settings: Settings, count: int = 100, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return the same report on known-item questions made from the index itself."""
    papers = open_index(settings).store.papers()
    return evaluate_talks([[item] for item in known_items(papers, count)], settings, progress)


def known_items(papers: Sequence[Paper], count: int) -> list[Item]:
    """Return up to `count` questions per language, each a paper's own words about itself.

    The papers are spread evenly over the index. The sentence is one that says
    what the paper does, without the words of its title, so that it has to be
    found by what it is about.
    """
    items = []
    step = max(1, len(papers) // count)
    for paper in papers[::step][:count]:
        for passage in _one_per_language(paper):
            own = sentences(passage.text, passage.language)
            told = next((s for s in own if _TELLS.search(s)), own[0] if own else "")
            title = set(paper.title.split())
            words = " ".join(word for word in told.split() if word not in title)
            if words:
                group = f"known-item {passage.language}"
                gold = (paper.arxiv_id,)
                items.append(Item(group, words, gold, (), frozenset(), passage.language))
    return items


def _one_per_language(paper: Paper) -> Iterator[Passage]:
    for language in ("en", "zh"):
        own = (p for p in passages_of(paper) if p.language == language)
        yield from islice(own, 1)


def evaluate_talks(
    talks: Sequence[Sequence[Item]],
    settings: Settings,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Ask every question of every conversation and return the report; see `evaluate_file`."""
    say = progress or (lambda text: None)
    scored: list[tuple[Item, Score]] = []
    for number, talk in enumerate(talks, start=1):
        scored += _talk(talk, settings)
        if number % 50 == 0 or number == len(talks):
            say(f"{number} of {len(talks)} answered")
    groups = _grouped(scored)
    return {
        "questions": len(talks),
        "groups": {name: _means(rows) for name, rows in groups.items()},
        "retrieval": {name: _retrieval(talks, settings, w) for name, w in _METHODS.items()},
        "answers": _overall(scored),
    }


def read_questions(path: Path) -> Iterator[list[Item]]:
    """Yield the items of each line, several for a conversation."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        if not rows or not all(isinstance(row, dict) for row in rows):
            raise ValueError
        for row in rows:
            yield [_item(row, turn) for turn in row.get("turns", [row])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(
            f"'{path}' can't be read as judged questions ({type(error).__name__}).",
            "It needs one JSON object per line, as docs/evaluation.md describes.",
        ) from error


def contains(text: str, keys: Sequence[Sequence[str]]) -> bool:
    r"""Return whether `text` holds one string of every group of `keys`.

    Case, the backslash of `\%`, thousands commas and spaces between a number
    and a Chinese character do not count.
    """
    plain = _normal(text)
    return all(any(_normal(key) in plain for key in group) for group in keys)


def table(report: Mapping[str, Any]) -> str:
    """Return the report as two Markdown tables."""
    lines = [
        "| questions | n | R@1 | R@5 | gold cited | answer keys | keys if R@1 | citation P | "
        "citation R | refused | words |",
        "| --- " * 11 + "|",
    ]
    for name, row in report["groups"].items():
        shares = [row[key] for key in ("r1", "r5", "cited", "keys", "keys_if_r1")]
        shares += [row[key] for key in ("precision", "recall", "refused")]
        cells = ["–" if share is None else f"{100 * share:.1f}" for share in shares]
        lines.append(f"| {name} | {row['n']} | {' | '.join(cells)} | {row['words']:.0f} |")
    lines += ["", "| R@1 / R@5 | " + " | ".join(report["retrieval"]["fused"]) + " |"]
    lines.append("| --- " * (len(report["retrieval"]["fused"]) + 1) + "|")
    for method, row in report["retrieval"].items():
        cells = [f"{100 * r['r1']:.1f} / {100 * r['r5']:.1f}" for r in row.values()]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines.append("")
    lines += [f"{name}: {value}" for name, value in report["answers"].items()]
    return "\n".join(lines)


def _item(row: Mapping[str, Any], turn: Mapping[str, Any]) -> Item:
    style = row["style"]
    if not isinstance(turn["question"], str):
        raise TypeError
    return Item(
        group=f"{style} {row['lang']}" if style in SINGLE else style,
        question=turn["question"],
        gold=tuple(turn.get("gold", ())),
        keys=tuple(tuple(group) for group in turn.get("answer_keys", ())),
        also_ok=frozenset((*row.get("also_ok", ()), *turn.get("also_ok", ()))),
        language=turn.get("lang", row["lang"]),
    )


def _talk(talk: Sequence[Item], settings: Settings) -> Iterator[tuple[Item, Score]]:
    history: list[Turn] = []
    for item in talk:
        start = time.perf_counter()
        result = answer(item.question, history=tuple(history), settings=settings)
        seconds = time.perf_counter() - start
        history.append(Turn(item.question, result))
        yield item, _score(item, result, settings, seconds)


def _score(item: Item, result: Answer, settings: Settings, seconds: float) -> Score:
    cited = [c.arxiv_id for c in result.citations]
    found = [hit.paper.arxiv_id for hit in result.hits]
    allowed = item.also_ok | set(item.gold)
    right = sum(i in allowed for i in cited)
    return Score(
        r1=float(bool(item.gold) and item.gold[0] in found[:1]),
        r5=float(bool(item.gold) and item.gold[0] in found[:5]),
        cited=float(set(item.gold) <= set(cited)),
        keys=float(contains(result.text, item.keys)),
        precision=right / len(cited) if cited else float(not item.gold),
        recall=sum(i in cited for i in item.gold) / len(item.gold) if item.gold else 1.0,
        refused=float(result.is_refusal),
        in_language=float(result.language == item.language),
        verbatim=float(_verbatim(result, settings)),
        words=length(result.text),
        seconds=seconds,
    )


def _verbatim(result: Answer, settings: Settings) -> bool:
    store = open_index(settings).store
    for citation in result.citations:
        texts = {p.id: p.text for p in store.passages_of(citation.arxiv_id)}
        if any(quote.text not in texts.get(quote.passage_id, "") for quote in citation.quotes):
            return False
    return True


def _grouped(scored: Sequence[tuple[Item, Score]]) -> dict[str, list[Score]]:
    groups: dict[str, list[Score]] = {}
    for item, score in scored:
        groups.setdefault(item.group, []).append(score)
    return groups


def _means(rows: Sequence[Score]) -> dict[str, Any]:
    columns = [asdict(row) for row in rows]
    means: dict[str, Any] = {
        name: statistics.fmean(column[name] for column in columns) for name in columns[0]
    }
    first = [row.keys for row in rows if row.r1]
    means["keys_if_r1"] = statistics.fmean(first) if first else None
    means["words"] = statistics.median(row.words for row in rows)
    return {"n": len(rows), **means}


def _retrieval(
    talks: Sequence[Sequence[Item]], settings: Settings, weight: float | None
) -> dict[str, dict[str, float]]:
    """Return R@1 and R@5 of `search` alone on the questions about one paper."""
    index = open_index(settings)
    found: dict[str, list[tuple[bool, bool]]] = {}
    for item, *rest in talks:
        if rest or not item.gold or not item.group.startswith(SINGLE):
            continue
        if weight is None:
            hits = search(item.question, top_k=5, settings=settings)
        else:
            hits = find(index, item.question, 5, None, weight, names=False)
        ids = [hit.paper.arxiv_id for hit in hits]
        first = (item.gold[0] in ids[:1], item.gold[0] in ids)
        found.setdefault(item.group, []).append(first)
    return {
        group: {
            "r1": statistics.fmean(one for one, _ in hits),
            "r5": statistics.fmean(five for _, five in hits),
        }
        for group, hits in found.items()
    }


def _overall(scored: Sequence[tuple[Item, Score]]) -> dict[str, str]:
    answerable = [s for item, s in scored if item.gold]
    others = [s for item, s in scored if item.group == "unanswerable"]
    single = [s.words for item, s in scored if item.group.startswith(SINGLE)]
    times = sorted(s.seconds for _, s in scored)
    return {
        "answerable refused": _percent(s.refused for s in answerable),
        "unanswerable refused": _percent(s.refused for s in others),
        "answer in the question's language": _percent(s.in_language for _, s in scored),
        "quotes verbatim": _percent(s.verbatim for _, s in scored),
        "median words, one paper": f"{statistics.median(single):.0f}" if single else "–",
        "seconds p50": f"{times[len(times) // 2]:.3f}",
        "seconds p95": f"{times[int(len(times) * 0.95)]:.3f}",
    }


def _percent(values: Iterable[float]) -> str:
    numbers = list(values)
    return f"{100 * statistics.fmean(numbers):.1f}% of {len(numbers)}" if numbers else "–"


def _normal(text: str) -> str:
    plain = text.casefold().replace("\\%", "%")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    han = r"[\u3400-\u4dbf\u4e00-\u9fff]"
    return re.sub(rf"(?<=\d)\s+(?={han})|(?<={han})\s+(?=\d)", "", plain)
