"""The network that tells support from contradiction, over a small encoder's token states."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag import entail
from rag.entail import Entailment, entailment_by, forward
from rag.training import contrast
from rag.training.contrast import CONTRADICTED, examples, reworded, turned
from rag.training.corpus import ParallelPaper

SIZE, WIDTH = 6, 4
PAPER = ParallelPaper(
    "2506.00001",
    "PPA improves the robustness of agents",
    "We present PPA, a method for agents. Experiments show that PPA increases accuracy by 12 "
    "points. The method does not need any labels at all. It is faster than the others we tried. "
    "In this paper, we also report that a smaller model is sufficient.",
    {
        "translation": "我们提出了一种方法。实验表明它显著提高了准确率。它不需要任何标注数据。",
        "tldr": "该方法能够提高智能体的鲁棒性。",
    },
)


class Words:
    """An encoder whose token states are fixed by the word."""

    identity = "words-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        self.asked += texts
        return [np.array([self._state(w) for w in t.split()], np.float32) for t in texts]

    def _state(self, word: str) -> NDArray[np.float64]:
        return np.random.default_rng(sum(map(ord, word))).normal(size=SIZE)


def drawn(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (a sample)


def weights() -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(0)
    shapes = {
        "q.weight": (WIDTH, SIZE), "v.weight": (WIDTH, SIZE), "t": (),
        "c.0.weight": (WIDTH, 4 * WIDTH), "c.0.bias": (WIDTH,),
        "c.3.weight": (WIDTH, WIDTH), "c.3.bias": (WIDTH,),
        "o.0.weight": (WIDTH, 4 * WIDTH), "o.0.bias": (WIDTH,),
        "o.3.weight": (3, WIDTH), "o.3.bias": (3,),
    }  # fmt: skip
    return {name: np.asarray(draw.normal(size=s), np.float32) for name, s in shapes.items()}


def test_the_same_tokens_are_recalled_whole() -> None:
    network = Entailment(weights(), Words())
    assert network.recall("a b", ["c", "b a d"]) == pytest.approx(1.0)
    assert network.recall("a b", ["c d"]) < 0.99


def test_no_text_is_encoded_twice_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entail, "_KEPT", 2)
    encoder = Words()
    network = Entailment(weights(), encoder)
    network.logits("a", ["b", "c"])
    assert encoder.asked == ["a", "b", "c"]
    network.logits("b", ["c"])
    assert encoder.asked == ["a", "b", "c"]
    network.logits("a", ["c"])
    assert encoder.asked == ["a", "b", "c", "a"]


def test_only_the_nearest_texts_are_read() -> None:
    network = Entailment(weights(), Words())
    assert np.allclose(
        network.logits("a", ["b", "c", "d"]), network.logits("a", ["b", "c", "d", "e"])
    )
    assert network.logits("a", ["b"]).shape == (3,)


def test_it_serves_the_encoder_that_it_was_trained_with_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entail, "_loaded", lambda path: (weights(), "words-1"))
    assert entailment_by(Words()) is not None
    other = Words()
    other.identity = "words-2"
    assert entailment_by(other) is None
    assert entailment_by(object()) is None


def test_weights_that_are_missing_or_damaged_are_done_without(tmp_path: Path) -> None:
    assert entail._loaded(tmp_path / "none") is None
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"{")
    assert entail._loaded(broken) is None


@pytest.mark.parametrize(
    "text",
    ["PPA increases accuracy.", "It does not need labels.", "It is fast.", "该方法提高了准确率。"],
)
def test_a_turned_sentence_says_something_else(text: str) -> None:
    found = {turned(text, drawn(n)) for n in range(20)}
    assert text not in found
    assert found - {None}


def test_a_reworded_sentence_keeps_its_direction() -> None:
    for n in range(40):
        text = reworded("Experiments show that PPA increases accuracy.", drawn(n))
        words = {word.strip(".").lower() for word in text.split()}
        assert not words & {*contrast._DOWN, "decreases", "reduces", "not"}


def test_examples_of_all_labels_are_drawn_and_the_same_each_time() -> None:
    found = [e for n in range(30) for e in examples([PAPER, PAPER], drawn(n))]
    assert {e.label for e in found} == {0, 1, 2}
    assert all(e.claim and e.texts for e in found)
    again = [e for n in range(30) for e in examples([PAPER, PAPER], drawn(n))]
    assert found == again
    # A changed copy on either side, and on both: no side tells the label alone.
    contrary = [e for e in found if e.label == CONTRADICTED]
    assert any(set(e.texts) <= set(PAPER.abstract) or "PPA" in e.claim for e in contrary)


@pytest.mark.slow
def test_the_network_learns_and_serves_the_same_without_torch(tmp_path: Path) -> None:
    import torch

    from rag.training import entailment as training

    rows = [e for n in range(60) for e in examples([PAPER, PAPER], drawn(n)) if e.label != 1]
    draw = np.random.default_rng(1)
    directions: dict[str, NDArray[np.float16]] = {}

    def state(word: str) -> NDArray[np.float16]:
        return directions.setdefault(word, draw.normal(size=384).astype(np.float16))

    texts = {t for row in rows for t in (row.claim, *row.texts)}
    states = {t: np.array([state(w) for w in t.split()] or [state("")]) for t in texts}
    network = training.fitted(rows, states, 150)
    claims = training._padded([states[row.claim] for row in rows])
    held = training._padded([np.concatenate([states[t] for t in row.texts]) for row in rows])
    with torch.no_grad():
        logits = network(*claims, *held)
    right = (logits.argmax(1) == torch.tensor([row.label for row in rows])).float().mean()
    assert right > 0.8

    class Encoder(Words):
        def states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
            return [states[t].astype(np.float32) for t in texts]

    training.save(network, tmp_path / "w.safetensors", Encoder())
    found = entail._loaded(tmp_path / "w.safetensors")
    assert found is not None
    assert found[1] == "words-1"
    text = np.concatenate([states[t] for t in rows[0].texts]).astype(np.float32)
    plain = forward(found[0], states[rows[0].claim].astype(np.float32), text)
    assert np.allclose(plain, logits[0].numpy(), atol=0.1)
