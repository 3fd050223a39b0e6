"""Every number that decides what comes out of the training."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass, replace


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes and rates; rates are Adam's, lengths are tokens."""

    seed: int = 0
    # Share of the papers with questions that is kept out of all stages, and how
    # many other papers those are to be told from.
    held_out: float = 0.1
    held_out_among: int = 1_000
    words: int = 26_000
    # Papers whose Chinese decides the vocabulary, and pairs that start its rows.
    word_papers: int = 8_000
    alignment_pairs: int = 150_000
    # Pairs that the lexicon of the lexical leg is learnt from.
    lexicon_pairs: int = 60_000
    # Frozen body: Chinese sentences onto their English twins' vectors.
    sentence_pairs: int = 110_000
    row_steps: int = 266
    row_batch: int = 256
    row_rate: float = 3e-3
    sentence_length: int = 96
    # Whole model: questions and summaries to their papers.
    tune_steps: int = 300
    asked_papers: int = 32
    other_papers: int = 16
    twins: int = 48
    neighbours: int = 6
    body_rate: float = 3e-5
    word_rate: float = 2.5e-4
    warm_up: int = 12
    question_length: int = 80
    passage_length: int = 168
    # Unrelated papers beside those that have questions.
    bank: int = 6_000
    # Cosines are multiplied by this before the softmax.
    sharpness: float = 25.0
    # Weight of staying near the base model's vectors, which keeps its English.
    teacher: float = 2.0

    def trial(self) -> Recipe:
        """Return the same in small: minutes, to see that all stages run and what they bring."""
        return replace(
            self,
            words=8_000,
            word_papers=1_000,
            alignment_pairs=10_000,
            lexicon_pairs=10_000,
            sentence_pairs=2_000,
            row_steps=30,
            row_batch=64,
            tune_steps=20,
            asked_papers=8,
            other_papers=4,
            twins=12,
            bank=200,
            held_out_among=300,
        )

    @property
    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any of the numbers."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:8]
