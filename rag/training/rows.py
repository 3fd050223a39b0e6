"""First stage: only the Chinese rows learn, so that English vectors stay what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray

from rag.training.checkpoint import EVERY, resume, save
from rag.training.network import Ids, Network, run
from rag.training.recipe import Recipe

_SHARPNESS = 20.0
_COSINE_WEIGHT = 4.0


@dataclass(frozen=True, slots=True)
class Twins:
    """Sentences in both languages with the base model's vectors of the English, (n, hidden)."""

    english: Sequence[Ids]
    chinese: Sequence[Ids]
    vectors: NDArray[np.float32]


def train_rows(
    network: Network,
    twins: Twins,
    recipe: Recipe,
    checkpoint: Path,
    progress: Callable[[int], None],
) -> None:
    """Train `network.rows` so that Chinese sentences land on their twins' vectors.

    The loss is 4 (1 - cosine) plus InfoNCE (van den Oord et al. 2018) in the
    batch. Goes on from `checkpoint` where there is one. `progress` gets the
    number of steps done.
    """
    network.requires_grad_(False)
    network.rows.requires_grad_(True)
    optimizer = torch.optim.Adam([network.rows], betas=(0.9, 0.99), eps=1e-6)
    first = resume(checkpoint, network, optimizer)
    for step in range(first, recipe.row_steps):
        decay = max(0.02, 1 - step / recipe.row_steps)
        optimizer.param_groups[0]["lr"] = recipe.row_rate * min(1, (step + 1) / 30) * decay
        rng = np.random.default_rng([recipe.seed, step])
        size = min(recipe.row_batch, len(twins.chinese))
        batch = rng.choice(len(twins.chinese), size, replace=False)
        target = torch.from_numpy(twins.vectors[batch]).to(network.rows.device)
        vectors = run(network, [twins.chinese[i] for i in batch])
        loss = twin_loss(vectors, target, _COSINE_WEIGHT, _SHARPNESS)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1)
        if (step + 1) % EVERY == 0 or step + 1 == recipe.row_steps:
            save(checkpoint, network, optimizer, step + 1)


def twin_loss(
    vectors: torch.Tensor, target: torch.Tensor, cosine_weight: float, sharpness: float
) -> torch.Tensor:
    """Return the mean loss of `vectors` against their twins in `target`, both (n, hidden)."""
    same = (vectors * target).sum(1)
    own = torch.arange(len(vectors), device=vectors.device)
    contrast = nn.cross_entropy(sharpness * vectors @ target.T, own)
    return cosine_weight * (1 - same).mean() + contrast
