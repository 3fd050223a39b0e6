"""What the index holds, exactly, and its state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from digest_files import entry, sections, titled

import rag
from rag.errors import IndexMissing
from rag.settings import Settings
from rag.types import Filters, Status

Make = Callable[..., Settings]


def test_all_papers_of_the_seeds_in_the_digests_order(seed_index: Settings) -> None:
    papers = rag.papers(settings=seed_index)
    assert len(papers) == len({paper.arxiv_id for paper in papers}) == 166
    first = [paper.appearances[0] for paper in papers]
    assert [a.digest for a in first] == sorted(a.digest for a in first)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (Filters(), 166),
        (Filters(categories=("cs.CL",)), 6),
        (Filters(announce=("replace",)), 9),
        (Filters(since=date(2025, 6, 9), until=date(2025, 6, 9)), 127),
        (Filters(authors=("ivan vulic",)), 1),
        (Filters(categories=("zz.ZZ",)), 0),
    ],
)
def test_papers_under_filters(seed_index: Settings, filters: Filters, count: int) -> None:
    assert len(rag.papers(filters=filters, settings=seed_index)) == count


def test_the_state_of_the_seeds(seed_index: Settings) -> None:
    status = rag.status(settings=seed_index)
    assert status.usable
    assert status.problem == ""
    assert (status.entries, status.papers, status.incomplete, status.failed) == (175, 166, 6, 0)
    assert sum(status.digests.values()) >= 166
    assert status.days == {date(2025, 6, 9): 127}
    assert status.categories["cs.CL"] == 6
    assert status.announce["replace"] == 9
    assert status.built is not None
    assert status.built.tzinfo is not None
    assert status.passages > status.papers


def test_without_an_index_there_is_a_state_but_no_papers(tmp_path: Path) -> None:
    settings = Settings(index_dir=tmp_path / "none")
    status = rag.status(settings=settings)
    assert not status.usable
    assert "digest-rag index" in status.problem
    assert status == Status(problem=status.problem)
    with pytest.raises(IndexMissing):
        rag.papers(settings=settings)


def test_a_stale_index_is_usable_and_says_what_changed(tiny_settings: Make) -> None:
    settings = tiny_settings({"a.md": titled([entry()])})
    rag.build_index(settings=settings)
    assert rag.status(settings=settings).problem == ""
    more = [entry("2501.00002", "Another", category="cs.CL")]
    (settings.digests[0] / "b.md").write_text(sections(more), encoding="utf-8")
    status = rag.status(settings=settings)
    assert status.usable
    assert "1 new" in status.problem
    assert status.papers == 1


def test_a_damaged_index_is_a_state(tiny_settings: Make) -> None:
    settings = tiny_settings({"a.md": titled([entry()])})
    rag.build_index(settings=settings)
    for manifest in settings.index_dir.rglob("manifest.json"):
        manifest.write_text("{", encoding="utf-8")
    status = rag.status(settings=settings)
    assert not status.usable
    assert "digest-rag index" in status.problem
