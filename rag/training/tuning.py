"""Second stage: the whole model learns which paper a question or a summary means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rag.training.checkpoint import EVERY, resume, save
from rag.training.network import Ids, Network, run
from rag.training.recipe import Recipe
from rag.training.rows import Twins, twin_loss

# Negatives closer than this many neighbours are as hard as it gets.
_NEAREST = 12
_PASSAGE_TO_QUESTION = 0.3
_TWIN_CONTRAST = 0.15
_TWIN_SHARPNESS = 20.0


@dataclass(frozen=True, slots=True)
class Example:
    """One paper, cut into ids: its English passage, Chinese ones, questions and weak queries.

    Weak queries are what every digest gives for free: a TL;DR, a motivation, a
    sentence of the abstract, a title, a name.
    """

    english: Ids
    chinese: tuple[Ids, ...]
    questions: tuple[Ids, ...]
    weak: tuple[Ids, ...]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Texts of several papers; `owner` says whose each is, by position.

    `kind` is 0 for an English passage, 1 for a Chinese one, 2 for a query.
    """

    texts: list[Ids]
    owner: Tensor
    kind: Tensor


@dataclass(frozen=True, slots=True)
class Material:
    """All that the second stage learns from.

    `bank` holds the base model's vectors of the examples' English passages,
    (len(examples), hidden): neighbours in it share a batch, and the passages
    are held near it.
    """

    examples: Sequence[Example]
    bank: NDArray[np.float32]
    twins: Twins


def tune(
    network: Network,
    material: Material,
    recipe: Recipe,
    checkpoint: Path,
    progress: Callable[[int], None],
) -> None:
    """Train body and Chinese rows of `network` on `material`.

    Goes on from `checkpoint` where there is one. `progress` gets the number of
    steps done.
    """
    network.requires_grad_(True)
    network.english.requires_grad_(False)
    optimizer = _optimizer(network, recipe)
    first = resume(checkpoint, network, optimizer)
    rates = [group["lr"] for group in _optimizer(network, recipe).param_groups]
    batches = _batches(material, recipe)
    for step, numbers in zip(range(recipe.tune_steps), batches, strict=False):
        if step < first:
            continue
        scale = min(1, (step + 1) / recipe.warm_up) * max(0.01, 1 - step / recipe.tune_steps)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * scale
        rng = np.random.default_rng([recipe.seed, step])
        loss = _loss(network, material, numbers, recipe, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        progress(step + 1)
        if (step + 1) % EVERY == 0 or step + 1 == recipe.tune_steps:
            save(checkpoint, network, optimizer, step + 1)


def _optimizer(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    body = list(network.body.values())
    groups = [
        {"params": [p for p in body if p.dim() > 1], "lr": recipe.body_rate, "weight_decay": 0.01},
        {"params": [p for p in body if p.dim() == 1], "lr": recipe.body_rate, "weight_decay": 0},
        {"params": [network.rows], "lr": recipe.word_rate, "weight_decay": 0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-7, fused=True)


def _batches(material: Material, recipe: Recipe) -> Iterator[list[int]]:
    """Yield the papers of each step: some with questions, some without, near ones together."""
    asked = [i for i, example in enumerate(material.examples) if example.questions]
    others = [i for i, example in enumerate(material.examples) if not example.questions]
    rng = np.random.default_rng(recipe.seed)
    first = _grouped(asked, material.bank, recipe.asked_papers, recipe.neighbours, rng)
    second = _grouped(others, material.bank, recipe.other_papers, recipe.neighbours, rng)
    while True:
        yield next(first, []) + next(second, [])


def _grouped(
    numbers: list[int],
    bank: NDArray[np.float32],
    size: int,
    neighbours: int,
    rng: np.random.Generator,
) -> Iterator[list[int]]:
    """Yield `size` of `numbers` at a time for ever, each about once a pass.

    A paper brings neighbours along that are still left: they are the hardest
    wrong answers to its questions.
    """
    size = min(size, len(numbers))
    if size == 0:
        return
    likeness = bank[numbers] @ bank[numbers].T
    np.fill_diagonal(likeness, -1)
    nearest = np.argsort(-likeness, axis=1)[:, :_NEAREST]
    while True:
        left = set(range(len(numbers)))
        batch: list[int] = []
        for one in rng.permutation(len(numbers)):
            if one not in left:
                continue
            near = [int(i) for i in rng.permutation(nearest[one]) if i in left and i != one]
            group = [int(one), *near[: neighbours - 1]]
            left.difference_update(group)
            batch += group
            while len(batch) >= size:
                yield [numbers[i] for i in batch[:size]]
                batch = batch[size:]


def _drawn(examples: Sequence[Example], recipe: Recipe, rng: np.random.Generator) -> _Batch:
    texts: list[Ids] = []
    owner: list[int] = []
    kind: list[int] = []

    def put(number: int, what: int, *some: Ids) -> None:
        texts.extend(some)
        owner.extend([number] * len(some))
        kind.extend([what] * len(some))

    for number, example in enumerate(examples):
        put(number, 0, _cut(example.english, recipe.passage_length))
        if example.chinese:
            put(number, 1, example.chinese[rng.integers(len(example.chinese))])
        put(number, 2, *example.questions)
        weak = min(len(example.weak), 1 if example.questions else 3)
        for i in rng.choice(len(example.weak), weak, replace=False) if weak else ():
            put(number, 2, example.weak[i])
    return _Batch(texts, torch.tensor(owner), torch.tensor(kind))


def _loss(
    network: Network,
    material: Material,
    numbers: list[int],
    recipe: Recipe,
    rng: np.random.Generator,
) -> Tensor:
    twins = material.twins
    batch = _drawn([material.examples[i] for i in numbers], recipe, rng)
    count = min(recipe.twins, len(twins.english))
    drawn = rng.choice(len(twins.english), count, replace=False)
    half = drawn[: (count + 1) // 2]
    sentences = [twins.chinese[i] for i in drawn] + [twins.english[i] for i in half]
    vectors = run(network, batch.texts + sentences).cpu()
    mine, theirs = vectors[: len(batch.texts)], vectors[len(batch.texts) :]
    contrast = _contrast(mine, batch, recipe.sharpness)
    target = torch.from_numpy(twins.vectors[drawn])
    drift = 1 - (mine[batch.kind == 0] * torch.from_numpy(material.bank[numbers])).sum(1)
    apart = 1 - (theirs * torch.cat([target, target[: len(half)]])).sum(1)
    told_apart = twin_loss(theirs[:count], target, 0.0, _TWIN_SHARPNESS)
    kept = 0.5 * drift.mean() + apart.mean() + _TWIN_CONTRAST * told_apart
    return contrast + recipe.teacher * kept


def _contrast(vectors: Tensor, batch: _Batch, sharpness: float) -> Tensor:
    """InfoNCE both ways between queries and passages, each of a paper's passages right.

    A query's other right passages and a passage's other right queries are no
    negatives.
    """
    query = batch.kind == 2
    scores = sharpness * vectors[query] @ vectors[~query].T
    right = batch.owner[query][:, None] == batch.owner[~query][None]
    forward = _multi_positive(scores, right)
    backward = _multi_positive(scores.T, right.T)
    return forward + _PASSAGE_TO_QUESTION * backward


def _multi_positive(scores: Tensor, right: Tensor) -> Tensor:
    wrong = torch.logsumexp(scores.masked_fill(right, -1e4), dim=1, keepdim=True)
    each = (torch.logaddexp(scores, wrong.expand_as(scores)) - scores) * right
    return (each.sum(1) / right.sum(1).clamp(min=1)).mean()


def _cut(text: Ids, longest: int) -> Ids:
    """Return `text` cut to `longest` ids, its end mark kept."""
    return text if len(text) <= longest else np.append(text[: longest - 1], text[-1])
