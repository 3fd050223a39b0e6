"""From parallel digests to a sentence encoder for English and Chinese."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rag.default_model import HEADS, MAX_TOKENS, BertModel, base_model
from rag.errors import DigestError
from rag.lexicon import LEXICON, write_lexicon
from rag.training.card import Figures, model_card
from rag.training.corpus import Pair, ParallelPaper, english_sentences, pairs
from rag.training.export import export
from rag.training.holdout import Recall, recall_at_1, split
from rag.training.network import Cutter, Ids, Network, encode, network_on_best_device
from rag.training.recipe import Recipe
from rag.training.rows import Twins, train_rows
from rag.training.tuning import Example, Material, tune
from rag.training.words import first_rows, learn_lexicon, learn_words
from rag.vocabulary import extended_tokenizer

Progress = Callable[[str, int, int], None]

_TABLE = "embeddings.word_embeddings.weight"
_SUMMARIES = ("tldr", "translation", "method", "motivation", "result")
_WEAK = ("tldr", "motivation", "method", "title")
_CHINESE_PASSAGES = 4
_SENTENCES = 3
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class _Start:
    """What every stage needs: the base model, the words and the tokenizer with them."""

    base: BertModel
    words: list[str]
    tokenizer: str

    @property
    def cutter(self) -> Cutter:
        return Cutter(self.tokenizer, self.words, len(self.base.weights[_TABLE]))


def train_encoder(
    papers: Sequence[ParallelPaper],
    folder: Path,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Figures:
    """Train an encoder on `papers` and write it as a model directory into `folder`.

    The lexicon of the lexical leg, learnt from the same papers, goes beside it.

    Every stage leaves its result in `folder/training`, and long ones their state
    every few steps: the same call goes on where a stopped one was. The result is
    fixed by `papers`, `recipe` and the machine's arithmetic. `progress` is called
    with (stage, done, total). Returns how often questions about papers that are
    held out of all stages find them, before and after; the model card has it too.
    Raises `DigestError` when `papers` hold no Chinese.
    """
    recipe = recipe or Recipe()
    report = progress or (lambda stage, done, total: None)
    work = folder / "training" / recipe.fingerprint
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    papers, hold_out = split(papers, recipe.held_out, recipe.held_out_among)
    rng = random.Random(recipe.seed)  # noqa: S311  (no secret)
    twins = list(pairs(papers))
    if not twins:
        raise DigestError(
            "The papers hold no title or abstract in both languages.",
            "Train on digests with Chinese translations.",
        )
    rng.shuffle(twins)
    start = _start(papers, recipe, work, report)
    network = network_on_best_device(start.base.weights, len(start.words), HEADS)

    def measured(cutter: Cutter) -> Recall:
        total = len(hold_out.papers) + len(hold_out.others) + len(hold_out.questions)
        steps = _steps(report, "hold-out", total)
        return recall_at_1(network, cutter, hold_out, recipe.question_length, steps)

    before = _before(work / "before.json", start.base, measured)
    sample = twins[: recipe.sentence_pairs]
    chosen = _chosen(papers, recipe, rng)
    # The teacher is the base model: its rows hold no Chinese, English needs none.
    teacher = _vectors(work / "twins.npy", network, start, [p.english for p in sample], report)
    texts = [f"{p.title}\n{p.abstract}" for p in chosen]
    bank = _vectors(work / "bank.npy", network, start, texts, report)
    rows = _first_rows(twins, start, recipe, work, report)
    network.rows.data.copy_(torch.from_numpy(rows))
    pairs_cut = Twins(
        start.cutter([p.english for p in sample], recipe.sentence_length),
        start.cutter([p.chinese for p in sample], recipe.sentence_length),
        teacher,
    )
    examples = [_example(paper, start.cutter, recipe, rng) for paper in chosen]
    row_steps = _steps(report, "rows", recipe.row_steps)
    train_rows(network, pairs_cut, recipe, work / "rows.pt", row_steps)
    tune(
        network,
        Material(examples, bank, pairs_cut),
        recipe,
        work / "tuned.pt",
        _steps(report, "tuning", recipe.tune_steps),
    )
    figures = Figures(len(hold_out.questions), len(hold_out.papers), before, measured(start.cutter))
    export(network, start.base, start.words, folder, model_card(papers, recipe, figures))
    _lexicon(twins[: recipe.lexicon_pairs], work / LEXICON.name, report)
    shutil.copyfile(work / LEXICON.name, folder / LEXICON.name)
    return figures


def _lexicon(twins: Sequence[Pair], path: Path, report: Progress) -> None:
    if not path.exists():
        report("lexicon", 0, 1)
        write_lexicon(path, learn_lexicon(twins))
        report("lexicon", 1, 1)


def _before(path: Path, base: BertModel, measured: Callable[[Cutter], Recall]) -> Recall:
    """Return the base model's own recall, with its own tokenizer."""
    if not path.exists():
        own = Cutter(base.tokenizer, [], len(base.weights[_TABLE]))
        path.write_text(json.dumps(measured(own)), encoding="utf-8")
    recall: Recall = json.loads(path.read_text(encoding="utf-8"))
    return recall


def _start(papers: Sequence[ParallelPaper], recipe: Recipe, work: Path, report: Progress) -> _Start:
    base = base_model()
    path = work / "words.json"
    if not path.exists():
        report("words", 0, 1)
        told = papers[:: max(1, len(papers) // recipe.word_papers)]
        texts = [text for paper in told for text in paper.chinese.values()]
        texts += [question for paper in papers for question in paper.questions]
        words = learn_words(texts, recipe.words)
        path.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
        report("words", 1, 1)
    words = json.loads(path.read_text(encoding="utf-8"))
    return _Start(base, words, extended_tokenizer(base.tokenizer, words))


def _first_rows(
    twins: Sequence[Pair], start: _Start, recipe: Recipe, work: Path, report: Progress
) -> NDArray[np.float32]:
    path = work / "rows.npy"
    if not path.exists():
        report("alignment", 0, 1)
        sample = twins[: recipe.alignment_pairs]
        np.save(path, first_rows(sample, start.words, start.tokenizer, start.base.weights[_TABLE]))
        report("alignment", 1, 1)
    rows: NDArray[np.float32] = np.load(path)
    return rows


def _vectors(
    path: Path, network: Network, start: _Start, texts: Sequence[str], report: Progress
) -> NDArray[np.float32]:
    if not path.exists():
        cut = start.cutter(texts, MAX_TOKENS)
        np.save(path, encode(network, cut, _steps(report, path.stem, len(cut))))
    vectors: NDArray[np.float32] = np.load(path)
    return vectors


def _chosen(
    papers: Sequence[ParallelPaper], recipe: Recipe, rng: random.Random
) -> list[ParallelPaper]:
    """Return the papers with questions, and `recipe.bank` of the others."""
    asked = [paper for paper in papers if paper.questions]
    others = [paper for paper in papers if not paper.questions and paper.chinese]
    return asked + rng.sample(others, min(recipe.bank, len(others)))


def _example(paper: ParallelPaper, cutter: Cutter, recipe: Recipe, rng: random.Random) -> Example:
    told = [paper.chinese[part] for part in _SUMMARIES if part in paper.chinese]
    chinese = [f"{paper.title}\n{text}" for text in told[:_CHINESE_PASSAGES]]
    sentences = english_sentences(paper.abstract)
    weak = rng.sample(sentences, min(_SENTENCES, len(sentences)))
    weak += [paper.chinese[part] for part in _WEAK if part in paper.chinese]
    name, colon, _ = paper.title.partition(":")
    if colon and len(name) <= _LONGEST_NAME:
        weak.append(
            rng.choice(("{0}", "what is {0}", "how does {0} work", "{0} 的方法是什么")).format(name)
        )

    def cut(texts: Sequence[str], longest: int) -> tuple[Ids, ...]:
        return tuple(cutter(texts, longest)) if texts else ()

    return Example(
        cut([f"{paper.title}\n{paper.abstract}"], MAX_TOKENS)[0],
        cut(chinese, recipe.passage_length),
        cut(paper.questions, recipe.question_length),
        cut(weak, recipe.question_length),
    )


def _steps(report: Progress, stage: str, total: int) -> Callable[[int], None]:
    return lambda done: report(stage, done, total)
