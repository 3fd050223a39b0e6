"""Stand-in vectors, for measuring an index at size without hours of encoding.

A passage's vector is that of its paper's title, by the real encoder, plus noise
that follows from the passage's text, half as long as the title's vector, made a
unit vector again; so is a vector for each of its sentences. They are kept under
the encoder's own fingerprint, so that a build takes them for known. Questions are
encoded by the real encoder: times are honest, and what is found is near the
titles, but relevance is not measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.cache import encode_cached
from rag.digests import read_digests
from rag.embed import Encoder, unit_rows
from rag.passages import all_passages
from rag.sentences import spans_of

_NOISE = 0.5
_FILES = 20


class StandIn:
    """Gives passages stand-in vectors under the real encoder's name and fingerprint."""

    def __init__(self, real: Encoder, titles: Path) -> None:
        """Keep the titles' real vectors in the SQLite file `titles`."""
        self.name, self.fingerprint = real.name, real.fingerprint
        self.dimension = real.dimension
        self._real, self._titles = real, titles

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the real vectors of questions."""
        return self._real.encode_queries(texts)

    def encode_passages(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Return the stand-in vectors of passages, a title and a text by a line break."""
        rows = self._of_titles(texts)
        noise = unit_rows(np.stack([_noise(text, 1, self.dimension)[0] for text in texts]))
        if progress:
            progress(len(texts))
        return unit_rows(rows + _NOISE * noise)

    def encode_sentences(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Return the stand-in vectors of passages and of their sentences, as many as there are."""
        rows = self._of_titles(texts)
        passages, told = [], []
        for row, text in zip(rows, texts, strict=True):
            noise = unit_rows(_noise(text, 1 + max(1, len(spans_of(text))), self.dimension))
            near = unit_rows(row + _NOISE * noise)
            passages.append(near[0])
            told.append(near[1:])
        return np.array(passages), told

    def _of_titles(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the real vectors of the passages' titles."""
        titles = [text.partition("\n")[0] for text in texts]
        known, _ = encode_cached(self._titles, self._real, list(dict.fromkeys(titles)))
        place = {title: row for row, title in enumerate(dict.fromkeys(titles))}
        return known[[place[title] for title in titles]]


def fill(cache: Path, files: Iterable[Path], encoder: Encoder) -> int:
    """Put the vectors of all passages of the digests `files` into `cache`; return how many.

    Digests of the same papers must stand next to each other in `files`: a
    passage's text begins with the title that its paper got from all of them.
    """
    total = 0
    listed = list(files)
    for start in range(0, len(listed), _FILES):
        papers = read_digests(listed[start : start + _FILES]).papers
        texts = [passage.indexed_text for passage in all_passages(papers)]
        encode_cached(cache, encoder, texts)
        total += len(texts)
    return total


def _noise(text: str, rows: int, dimension: int) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
