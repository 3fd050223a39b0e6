"""The model card that goes with a trained encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.training.corpus import ParallelPaper
from rag.training.recipe import Recipe
from rag.types import Language

_CARD = """---
license: apache-2.0
language: [en, zh]
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: sentence-transformers/all-MiniLM-L6-v2
---
# A sentence encoder for arXiv digests in English and Chinese

all-MiniLM-L6-v2 with a Chinese vocabulary of whole words, tuned on what readers ask for.
Vectors have 384 dimensions and length one; texts are cut at 256 tokens. No prompts.

## Data
{papers} papers with the authors' English and Chinese texts written by language models;
{questions} questions that describe a need, for {asked} of the papers.

## Training
1. {words} Chinese words and phrases by a Unigram model; each starts as the mean of the English
   pieces that IBM Model 1 aligns it with.
2. Body frozen, {row_steps} steps of {row_batch}: a Chinese sentence lands on the base model's
   vector of its English twin; loss 4 (1 - cosine) + InfoNCE.
3. Whole model but the English word embeddings, {tune_steps} steps of {tune_papers} papers, near
   ones together: questions, summaries, sentences, titles and names against the English and a
   Chinese passage; InfoNCE both ways at {sharpness}, held near the base model's vectors.

Seed {seed}; recipe {fingerprint}.

`lexicon.json.gz` is no part of the model: Chinese bigrams with the English stems that IBM Model 1
gives them, for search by words.

## Figures
{figures}

## Limits
It knows the language of arXiv abstracts, mostly computer science; other Chinese it knows badly.
Chinese training text is machine-written. Names it has not seen are best found by words: fuse its
scores with BM25.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """R@1 by language on `questions` about `papers` that the training never saw."""

    questions: int
    papers: int
    before: dict[Language, float]
    after: dict[Language, float]

    def __str__(self) -> str:
        """Return the figures as a sentence."""
        if not self.questions:
            return "No paper was held out, so nothing was measured."
        changes = [
            f"{language} {100 * self.before[language]:.1f} before, {100 * now:.1f} after"
            for language, now in self.after.items()
        ]
        return (
            f"{self.questions} questions about {self.papers} papers held out, own paper nearest "
            f"by the English abstract (%): {'; '.join(changes)}."
        )


def model_card(papers: Sequence[ParallelPaper], recipe: Recipe, figures: Figures) -> str:
    """Return the card, in Markdown, of a model trained on `papers` by `recipe`."""
    return _CARD.format(
        papers=len(papers),
        questions=sum(len(paper.questions) for paper in papers),
        asked=sum(1 for paper in papers if paper.questions),
        words=recipe.words,
        row_steps=recipe.row_steps,
        row_batch=recipe.row_batch,
        tune_steps=recipe.tune_steps,
        tune_papers=recipe.asked_papers + recipe.other_papers,
        sharpness=recipe.sharpness,
        seed=recipe.seed,
        fingerprint=recipe.fingerprint,
        figures=figures,
    )
