"""The scores of an index's own questions, written down at each build."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from conftest import ROOT

from rag.answer import answer
from rag.aspects import content
from rag.build import build_index
from rag.calibrate import LANGUAGES, calibrated, questions, short_questions
from rag.evidence import LEVELS, like
from rag.index import Index, open_index
from rag.names import MADE
from rag.settings import Settings
from rag.types import Filters


@pytest.fixture(scope="module")
def index(seed_index: Settings) -> Index:
    return open_index(seed_index)


def test_a_build_writes_the_scores_of_every_kind_of_question(index: Index) -> None:
    found = index.manifest.calibration
    kinds = {"en", "zh", "en short", "zh short"}
    assert set(found) == {*kinds, "papers"}
    assert found["papers"] == [166]
    for scores in (found[kind] for kind in kinds):
        assert len(scores) == len(LEVELS)
        assert scores == sorted(scores)


@pytest.mark.slow
def test_the_same_index_gives_the_same_scores(index: Index) -> None:
    assert calibrated(index, {}, lambda *_: None) == index.manifest.calibration


@pytest.mark.slow
def test_an_index_that_hardly_grew_keeps_its_scores(index: Index) -> None:
    known = {"en": [0.5] * len(LEVELS), "papers": [165.0]}
    assert calibrated(index, known, lambda *_: None) == known
    grown = {"en": [0.5] * len(LEVELS), "papers": [100.0]}
    assert calibrated(index, grown, lambda *_: None) == index.manifest.calibration


def test_questions_are_made_of_a_papers_words_without_its_names(index: Index) -> None:
    text = " ".join(
        p.text for i in index.store.select(Filters()) for p in index.store.passages_of(i)
    )
    for question in islice(questions(index, "en"), 50):
        assert not MADE.search(question)
        assert all(word in text for word in question.split())
    for question in islice(questions(index, "zh"), 50):
        assert all(part in text for part in question.split("，"))


def test_short_questions_are_topics_that_several_passages_speak_of(index: Index) -> None:
    for language in LANGUAGES:
        for question in islice(short_questions(index, language), 50):
            assert like(question, language) == f"{language} short"
            seen = [index.lexical.document_frequency(token) for token in content(question)]
            assert min(seen) >= 3


@pytest.mark.slow
def test_a_small_index_has_the_usual_thresholds_and_still_answers(tmp_path: Path) -> None:
    lines = (ROOT / "seeds" / "000_132876c306dddd66.txt").read_text(encoding="utf-8")
    digest = tmp_path / "few.txt"
    digest.write_text(lines, encoding="utf-8")
    settings = Settings(digests=(digest,), index_dir=tmp_path / "index")
    build_index(settings=settings)
    assert open_index(settings).manifest.calibration.keys() == {"papers"}
    assert answer("What does UDora do?", settings=settings).hits


def test_the_setting_takes_effect_without_a_build(seed_index: Settings) -> None:
    from dataclasses import replace

    question = "the mating calls of tropical frogs in rain forests"
    assert answer(question, settings=seed_index).is_refusal
    lenient = replace(seed_index, false_refusals=0.0)
    assert not answer(question, settings=lenient).is_refusal
