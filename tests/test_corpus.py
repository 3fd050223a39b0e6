"""The digests that the benchmarks make are read as they were meant."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT

from rag.digests import read_digests


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    path = ROOT / "benchmarks" / "corpus.py"
    spec = importlib.util.spec_from_file_location("corpus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["corpus"] = module
    spec.loader.exec_module(module)
    return module


def record(number: int, **fields: object) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": f"2501.{number:05}",
        "title": f"Cat {number}\n on mats",
        "abstract": f"We look at cat {number}.\n\nMethod: we wait.",
        "categories": ["cs.CV", "cs.LG"],
        "date": f"2025-01-{1 + number % 28:02}",
        "zh": {"tldr": f"猫{number}。", "method": "等待。", "translation": f"我们看猫{number}。"},
    }
    return {**values, **fields}


def test_every_paper_is_read_back_with_all_it_has(corpus: ModuleType, tmp_path: Path) -> None:
    records = [record(n) for n in range(160)] + [record(200, categories=[], zh={})]
    corpus.write_digests(tmp_path, records, 0)
    reading = read_digests([tmp_path])
    assert len(reading.files) == 4
    assert (reading.entries, len(reading.papers), reading.failed) == (322, 161, ())
    papers = {paper.arxiv_id: paper for paper in reading.papers}
    paper = papers["2501.00007"]
    assert paper.title == "Cat 7 on mats"
    assert paper.abstract == "We look at cat 7. Method: we wait."
    assert paper.categories == ("cs.CV",)
    assert [day.isoformat() for day in paper.dates] == ["2025-01-08"]
    assert len(paper.authors) >= 2
    assert {r.part: r.text for r in paper.renditions} == records[7]["zh"]
    assert papers["2501.00200"].categories == (corpus.category_of(records[-1], 0),)


def test_the_seed_decides_everything(corpus: ModuleType, tmp_path: Path) -> None:
    records = [record(n) for n in range(3)]
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        corpus.write_digests(tmp_path / name, records, seed)
    texts = {
        name: [path.read_text() for path in sorted((tmp_path / name).iterdir())]
        for name in ("one", "again", "other")
    }
    assert texts["one"] == texts["again"] != texts["other"]
