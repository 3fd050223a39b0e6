"""The dense leg finds what comparing every paper finds."""

import numpy as np
import pytest
from conftest import WordEncoder
from numpy.typing import NDArray

from rag import dense
from rag.dense import Dense
from rag.segment import Segment, write_segment
from rag.types import Paper, Rendition

WORDS = "cat dog fish bird mat fog dish nest tail paw fin wing claw fur scale feather".split()
COUNT = 150


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> list[Segment]:
    draw = np.random.default_rng(0)
    papers = [
        Paper(
            f"2501.{n:05}",
            " ".join(draw.choice(WORDS, 3)),
            " ".join(draw.choice(WORDS, 6)) if n % 5 else "",
            renditions=tuple(
                Rendition("method", "en", " ".join(draw.choice(WORDS, 4)), "a")
                for _ in range(n % 3)
            ),
        )
        for n in range(COUNT)
    ]
    found = []
    for name, part in (("one", papers[:100]), ("two", papers[100:])):
        folder = tmp_path_factory.mktemp(name) / "segment"
        write_segment(folder, part, WordEncoder().encode_passages, lambda *_: None)
        found.append(Segment(folder))
    return found


def exact(found: Dense, vector: NDArray[np.float32], keep: NDArray[np.bool_]) -> list[int]:
    """The ten papers that comparing every one of them puts first."""
    papers = np.flatnonzero(keep)
    likeness, _ = found._exact(vector, papers)
    return [int(papers[n]) for n in np.lexsort((papers, -likeness))[:10]]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("small", [0, 20_000])
def test_the_nearest_papers_are_those_of_an_exact_search(
    segments: list[Segment], share: float, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense, "_SMALL", small)
    keep = np.random.default_rng(1).random(COUNT) < share
    both = Dense(segments, None)
    encoder = WordEncoder()
    for words in ("cat on mat", "fish dish", "feather wing bird nest", "fog"):
        vector = encoder.encode_queries([words])[0]
        # With so many candidates none is left out.
        papers, likeness, rows = both.near(vector, COUNT // 2, None if share == 1.0 else keep)
        assert papers[:10].tolist() == exact(both, vector, keep)
        assert (np.diff(likeness) <= 0).all()
        assert both.paper_of(rows).tolist() == papers.tolist()


def test_the_best_are_found_among_many_equals() -> None:
    papers = np.array([5, 4, 4, 3, 3, 2, 1, 0])
    scores = np.array([0.5, 0.9, 0.1, 0.5, 0.8, 0.5, 0.5, 0.5], dtype=np.float32)
    assert dense._best(papers, scores, 3).tolist() == [4, 3, 0]
    assert dense._best(papers, scores, 100).tolist() == [4, 3, 0, 1, 2, 5]
