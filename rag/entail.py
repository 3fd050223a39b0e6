"""Does a text entail a sentence, contradict it, or neither? A small network over token states.

Each token of one side is compared with the tokens of the other that it attends to,
and the comparisons are pooled: decomposable attention (Parikh et al., 2016, "A
Decomposable Attention Model for Natural Language Inference"), here over the
encoder's contextual states, which Chinese and English share. It was trained by
`rag.training.entailment` on sentences of digests and their changed copies.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rag.once import once

WEIGHTS = Path(__file__).parent / "weights" / "support.safetensors"
# Tokens looked at of a sentence, and of the texts that it is held against.
CLAIM_TOKENS, TEXT_TOKENS = 64, 160
# How many of the texts' sentences are read together, the nearest ones.
CLOSEST = 3
_KEPT = 256

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


class TokenEncoder(Protocol):
    """An encoder that also gives the states of a text's tokens."""

    @property
    def identity(self) -> str:
        """What changes whenever the states would."""

    def states(self, texts: Sequence[str]) -> list[Array]:
        """Return for each text its tokens' states, (tokens, size)."""


class Entailment:
    """The network with the encoder that it reads by; remembers the states of late texts."""

    def __init__(self, weights: Weights, encoder: TokenEncoder) -> None:
        """Read states by `encoder`, for which the `weights` must have been trained."""
        self._weights = weights
        self._encoder = encoder
        self._known: OrderedDict[str, Array] = OrderedDict()

    def logits(self, sentence: str, parts: Sequence[str]) -> Array:
        """Return the logits that `parts` entail `sentence`, say nothing of it, contradict it."""
        claim, *texts = self._states([sentence, *parts[:CLOSEST]])
        return forward(self._weights, claim[:CLAIM_TOKENS], np.concatenate(texts)[:TEXT_TOKENS])

    def recall(self, sentence: str, parts: Sequence[str]) -> float:
        """Return the mean cosine of the sentence's tokens and the tokens most like them.

        That is the recall of BERTScore (Zhang et al., 2020).
        """
        claim, *texts = [_unit(states) for states in self._states([sentence, *parts])]
        return float((claim @ np.concatenate(texts).T).max(axis=1).mean())

    def _states(self, texts: Sequence[str]) -> list[Array]:
        known = self._known
        new = [text for text in dict.fromkeys(texts) if text not in known]
        found = dict(zip(new, self._encoder.states(new), strict=True)) if new else {}
        states = [known.get(text, found.get(text)) for text in texts]
        known.update(found)
        while len(known) > _KEPT:
            known.popitem(last=False)
        return cast("list[Array]", states)


def entailment_by(encoder: object) -> Entailment | None:
    """Return the network to use with `encoder`, None where it was trained with another."""
    identity = getattr(encoder, "identity", "")
    loaded = _loaded(WEIGHTS)
    if loaded is None or not identity or loaded[1] != identity:
        return None
    return Entailment(loaded[0], cast("TokenEncoder", encoder))


@once
def _loaded(path: Path) -> tuple[Weights, str] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            weights = {name: file.get_tensor(name).astype(np.float32) for name in names}
            return weights, str(file.metadata()["encoder"])
    except (OSError, SafetensorError, KeyError, TypeError):
        # Without it sentences are judged by words and meaning, as with other encoders.
        return None


def forward(weights: Weights, claim: Array, text: Array) -> Array:
    """Return the three logits for two matrices of token states."""
    pooled = np.concatenate([_compared(weights, claim, text), _compared(weights, text, claim)])
    return _linear(weights, "o.3", _relu(_linear(weights, "o.0", pooled)))


def _compared(weights: Weights, one: Array, other: Array) -> Array:
    """Return what the tokens of `one` come to beside those of `other`: mean and maximum."""
    likeness = _unit(one @ weights["q.weight"].T) @ _unit(other @ weights["q.weight"].T).T
    sharp = weights["t"] * likeness
    share = np.exp(sharp - sharp.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    mine = one @ weights["v.weight"].T
    theirs = share @ (other @ weights["v.weight"].T)
    both = np.concatenate([mine, theirs, np.abs(mine - theirs), mine * theirs], axis=1)
    seen = _relu(_linear(weights, "c.3", _relu(_linear(weights, "c.0", both))))
    return np.concatenate([seen.mean(axis=0), seen.max(axis=0)])


def _linear(weights: Weights, name: str, x: Array) -> Array:
    return np.asarray(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"], np.float32)


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
