"""Train the network of `rag.entail` over the encoder's frozen token states.

    python -m rag.training.entailment PAPERS.jsonl.zst [WEIGHTS.safetensors]

PAPERS is what `digest-rag train-encoder --papers` takes. On two cores it takes
about half an hour, most of it encoding. The weights hold for the encoder that they
were trained with, and are not used with another.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rag.embed import load_encoder
from rag.entail import CLAIM_TOKENS, CLOSEST, TEXT_TOKENS, WEIGHTS, TokenEncoder
from rag.settings import Settings
from rag.training.contrast import Example, examples
from rag.training.corpus import read_parallel

# Once over the examples: more teaches the changes themselves, and less about other text.
PAPERS, EXAMPLES, STEPS, BATCH, RATE = 9_000, 32_000, 700, 48, 2e-3
_STATE, _WIDTH, _LABELS = 384, 96, 3
_SHARPNESS = 8.0
_STRIDE = 512

States = dict[str, NDArray[np.float16]]


class Network(nn.Module):
    """The network as it learns; `rag.entail.forward` is the same without torch."""

    def __init__(self) -> None:
        """Start from random weights."""
        super().__init__()
        self.q = nn.Linear(_STATE, _WIDTH, bias=False)
        self.v = nn.Linear(_STATE, _WIDTH, bias=False)
        self.t = nn.Parameter(torch.tensor(_SHARPNESS))
        self.c = nn.Sequential(
            nn.Linear(4 * _WIDTH, _WIDTH),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(_WIDTH, _WIDTH),
            nn.ReLU(),
        )
        self.o = nn.Sequential(
            nn.Linear(4 * _WIDTH, _WIDTH), nn.ReLU(), nn.Dropout(0.2), nn.Linear(_WIDTH, _LABELS)
        )

    def forward(self, claim: Tensor, claim_mask: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """Return the logits (batch, 3); the masks are true where there is a token."""
        sides = [
            self._compared(claim, claim_mask, text, text_mask),
            self._compared(text, text_mask, claim, claim_mask),
        ]
        logits: Tensor = self.o(torch.cat(sides, -1))
        return logits

    def _compared(self, one: Tensor, mask: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
        mine, theirs = (functional.normalize(self.q(x), dim=-1) for x in (one, other))
        sharp = self.t * mine @ theirs.transpose(1, 2)
        share = sharp.masked_fill(~other_mask[:, None], -1e4).softmax(-1)
        value = self.v(one)
        attended = share @ self.v(other)
        both = [value, attended, (value - attended).abs(), value * attended]
        seen = self.c(torch.cat(both, -1)) * mask[..., None]
        mean = seen.sum(1) / mask.sum(1, keepdim=True)
        return torch.cat([mean, seen.max(1).values], -1)


def train(papers: Path, weights: Path) -> None:
    """Train on the digests in `papers` and write the network to `weights`."""
    from rag.onnx_encoder import OnnxEncoder

    encoder = load_encoder(Settings.from_env())
    if not isinstance(encoder, OnnxEncoder):
        raise SystemExit("The network is trained over the default encoder; unset RAG_ENCODER.")
    draw = random.Random(7)  # noqa: S311 (a sample)
    material = read_parallel(papers)
    draw.shuffle(material)
    rows = list(examples(material[:PAPERS], draw))
    draw.shuffle(rows)
    rows, states = _encoded(rows[:EXAMPLES], encoder)
    network = fitted(rows, states, STEPS)
    save(network, weights, encoder)


def _encoded(rows: Sequence[Example], encoder: TokenEncoder) -> tuple[list[Example], States]:
    """Return the examples with the sentences nearest to each claim, and all states."""
    texts = list(dict.fromkeys(t for row in rows for t in (row.claim, *row.texts)))
    states: States = {}
    for start in range(0, len(texts), _STRIDE):
        part = texts[start : start + _STRIDE]
        found = encoder.states(part)
        states |= {t: s[:CLAIM_TOKENS].astype(np.float16) for t, s in zip(part, found, strict=True)}
        print(f"{start + len(part)} of {len(texts)} texts", file=sys.stderr)
    middle = {text: _direction(found) for text, found in states.items()}
    kept = []
    for row in rows:
        likeness = np.array([middle[text] @ middle[row.claim] for text in row.texts])
        near = [row.texts[n] for n in np.argsort(-likeness)]
        kept.append(Example(row.claim, tuple(near[:CLOSEST]), row.label))
    return kept, states


def _direction(states: NDArray[np.float16]) -> NDArray[np.float32]:
    mean = states.astype(np.float32).mean(axis=0) if len(states) else np.zeros(_STATE, np.float32)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0), np.float32)


def fitted(rows: Sequence[Example], states: States, steps: int) -> Network:
    """Return the network after `steps` batches of the examples."""
    torch.manual_seed(0)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    draw = random.Random(0)  # noqa: S311 (a sample)
    for step in range(steps):
        batch = [draw.choice(rows) for _ in range(BATCH)]
        claims = _padded([states[row.claim][:CLAIM_TOKENS] for row in batch])
        texts = _padded(
            [np.concatenate([states[t] for t in row.texts])[:TEXT_TOKENS] for row in batch]
        )
        labels = torch.tensor([row.label for row in batch])
        loss = functional.cross_entropy(network(*claims, *texts), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not say
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", file=sys.stderr)
    return network.eval()


def _padded(rows: Sequence[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    longest = max(1, *map(len, rows))
    values = torch.zeros(len(rows), longest, _STATE)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for n, row in enumerate(rows):
        values[n, : len(row)] = torch.from_numpy(row.astype(np.float32))
        # A text without tokens has one of zeros.
        mask[n, : max(1, len(row))] = True
    return values, mask


def save(network: Network, path: Path, encoder: TokenEncoder) -> None:
    """Write the weights in half precision, with the encoder that they hold for."""
    from safetensors.numpy import save_file

    tensors = {name: t.numpy().astype(np.float16) for name, t in network.state_dict().items()}
    save_file(tensors, path, metadata={"encoder": encoder.identity})


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    train(given[0], given[1] if len(given) > 1 else WEIGHTS)
