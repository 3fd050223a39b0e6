"""Questions that the digests answer exactly, against counts taken from the raw files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from conftest import ROOT

from rag.answer import answer
from rag.settings import Settings

MONDAY = "2025-06-09"


@dataclass(frozen=True)
class Entry:
    """What a line-by-line look at a raw digest tells of one entry."""

    arxiv_id: str
    digest: str
    category: str = ""
    authors: tuple[str, ...] = ()
    announce: str = ""
    day: str = ""


def raw_entries() -> Iterator[Entry]:
    for path in sorted((ROOT / "seeds").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        day = re.match(r"\s*# (\d{4}-\d\d-\d\d)", text)
        blocks = re.split(r"^#{2,3} (?=\[)", text, flags=re.MULTILINE)[1:]
        for block in blocks:
            found = re.search(r"arxiv\.org/abs/(\d{4}\.\d{4,5})", block)
            assert found
            category = re.search(r"^Main category: (\S+)", block, re.MULTILINE)
            authors = re.search(r"^\*(.+)\*$", block, re.MULTILINE)
            announce = re.search(r"Announce Type: (\S+)", block)
            yield Entry(
                found[1],
                path.stem,
                category[1] if category else "",
                tuple(a.strip() for a in authors[1].split(",")) if authors and category else (),
                announce[1] if announce else "",
                day[1] if day else "",
            )


ENTRIES = list(raw_entries())
Fits = Callable[[Entry], bool]


def ids(fits: Fits) -> set[str]:
    return {entry.arxiv_id for entry in ENTRIES if fits(entry)}


def category(*names: str) -> Fits:
    return lambda e: e.category in names


def announce(*kinds: str) -> Fits:
    return lambda e: e.announce in kinds


def by(name: str) -> Fits:
    return lambda e: name in e.authors


def first(name: str) -> Fits:
    return lambda e: e.authors[:1] == (name,)


def day(value: str) -> Fits:
    return lambda e: e.day == value


def digest(name: str) -> Fits:
    return lambda e: e.digest.startswith(name)


def everything(_: Entry) -> bool:
    return True


def both(*fits: Fits) -> Fits:
    return lambda e: all(one(e) for one in fits)


COUNTS: list[tuple[str, Fits]] = [
    ("How many papers are there in total?", everything),
    ("how many distinct papers do the digests hold", everything),
    ("总共收录了多少篇论文？", everything),
    ("一共有几篇文章？", everything),
    ("How many cs.LG papers are there?", category("cs.LG")),
    ("number of cs.CL papers", category("cs.CL")),
    ("HOW MANY CS.AI PAPERS?", category("cs.AI")),
    ("cs.LG 类别一共有几篇？", category("cs.LG")),
    ("quant-ph 有多少篇", category("quant-ph")),
    ("How many papers in cs.CR or eess.SY?", category("cs.CR", "eess.SY")),
    ("cs.AI 和 cs.CL 加起来多少篇论文？", category("cs.AI", "cs.CL")),
    ("How many papers were announced as new?", announce("new")),
    ("How many cross-listed papers?", announce("cross")),
    ("how many entries are replacements?", announce("replace")),
    ("有多少篇是交叉列表？", announce("cross")),
    ("新提交的论文有几篇", announce("new")),
    ("How many papers were announced as replace-cross?", announce("replace-cross")),
    ("How many papers are from 9 June 2025?", day(MONDAY)),
    ("how many papers on 2025-06-09", day(MONDAY)),
    ("6月9日有多少篇论文？", day(MONDAY)),
    ("2025年6月的论文有多少篇", day(MONDAY)),
    ("How many papers came out on Monday?", day(MONDAY)),
    ("今天有几篇？", day(MONDAY)),
    ("本周一共多少篇论文", day(MONDAY)),
    ("How many new papers were announced as new today?", both(announce("new"), day(MONDAY))),
    ("How many papers since June 1, 2025?", day(MONDAY)),
    ("how many papers from June 5 to June 9, 2025?", day(MONDAY)),
    ("6月5日到9日之间有几篇论文？", day(MONDAY)),
    ("How many papers are in digest 001_f473a27d6f69c3da?", digest("001_")),
    ("摘要 003_3188064e54e20948 里有几篇论文？", digest("003_")),
    ("How many papers are by Jiaqi Chen?", by("Jiaqi Chen")),
]
NOTHING = [
    "How many papers are from yesterday?",
    "昨天有几篇论文？",
    "papers from last week",
    "上周的论文有哪些？",
    "How many math.AG papers are there?",
    "List the papers of June 5, 2025",
    "6月5日的论文",
    "上周五有什么论文？",
    "papers before June 9, 2025",
]
LISTS: list[tuple[str, Fits]] = [
    ("List all cs.CR papers", category("cs.CR")),
    ("cs.CL papers", category("cs.CL")),
    ("列出所有 cs.AI 的论文", category("cs.AI")),
    ("Which papers are in quant-ph?", category("quant-ph")),
    ("今天有什么新论文？", day(MONDAY)),
    ("eess.SY 有哪些论文", category("eess.SY")),
    ("List the new submissions", announce("new")),
    ("Which entries were announced as plain replace?", announce("replace")),
    ("列出新提交的论文", announce("new")),
    ("papers by Ju Wu", by("Ju Wu")),
    ("Anything by Ju Wu?", by("Ju Wu")),
    ("Ju Wu 写的论文", by("Ju Wu")),
    ("第一作者是 Ju Wu 的论文", first("Ju Wu")),
    ("List the papers in digest 000_132876c306dddd66", digest("000_")),
    ("003_3188064e54e20948 里有哪些论文？", digest("003_")),
]


def test_the_raw_files_were_read() -> None:
    assert len(ENTRIES) == 175
    assert len(ids(everything)) == 166
    assert ids(by("Ju Wu"))
    assert len(ids(announce("new"))) == 15


@pytest.mark.parametrize(("question", "fits"), COUNTS)
def test_counts_are_exact(seed_index: Settings, question: str, fits: Fits) -> None:
    result = answer(question, settings=seed_index)
    wanted = len(ids(fits))
    if wanted:
        assert not result.is_refusal, result.text
        number = "One" if result.language == "en" and wanted == 1 else str(wanted)
        assert number in re.findall(r"\b(?:One|\d+)\b", re.sub(r"[（(].*?[)）]", " ", result.text))
        assert result.mode == "lookup"
    else:
        assert result.is_refusal


@pytest.mark.parametrize("question", NOTHING)
def test_a_lookup_that_nothing_fits_says_so(seed_index: Settings, question: str) -> None:
    result = answer(question, settings=seed_index)
    assert result.is_refusal
    assert not result.citations
    assert result.chips


@pytest.mark.parametrize(("question", "fits"), LISTS)
def test_lists_are_exact(seed_index: Settings, question: str, fits: Fits) -> None:
    result = answer(question, settings=seed_index)
    assert {c.arxiv_id for c in result.citations} == ids(fits)
    assert ids(fits)
    assert not result.is_refusal


def test_a_count_by_category_names_the_digests_without_one(seed_index: Settings) -> None:
    text = answer("How many cs.LG papers are there?", settings=seed_index).text
    assert "004_550b361b9cc0b56f" in text
