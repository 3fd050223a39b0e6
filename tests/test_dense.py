"""The dense leg finds what comparing every paper finds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import WordEncoder, encode_by
from numpy.typing import NDArray

from rag import dense
from rag.dense import Dense
from rag.fusion import attended, weighted_likeness
from rag.segment import Encode, Segment, write_segment
from rag.sentences import Sentences, spans_of
from rag.types import Paper, Rendition
from rag.verify import verify_segment

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
        write_segment(folder, part, encode_by(WordEncoder()), lambda *_: None)
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


TOLD = [
    Paper(
        "2501.00001",
        "Pets",
        "Cat on mat. Dog in fog.",
        renditions=(
            Rendition("method", "en", "A fish. A bird.", "a"),
            Rendition("result", "en", "A dog.", "a"),
        ),
    ),
    Paper("2501.00002", "Wings", ""),
    Paper("2501.00003", "Sea", "", renditions=(Rendition("method", "en", "A fish.", "a"),)),
]


def likeness(encode: Encode, folder: Path, question: str) -> tuple[list[float], list[int]]:
    """The likeness of the papers above, and the row of the likest passage."""
    write_segment(folder, TOLD, encode, lambda *_: None)
    segment = Segment(folder)
    vector = WordEncoder().encode_queries([question])[0]
    found, rows = dense._likeness(segment, vector, np.array([2, 0, 1]))
    return found.tolist(), rows.tolist()


def test_a_telling_is_as_like_as_its_sentences(tmp_path: Path) -> None:
    encoder = WordEncoder()
    found, rows = likeness(encode_by(encoder), tmp_path / "one", "dog in fog")
    vector = encoder.encode_queries(["dog in fog"])[0]

    def told(*texts: str) -> NDArray[np.float32]:
        spans = [text[a:b] for text in texts for a, b in spans_of(text)]
        return attended(encoder.encode_queries(spans) @ vector, np.array([0]))

    author = told("Pets\nCat on mat. Dog in fog.")
    digests = told("Pets\nA fish. A bird.", "Pets\nA dog.")
    both = weighted_likeness(author, digests)
    expected = [told("Sea\nA fish.")[0], both[0], told("Wings\nWings")[0]]
    assert found == pytest.approx(expected, abs=5e-3)
    assert rows == [4, 0, 3]


def test_without_sentences_the_best_passage_counts(tmp_path: Path) -> None:
    encoder = WordEncoder()

    def encode(texts: Sequence[str]) -> tuple[NDArray[np.float32], list[Sentences]]:
        none = np.zeros((0, encoder.dimension), np.int8)
        counts = np.zeros(len(texts), np.int64)
        return encoder.encode_passages(texts), [Sentences(counts, none, np.zeros(0, np.float32))]

    found, rows = likeness(encode, tmp_path / "one", "dog in fog")
    assert not Segment(tmp_path / "one").has_sentences
    verify_segment(tmp_path / "one")
    vector = encoder.encode_queries(["dog in fog"])[0]

    def near(*texts: str) -> NDArray[np.float32]:
        return np.array([(encoder.encode_queries(texts) @ vector).max()])

    author = near("Pets\nCat on mat. Dog in fog.")
    digests = near("Pets\nA fish. A bird.", "Pets\nA dog.")
    both = weighted_likeness(author, digests)
    assert found == pytest.approx(
        [near("Sea\nA fish.")[0], both[0], near("Wings\nWings")[0]], abs=5e-3
    )
    assert (rows[0], rows[2]) == (4, 3)
