"""A BERT for training on few cores: bfloat16 arithmetic, shared rows, little padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from rag.vocabulary import word_rows

Ids = NDArray[np.int64]

_NORM = 1e-12
_WORDS = "embeddings.word_embeddings.weight"
# Padded tokens that go through the network at once.
_CHUNK = 5000


class Network(torch.nn.Module):
    """The encoder with its Chinese rows apart from the English ones.

    `english` and `rows` are the two parts of one table: ids from
    `len(english)` on are Chinese words. `body` holds what both share.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], words: int, heads: int) -> None:
        """Start from a Hugging Face BERT's `weights`, with rows of zeros for `words`."""
        super().__init__()
        table = torch.tensor(weights[_WORDS])
        self.heads = heads
        self.english = torch.nn.Parameter(table, requires_grad=False)
        self.rows = torch.nn.Parameter(torch.zeros(words, table.shape[1]))
        places = weights["embeddings.position_embeddings.weight"]
        places = places + weights["embeddings.token_type_embeddings.weight"][0]
        self.register_buffer("places", torch.tensor(places))
        kept = {k: v for k, v in weights.items() if k.startswith("encoder.") or "LayerNorm" in k}
        # Module attributes allow no dots.
        self.body = torch.nn.ParameterDict(
            {name.replace(".", "/"): torch.tensor(value) for name, value in kept.items()}
        )
        self.layers = 1 + max(int(k.split(".")[2]) for k in kept if k.startswith("encoder."))
        self.dtype = torch.float32

    def weight(self, name: str) -> Tensor:
        """Return the weight of that Hugging Face name in the arithmetic's precision."""
        weight: Tensor = self.body[name.replace(".", "/")]
        return weight.to(self.dtype)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return unit vectors (batch, hidden) for `ids` and boolean `mask`, (batch, length)."""
        size = len(self.english)
        chinese = (ids >= size)[..., None]
        old = nn.embedding(ids.clamp(max=size - 1), self.english)
        new = nn.embedding((ids - size).clamp(min=0), self.rows)
        places: Tensor = self.get_buffer("places")[: ids.shape[1]]
        x = (torch.where(chinese, new, old) + places).to(self.dtype)
        x = self._norm(x, "embeddings.LayerNorm")
        bias = torch.zeros(mask.shape, dtype=self.dtype, device=ids.device)
        bias = bias.masked_fill(~mask, -1e4)[:, None, None, :]
        for number in range(self.layers):
            x = self._layer(x, bias, f"encoder.layer.{number}.")
        real = mask[..., None].float()
        return nn.normalize((x.float() * real).sum(1) / real.sum(1), dim=-1)

    def _layer(self, x: Tensor, bias: Tensor, key: str) -> Tensor:
        batch, length, hidden = x.shape
        size = hidden // self.heads
        q, k, v = (
            self._dense(x, f"{key}attention.self.{part}")
            .view(batch, length, self.heads, size)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        # Written out: torch's fused attention is several times slower backwards
        # on a CPU.
        scores = (q * size**-0.5) @ k.transpose(-1, -2) + bias
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, hidden)
        x = x + self._dense(mixed, f"{key}attention.output.dense")
        x = self._norm(x, f"{key}attention.output.LayerNorm")
        inner = nn.gelu(self._dense(x, f"{key}intermediate.dense"))
        x = x + self._dense(inner, f"{key}output.dense")
        return self._norm(x, f"{key}output.LayerNorm")

    def _dense(self, x: Tensor, key: str) -> Tensor:
        return nn.linear(x, self.weight(f"{key}.weight"), self.weight(f"{key}.bias"))

    def _norm(self, x: Tensor, key: str) -> Tensor:
        weight, bias = self.weight(f"{key}.weight"), self.weight(f"{key}.bias")
        return nn.layer_norm(x, x.shape[-1:], weight, bias, _NORM)


def network_on_best_device(
    weights: Mapping[str, NDArray[np.float32]], words: int, heads: int
) -> Network:
    """Return a `Network` on the GPU if there is one, in bfloat16 where that is fast."""
    network = Network(weights, words, heads)
    if torch.cuda.is_available():
        network = network.to("cuda")
        network.dtype = torch.bfloat16
    elif torch.ops.mkldnn._is_mkldnn_bf16_supported():
        network.dtype = torch.bfloat16
    return network


class Cutter:
    """Text into ids of a `Network`: both forms of a Chinese word are one id."""

    def __init__(self, tokenizer: str, words: Sequence[str], english: int) -> None:
        """Use `tokenizer` (JSON), `words` in the order of the rows, after `english` ids."""
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self._ids = np.arange(self._tokenizer.get_vocab_size(), dtype=np.int64)
        for number, row in word_rows(tokenizer, words).items():
            self._ids[number] = english + row

    def __call__(self, texts: Sequence[str], longest: int) -> list[Ids]:
        """Return the ids of each text, at most `longest`, the end mark included."""
        self._tokenizer.enable_truncation(longest)
        return [self._ids[cut.ids] for cut in self._tokenizer.encode_batch_fast(list(texts))]


def chunks(texts: Sequence[Ids]) -> Iterator[list[int]]:
    """Yield positions of texts of similar length, few enough to go through at once."""
    chunk: list[int] = []
    for number in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if chunk and len(texts[number]) * (len(chunk) + 1) > _CHUNK:
            yield chunk
            chunk = []
        chunk.append(number)
    if chunk:
        yield chunk


def run(network: Network, texts: Sequence[Ids]) -> Tensor:
    """Return the unit vectors of `texts`, (len(texts), hidden), with their gradient."""
    vectors, order = [], []
    for chunk in chunks(texts):
        vectors.append(network(*_padded([texts[i] for i in chunk], network.rows.device)))
        order += chunk
    return torch.cat(vectors)[torch.argsort(torch.tensor(order))]


def encode(
    network: Network, texts: Sequence[Ids], progress: Callable[[int], Any] | None = None
) -> NDArray[np.float32]:
    """Return the unit vectors of `texts` without gradient; `progress` gets the count done."""
    rows = np.zeros((len(texts), network.rows.shape[1]), np.float32)
    done = 0
    with torch.inference_mode():
        for chunk in chunks(texts):
            ids, mask = _padded([texts[i] for i in chunk], network.rows.device)
            rows[chunk] = network(ids, mask).cpu().numpy()
            done += len(chunk)
            if progress:
                progress(done)
    return rows


def _padded(texts: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    ids = np.zeros((len(texts), max(map(len, texts))), np.int64)
    mask = np.zeros(ids.shape, bool)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = True
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
