"""Questions that the digests answer exactly, against counts taken from the raw files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from conftest import ROOT
from digest_files import entry, sections, titled

from rag.answer import answer
from rag.build import build_index
from rag.settings import Settings
from rag.types import Turn

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


SAFE, IMAGINE, LORA, DOTS = "2505.20065", "2505.10010", "2506.06105", "2506.05767"
FIELDS: list[tuple[str, str, str]] = [
    (f"Which category is {IMAGINE} in?", IMAGINE, "cs.LG"),
    (f"What is the arXiv category of {IMAGINE}?", IMAGINE, "cs.LG"),
    (f"{IMAGINE} 属于哪个类别？", IMAGINE, "cs.LG"),
    (f"When was {LORA} announced?", LORA, MONDAY),
    (f"On which day was {LORA} published?", LORA, MONDAY),
    ("When was Text-to-LoRA released?", LORA, MONDAY),
    (f"{LORA} 是什么时候发布的？", LORA, MONDAY),
    (f"Is {DOTS} a new or a replaced paper?", DOTS, "cross"),
    (f"How was {DOTS} announced?", DOTS, "cross"),
    (f"{DOTS} 是新论文还是替换版？", DOTS, "cross"),
    (f"Was {DOTS} announced as a replacement?", DOTS, "cross"),
    (f"{DOTS} 是替换版吗？", DOTS, "cross"),
    ("Which digest contains SafeDPO?", SAFE, "001_f473a27d6f69c3da"),
    ("SafeDPO 出现在哪些摘要文件里？", SAFE, "001_f473a27d6f69c3da"),
    ("What is the link to SafeDPO?", SAFE, f"https://arxiv.org/abs/{SAFE}"),
    ("SafeDPO 的链接", SAFE, f"https://arxiv.org/abs/{SAFE}"),
]


@pytest.mark.parametrize(("question", "arxiv_id", "value"), FIELDS)
def test_what_is_printed_of_a_paper_is_one_cited_sentence(
    seed_index: Settings, question: str, arxiv_id: str, value: str
) -> None:
    result = answer(question, settings=seed_index)
    assert [c.arxiv_id for c in result.citations] == [arxiv_id]
    assert f"[{arxiv_id}]" in result.text
    assert value in result.text
    assert len(result.text.splitlines()) == 1
    assert result.mode == "lookup"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (f"Which category is {LORA} in?", "prints no category"),
        (f"{LORA} 属于哪个类别？", "没有标注类别"),
        ("When was SafeDPO announced?", "prints no date"),
        ("SafeDPO 是什么时候发布的？", "没有标注日期"),
        ("Is SafeDPO a new or a replaced paper?", "does not print how"),
    ],
)
def test_what_is_not_printed_is_said_to_be_missing(
    seed_index: Settings, question: str, said: str
) -> None:
    result = answer(question, settings=seed_index)
    assert result.is_refusal
    assert said in result.text
    assert not result.citations


def test_several_fields_and_papers_are_told_each(seed_index: Settings) -> None:
    asked = f"When was {LORA} announced, and which category is it in?"
    result = answer(asked, settings=seed_index)
    assert MONDAY in result.text
    assert "prints no category" in result.text
    assert not result.is_refusal
    both = answer(f"Which categories are {IMAGINE} and {SAFE} in?", settings=seed_index)
    assert [c.arxiv_id for c in both.citations] == [IMAGINE, SAFE]


def test_a_field_of_the_paper_talked_about(seed_index: Settings) -> None:
    before = answer("What is SafeDPO?", settings=seed_index)
    for question in (
        "Which category is it in?",
        "它属于哪个类别？",
        "What is its category?",
    ):
        then = answer(question, history=[Turn("What is SafeDPO?", before)], settings=seed_index)
        assert [c.arxiv_id for c in then.citations] == [SAFE]
        assert "cs.LG" in then.text


@pytest.mark.parametrize(
    "question",
    [
        "Which categories of attacks does UDora consider?",
        "Is there a link to the code of SafeDPO?",
        "Does SafeDPO need a new loss or a reward model?",
        "Which digests mention quantization?",
        "Where can I get the code of SafeDPO?",
        "UDora 的代码链接在哪里？",
    ],
)
def test_words_of_the_trade_are_no_fields(seed_index: Settings, question: str) -> None:
    assert answer(question, settings=seed_index).kind != "field"


@pytest.mark.parametrize(
    "question", ["Which digests do you have?", "有哪些日报？", "有哪些摘要文件", "list the digests"]
)
def test_the_digests_are_listed_with_their_days_and_papers(
    seed_index: Settings, question: str
) -> None:
    result = answer(question, settings=seed_index)
    assert not result.is_refusal
    assert str(len(ids(everything))) in result.text
    for name in {e.digest for e in ENTRIES}:
        line = next(line for line in result.text.splitlines() if name in line)
        assert re.search(rf"\b{len(ids(digest(name)))} (?:papers|篇)", line)
        dated = any(e.day for e in ENTRIES if e.digest == name)
        assert (MONDAY in line) == dated


@pytest.mark.parametrize(
    "question",
    [
        "What is the newest digest's date?",
        "When is the oldest digest from?",
        "What dates do the digests cover?",
        "Which days are covered?",
        "摘要覆盖哪些日期？",
        "最新一期摘要是哪天的？",
    ],
)
def test_the_days_covered_are_told(seed_index: Settings, question: str) -> None:
    result = answer(question, settings=seed_index)
    assert MONDAY in result.text
    assert "000_132876c306dddd66" in result.text.splitlines()[-1]
    assert not result.is_refusal


@pytest.mark.parametrize("question", ["oldest paper", "latest paper?", "最早的论文是哪篇？"])
def test_the_first_and_the_last_papers_are_those_of_that_day(
    seed_index: Settings, question: str
) -> None:
    result = answer(question, settings=seed_index)
    assert {c.arxiv_id for c in result.citations} == ids(day(MONDAY))


@pytest.mark.parametrize(
    ("question", "silent"),
    [
        ("Papers by Jiawei Han", lambda e: not e.authors),
        ("作者是 Jiawei Han 的论文", lambda e: not e.authors),
        ("cs.CV papers", lambda e: not e.category),
        ("papers in May 2025", lambda e: not e.day),
        ("2025年5月的论文", lambda e: not e.day),
    ],
)
def test_nothing_found_names_the_digests_that_print_no_such_thing(
    seed_index: Settings, question: str, silent: Fits
) -> None:
    result = answer(question, settings=seed_index)
    assert result.is_refusal
    last = result.text.splitlines()[-1]
    for name in {e.digest for e in ENTRIES}:
        assert (name in last) == all(silent(e) for e in ENTRIES if e.digest == name)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("When was it announced?", MONDAY),
        ("它是什么时候发布的？", MONDAY),
        ("Was it a new or a replaced paper?", "cross"),
        ("它是替换版吗？", "cross"),
        ("In which digest does it appear?", "004_550b361b9cc0b56f"),
        ("它出现在哪个摘要里？", "004_550b361b9cc0b56f"),
        ("What is its arXiv link?", f"https://arxiv.org/abs/{DOTS}"),
    ],
)
def test_every_field_can_be_asked_in_a_follow_up(
    seed_index: Settings, question: str, value: str
) -> None:
    before = answer(f"What is {DOTS} about?", settings=seed_index)
    then = answer(question, history=[Turn(before.question, before)], settings=seed_index)
    assert [c.arxiv_id for c in then.citations] == [DOTS]
    assert value in then.text
    assert then.mode == "lookup"


def test_a_library_without_days_and_of_one_digest(tiny_settings: Callable[..., Settings]) -> None:
    settings = tiny_settings({"only.md": sections([entry()])})
    build_index(settings=settings)
    listed = answer("Which digests do you have?", settings=settings).text
    assert listed.splitlines() == [
        "One digest with 1 distinct papers.",
        "- only (no date, 1 paper)",
    ]
    for question in ("What is the newest digest's date?", "oldest paper"):
        assert answer(question, settings=settings).text.startswith("The digests print no dates.")


def test_digests_are_listed_newest_first_and_the_days_span_them(
    tiny_settings: Callable[..., Settings],
) -> None:
    days = [f"2025-06-{n:02}" for n in range(1, 15)]
    files = {
        f"d{n}.md": titled([entry(f"2501.000{n:02}", title=f"Paper {n}")], day)
        for n, day in enumerate(days, start=10)
    }
    settings = tiny_settings(files)
    build_index(settings=settings)
    text = answer("Which digests do you have?", settings=settings).text
    assert "14 digests" in text
    assert "from 2025-06-01 to 2025-06-14" in text
    assert re.findall(r"^- (d\d+)", text, re.MULTILINE) == [f"d{n}" for n in range(23, 9, -1)]
    oldest = answer("What is the oldest paper?", settings=settings)
    assert [c.arxiv_id for c in oldest.citations] == ["2501.00010"]
    # None prints authors: a dozen names, and that there are more.
    nobody = answer("Papers by Jiawei Han", settings=settings).text.splitlines()[-1]
    assert nobody.endswith("d21, ….")


def test_a_digest_that_prints_no_authors_is_told_by_its_own_papers(
    tiny_settings: Callable[..., Settings],
) -> None:
    both = replace(entry("2501.00001"), authors=("Ju Wu",), category="cs.CL")
    own = entry("2501.00002", title="Another")
    settings = tiny_settings({"a.md": sections([both]), "b.md": titled([both, own])})
    build_index(settings=settings)
    text = answer("Papers by Jiawei Han", settings=settings).text
    assert text.splitlines()[-1] == "Digests that print no authors: b."
