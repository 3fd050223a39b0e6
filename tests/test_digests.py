import importlib
import os
import re
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import permutations
from pathlib import Path

import pytest
from conftest import SEEDS, SHARED, write_files
from digest_files import entry, sections, titled
from hypothesis import given
from hypothesis import strategies as st

import rag.layouts
from rag.digests import (
    MAX_FILE_BYTES,
    Reading,
    decode,
    find_files,
    fingerprint,
    layout_versions,
    merge,
    named_files,
    read_digests,
)
from rag.errors import DigestError
from rag.layouts import Entry, layouts, recognise
from rag.layouts.base import find_arxiv_id
from rag.text import clean
from rag.types import Appearance, Failure, Paper

B_SEED = "004_550b361b9cc0b56f"
WITHOUT_TRANSLATION = {
    "2506.05692",
    "2506.05831",
    "2506.05828",
    "2506.06208",
    "2412.19726",
    "2501.18310",
}


def prints(folder: Path) -> dict[str, str]:
    return {name: fingerprint(path) for name, path in named_files([folder])}


@pytest.fixture(scope="module")
def seeds() -> Reading:
    return read_digests([SEEDS])


def appearances(reading: Reading) -> list[Appearance]:
    return [a for paper in reading.papers for a in paper.appearances]


class TestSeeds:
    def test_every_entry_becomes_an_appearance_of_one_of_166_papers(self, seeds: Reading) -> None:
        assert seeds.entries == len(appearances(seeds)) == 175
        assert len(seeds.papers) == len({p.arxiv_id for p in seeds.papers}) == 166
        assert seeds.failed == ()
        assert Counter(a.digest[:3] for a in appearances(seeds)) == {
            "000": 12,
            "001": 12,
            "002": 12,
            "003": 12,
            "004": 127,
        }

    def test_nine_entries_are_merged_into_five_papers(self, seeds: Reading) -> None:
        assert {p.arxiv_id: len(p.appearances) for p in seeds.papers if len(p.appearances) > 1} == {
            "2505.00018": 4,
            "2505.10425": 2,
            "2410.15466": 4,
            "2505.10320": 2,
            "2505.10182": 2,
        }

    def test_layout_a_gives_authors_and_category_but_no_date(self, seeds: Reading) -> None:
        found = [a for a in appearances(seeds) if a.digest != B_SEED]
        assert len(found) == 48
        assert {(a.date, a.announce, a.version) for a in found} == {(None, None, None)}
        assert Counter(a.category for a in found) == {
            "cs.LG": 27,
            "cs.CL": 11,
            "cs.AI": 7,
            "cs.CR": 1,
            "quant-ph": 1,
            "eess.SY": 1,
        }
        assert sum(bool(p.authors) for p in seeds.papers) == 39
        assert sum(len(p.authors) for p in seeds.papers) == 237

    def test_layout_b_gives_date_announce_kind_and_version(self, seeds: Reading) -> None:
        found = [a for a in appearances(seeds) if a.digest == B_SEED]
        assert {(a.date, a.category) for a in found} == {(date(2025, 6, 9), None)}
        kinds = Counter(a.announce for a in found)
        assert kinds == {"cross": 70, "replace-cross": 33, "new": 15, "replace": 9}
        assert Counter(a.version for a in found) == {1: 85, 2: 29, 3: 12, 4: 1}

    def test_renditions(self, seeds: Reading) -> None:
        found = Counter((r.part, r.language) for p in seeds.papers for r in p.renditions)
        parts = ("tldr", "motivation", "method", "result", "conclusion")
        assert found == {("translation", "zh"): 121, **{(part, "zh"): 48 for part in parts}}

    def test_six_entries_without_translation_are_told(self, seeds: Reading) -> None:
        assert {i.arxiv_id for i in seeds.incomplete} == WITHOUT_TRANSLATION
        assert {(i.digest, i.missing) for i in seeds.incomplete} == {(B_SEED, ("translation",))}
        lines = (SEEDS / f"{B_SEED}.txt").read_text(encoding="utf-8").split("\n")
        assert all(i.arxiv_id in lines[i.line - 1] for i in seeds.incomplete)

    def test_every_paper_has_title_and_abstract(self, seeds: Reading) -> None:
        assert all(p.title and len(p.abstract) > 200 for p in seeds.papers)

    def test_texts_are_clean(self, seeds: Reading) -> None:
        for paper in seeds.papers:
            texts = [paper.title, paper.abstract, *(r.text for r in paper.renditions)]
            assert [clean(text) for text in texts] == texts
            assert not any(odd in text for text in texts for odd in ("\t", "&amp;", r"\%", "  "))

    def test_raw_text_and_line_point_into_the_file(self, seeds: Reading) -> None:
        files = {p.stem: p.read_text(encoding="utf-8") for p in SEEDS.iterdir()}
        for paper in seeds.papers:
            for appearance in paper.appearances:
                text = files[appearance.digest]
                assert appearance.raw in text
                line = text.split("\n")[appearance.line - 1]
                assert appearance.raw.startswith(line)
                assert f"/abs/{paper.arxiv_id})" in line

    def test_positions_count_through_each_digest(self, seeds: Reading) -> None:
        for digest, number in Counter(a.digest for a in appearances(seeds)).items():
            found = sorted(a.position for a in appearances(seeds) if a.digest == digest)
            assert found == list(range(1, number + 1))

    @pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is absent")
    def test_the_checkout_has_the_seeds_unchanged(self) -> None:
        assert prints(SEEDS) == prints(SHARED / "seeds")


# Round trips: what is written in a layout is read back as it was.

WORDS = st.sampled_from(
    [
        *"a Deep GPT-4o 50% (x) [y] $z_1$ 中文 模型 learning. Agents: C++ #1 A&B “q” — 1.5".split(),
        "*",
    ]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=40).map(" ".join).filter(lambda t: clean(t) == t)
NAMES = st.lists(st.sampled_from(["Ada Li", "J. K. Or", "José Ñ", "张伟"]), min_size=1, unique=True)
IDS = st.from_regex(r"2[0-9](0[1-9]|1[0-2])\.[0-9]{5}", fullmatch=True)
PARTS = st.lists(
    st.sampled_from(["tldr", "motivation", "method", "result", "conclusion"]), unique=True
).map(
    lambda names: sorted(names, key=["tldr", "motivation", "method", "result", "conclusion"].index)
)


@st.composite
def entries(draw: st.DrawFn, layout: str) -> list[Entry]:
    found = []
    for arxiv_id in draw(st.lists(IDS, min_size=1, max_size=5, unique=True)):
        made = entry(arxiv_id, draw(TEXTS), abstract=draw(TEXTS))
        if layout == "sections":
            made = replace(
                made,
                authors=tuple(draw(NAMES)),
                category=draw(st.sampled_from(["cs.AI", "quant-ph", "cond-mat.mes-hall"])),
                parts=tuple((part, draw(TEXTS)) for part in draw(PARTS)),
            )
        else:
            made = replace(
                made,
                version=draw(st.integers(1, 12)),
                announce=draw(st.sampled_from(["new", "cross", "replace", "replace-cross"])),
                date=date(2025, 6, 9),
                parts=draw(st.sampled_from([(), (("translation", draw(TEXTS)),)])),
            )
        found.append(made)
    return found


def wrapped(entries: list[Entry]) -> list[Entry]:
    """The same, the abstracts in short lines as arXiv sends them."""

    def short(text: str) -> str:
        lines = textwrap.fill(text, 30, break_on_hyphens=False, break_long_words=False)
        # Chinese is not wrapped at spaces: a line break between two of its
        # characters stands for nothing, so that none may fall on a space.
        return re.sub(r"(?<=[\u4e00-\u9fff])\n(?=[\u4e00-\u9fff])", " ", lines)

    return [replace(e, abstract=short(e.abstract)) for e in entries]


def read_back(folder: Path, name: str, text: str) -> list[Entry]:
    write_files(folder, {name: text})
    reading = read_digests([folder / name])
    assert reading.failed == ()
    return [as_entry(paper) for paper in reading.papers]


def as_entry(paper: Paper) -> Entry:
    (seen,) = paper.appearances
    return entry(
        paper.arxiv_id,
        paper.title,
        abstract=paper.abstract,
        authors=paper.authors,
        category=seen.category,
        version=seen.version,
        date=seen.date,
        announce=seen.announce,
        parts=tuple((r.part, r.text) for r in paper.renditions),
    )


@given(entries("sections"))
def test_layout_a_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, given_: list[Entry]
) -> None:
    folder = tmp_path_factory.mktemp("a")
    assert read_back(folder, "a.md", sections(wrapped(given_))) == given_


@given(entries("titled"))
def test_layout_b_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, given_: list[Entry]
) -> None:
    folder = tmp_path_factory.mktemp("b")
    assert read_back(folder, "b.md", titled(given_)) == given_


# Odd files.


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(lambda t: t.encode(), id="utf-8"),
        pytest.param(lambda t: t.encode("utf-8-sig"), id="bom"),
        pytest.param(lambda t: t.encode("gbk"), id="gbk"),
        pytest.param(lambda t: t.encode("gb18030"), id="gb18030"),
        pytest.param(lambda t: t.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(lambda t: t.replace("\n", "\r").encode(), id="cr"),
    ],
)
def test_encodings_and_line_ends_make_no_difference(
    tmp_path: Path, encoded: Callable[[str], bytes]
) -> None:
    text = titled([entry(parts=(("translation", "大语言模型的摘要。"),))])
    write_files(tmp_path, {"d.md": encoded(text)})
    (paper,) = read_digests([tmp_path]).papers
    assert (paper.title, paper.abstract) == ("A Title", "About A Title.")
    assert paper.renditions[0].text == "大语言模型的摘要。"
    assert paper.appearances[0].line == 3


def test_decode_refuses_what_is_no_text() -> None:
    with pytest.raises(ValueError, match="binary"):
        decode(b"a\0b")
    with pytest.raises(ValueError, match="neither UTF-8 nor GB 18030"):
        decode(b"\xff\xff\xff")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("layout", [titled, sections])
def test_a_file_cut_off_within_a_character_is_read_to_there(
    tmp_path: Path, encoding: str, layout: Callable[[list[Entry]], str]
) -> None:
    entries = [
        entry(
            f"2501.0000{n}", title=f"第{n}篇", parts=(("translation", "摘要。"), ("tldr", "短。"))
        )
        for n in (1, 2)
    ]
    data = layout(entries).encode(encoding)
    last = "篇".encode(encoding.removesuffix("-sig"))
    cut = data[: data.rindex(last) + len(last)]
    title, _ = decode(cut)
    heading = cut + b"](https://arxiv.org/abs/2501.00002)\n\xe6"
    write_files(tmp_path, {"d.md": heading})
    reading = read_digests([tmp_path])
    assert title.endswith("第2篇")
    assert [p.arxiv_id for p in reading.papers] == ["2501.00001", "2501.00002"]
    assert [p.title for p in reading.papers] == ["第1篇", "第2篇"]
    assert reading.files == (tmp_path / "d.md",)
    (failure,) = reading.failed
    assert failure.line == heading.count(b"\n") + 1
    assert "cut off" in failure.reason
    assert [odd.arxiv_id for odd in reading.incomplete][-1] == "2501.00002"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\t\n", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is a binary file, not text"),
        (b"\xff\xfe\xff\xff", "it is neither UTF-8 nor GB 18030 text"),
        (b"# Shopping list\n\n- milk\n", "it holds no papers in a known digest layout"),
    ],
)
def test_a_bad_file_is_told_and_the_rest_is_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    write_files(tmp_path, {"bad.md": content, "good.md": titled([entry()])})
    reading = read_digests([tmp_path])
    assert reading.failed == (Failure(str(tmp_path / "bad.md"), 0, reason),)
    assert reading.files == (tmp_path / "good.md",)
    assert [p.arxiv_id for p in reading.papers] == ["2501.00001"]
    assert set(prints(tmp_path)) == {"bad", "good"}


def test_a_file_too_large_is_told(tmp_path: Path) -> None:
    with (tmp_path / "huge.md").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    (failure,) = read_digests([tmp_path]).failed
    assert failure.reason == "it is larger than 64 MiB"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    write_files(tmp_path, {"secret.md": titled([entry()])})
    (tmp_path / "secret.md").chmod(0)
    reading = read_digests([tmp_path])
    assert reading.failed[0].reason == "it can't be opened (Permission denied)"
    assert prints(tmp_path) == {"secret": "unreadable"}


def test_a_file_that_can_not_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"gone.md": titled([entry()]), "good.md": titled([entry()])})
    opened = Path.open

    def disk_error(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == "gone.md":
            raise OSError(5, "Input/output error")
        return opened(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", disk_error)
    reading = read_digests([tmp_path])
    assert reading.failed[0].reason == "it can't be opened (Input/output error)"
    assert prints(tmp_path)["gone"] == "unreadable"
    assert len(reading.papers) == 1


@pytest.mark.parametrize("layout", [sections, titled])
def test_an_entry_without_an_id_is_told_with_its_line(
    tmp_path: Path, layout: Callable[[list[Entry]], str]
) -> None:
    fields = {"authors": ("A",), "category": "cs.AI"}
    text = layout(
        [entry(**fields), entry(None, "Nameless", **fields), entry("2501.00003", **fields)]
    )
    write_files(tmp_path, {"d.md": text})
    reading = read_digests([tmp_path])
    line = next(n for n, row in enumerate(text.split("\n"), 1) if "[Nameless]" in row)
    assert reading.failed == (Failure(str(tmp_path / "d.md"), line, "entry 2 has no arXiv id"),)
    assert [p.arxiv_id for p in reading.papers] == ["2501.00001", "2501.00003"]
    assert [a.position for a in appearances(reading)] == [1, 3]


def test_what_an_entry_lacks_is_told(tmp_path: Path) -> None:
    bare = entry("2501.00002", category="cs.AI", abstract="", parts=(("tldr", "短。"),))
    write_files(tmp_path, {"a.md": sections([bare])})
    (told,) = read_digests([tmp_path]).incomplete
    assert told.missing == ("abstract", "authors", "motivation", "method", "result", "conclusion")


def test_a_label_inside_a_part_or_an_abstract_is_text(tmp_path: Path) -> None:
    made = entry(
        category="cs.AI",
        authors=("A",),
        abstract="One.\nResult: two.\nAbstract: three.",
        parts=(("tldr", "短。"), ("method", "first\nMethod: second"), ("result", "third")),
    )
    write_files(tmp_path, {"a.md": sections([made])})
    (paper,) = read_digests([tmp_path]).papers
    assert paper.abstract == "One. Result: two. Abstract: three."
    assert {r.part: r.text for r in paper.renditions} == {
        "tldr": "短。",
        "method": "first Method: second",
        "result": "third",
    }


def test_an_entry_without_main_category_has_that_of_its_section(tmp_path: Path) -> None:
    made = entry(category="cs.CR", authors=("A",), parts=(("tldr", "短。"),))
    write_files(tmp_path, {"a.md": sections([made]).replace("Main category: cs.CR\n", "")})
    (paper,) = read_digests([tmp_path]).papers
    assert paper.categories == ("cs.CR",)


def test_several_days_in_one_file_keep_their_dates(tmp_path: Path) -> None:
    first = titled([entry(parts=(("translation", "摘要。"),))], "2025-06-09")
    second = titled([entry("2501.00002")], "2025-06-10")
    write_files(tmp_path, {"b.md": first + "\n" + second})
    one, two = read_digests([tmp_path]).papers
    assert (one.dates, two.dates) == ((date(2025, 6, 9),), (date(2025, 6, 10),))
    assert one.renditions[0].text == "摘要。"


def test_an_impossible_date_is_no_date(tmp_path: Path) -> None:
    write_files(tmp_path, {"b.md": titled([entry()], "2025-13-45")})
    reading = read_digests([tmp_path])
    assert reading.papers[0].dates == ()
    assert "date" in reading.incomplete[0].missing


# Finding files.


def test_find_files_takes_text_below_folders_and_whatever_is_named(tmp_path: Path) -> None:
    names = ["a.md", "b.TXT", "c.markdown", "d.pdf", ".hidden.md", ".git/e.md", "sub/f.md"]
    write_files(tmp_path, dict.fromkeys(names, "x"))
    found = find_files([tmp_path, tmp_path / "a.md", tmp_path / "d.pdf"])
    expected = ["a.md", "b.TXT", "c.markdown", "d.pdf", "sub/f.md"]
    assert found == [tmp_path / name for name in expected]


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    write_files(tmp_path / ".digests", {"a.md": "x"})
    assert find_files([tmp_path / ".digests"]) == [tmp_path / ".digests" / "a.md"]


def test_a_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DigestError, match=r"There is no file or folder '.*nowhere'"):
        read_digests([tmp_path / "nowhere"])


def test_a_path_that_is_neither_file_nor_folder_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DigestError, match="pipe"):
        find_files([tmp_path / "pipe"])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    text = titled([entry()])
    write_files(tmp_path, {"a/day.md": text, "b/day.md": text, "b/day.txt": text})
    names = list(prints(tmp_path))
    assert names[:2] == ["day", "b/day"]
    assert len(set(names)) == 3
    assert {a.digest for a in appearances(read_digests([tmp_path]))} == set(names)


def test_a_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.md": "one", "b.md": "one"})
    before = prints(tmp_path)
    assert before["a"] == before["b"]
    write_files(tmp_path, {"a.md": "two"})
    after = prints(tmp_path)
    assert (after["a"] != before["a"], after["b"] == before["b"]) == (True, True)


# Merging.


def merged(*given_: Entry) -> Paper:
    (paper,) = merge([(f"d{n}", n, made) for n, made in enumerate(given_, start=1)])
    return paper


def test_a_newer_version_replaces_title_and_abstract() -> None:
    old, new = entry(title="Old", version=1), entry(title="New", version=2)
    for paper in (merged(old, new), merged(new, old)):
        assert (paper.title, paper.abstract) == ("New", "About New.")
        assert len(paper.appearances) == 2


def test_among_equal_versions_the_latest_day_counts_then_the_first_read() -> None:
    early = entry(title="Early", version=1, date=date(2025, 1, 1))
    late = entry(title="Late", version=1, date=date(2025, 1, 2))
    assert merged(late, early).title == merged(early, late).title == "Late"
    assert merged(replace(early, title="First"), early).title == "First"


def test_an_entry_without_abstract_replaces_nothing() -> None:
    old, empty = entry(title="Old", version=1), entry(title="New", version=2, abstract="")
    assert merged(old, empty).abstract == "About Old."


def test_everything_else_of_every_entry_is_kept() -> None:
    one = entry(category="cs.AI", parts=(("tldr", "短。"), ("method", "Short one.")))
    two = entry(category="cs.LG", authors=("Ada Li",), parts=(("tldr", "短。"), ("tldr", "长。")))
    paper = merged(one, two)
    assert paper.categories == ("cs.AI", "cs.LG")
    assert paper.authors == ("Ada Li",)
    assert [(r.part, r.language, r.text, r.digest) for r in paper.renditions] == [
        ("tldr", "zh", "短。", "d1"),
        ("method", "en", "Short one.", "d1"),
        ("tldr", "zh", "长。", "d2"),
    ]


def test_different_versions_merge_alike_in_any_order() -> None:
    given_ = [
        entry(title=f"V{n}", version=n, category=f"cs.{n}", parts=(("tldr", f"第{n}。"),))
        for n in (1, 2, 3)
    ]
    found = [merged(*order) for order in permutations(given_)]
    assert {(p.title, p.abstract) for p in found} == {("V3", "About V3.")}
    assert len({frozenset(p.categories) for p in found}) == 1
    assert len({frozenset(r.text for r in p.renditions) for p in found}) == 1


@given(st.lists(st.sampled_from(["2501.00001", "2501.00002", "2501.00003"]), max_size=12))
def test_merging_loses_no_entry_and_makes_up_no_paper(ids: list[str]) -> None:
    papers = merge([(f"d{n}", n, entry(i)) for n, i in enumerate(ids)])
    assert [p.arxiv_id for p in papers] == list(dict.fromkeys(ids))
    assert sum(len(p.appearances) for p in papers) == len(ids)


def test_papers_of_two_files_are_the_same_whichever_is_read_first(tmp_path: Path) -> None:
    one, two = titled([entry(title="One", version=1)]), titled([entry(title="Two", version=2)])
    write_files(tmp_path / "x", {"1.md": one, "2.md": two})
    write_files(tmp_path / "y", {"1.md": two, "2.md": one})
    titles = {read_digests([tmp_path / name]).papers[0].title for name in "xy"}
    assert titles == {"Two"}


# Identifiers and the registry.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://arxiv.org/abs/2506.05739", ("2506.05739", None)),
        ("arXiv:2506.05739v12 Announce", ("2506.05739", 12)),
        ("论文2506.05739v2讲了什么", ("2506.05739", 2)),
        ("0704.0001", ("0704.0001", None)),
        ("12506.05739", (None, None)),
        ("2506.057391", (None, None)),
        ("1.2506.05739", (None, None)),
        ("math/0601001", (None, None)),
        ("", (None, None)),
    ],
)
def test_find_arxiv_id(text: str, expected: tuple[str | None, int | None]) -> None:
    assert find_arxiv_id(text) == expected


def test_layouts_recognise_their_own_seeds_only() -> None:
    found = {p.stem[:3]: recognise(p.read_text(encoding="utf-8")) for p in SEEDS.iterdir()}
    names = {seed: layout.name for seed, layout in found.items() if layout}
    assert names == {**dict.fromkeys(("000", "001", "002", "003"), "sections"), "004": "titled"}
    for path in SEEDS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert sum(layout.recognises(text) for layout in layouts()) == 1
    assert recognise("nothing at all") is None


def test_a_file_dropped_into_the_folder_is_a_new_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dropped.py").write_text(
        "from rag.layouts.base import Entry, Layout\n"
        "def _read(text):\n"
        "    for line, row in enumerate(text.splitlines(), 1):\n"
        "        if '|' in row:\n"
        "            arxiv_id, title = row.split('|')\n"
        "            yield Entry(line=line, raw=row, title=title, arxiv_id=arxiv_id)\n"
        "LAYOUT = Layout('dropped', 7, lambda t: t.startswith('!dropped'), _read, ('title',))\n"
    )
    monkeypatch.setattr(rag.layouts, "__path__", [*rag.layouts.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    layouts.cache_clear()
    try:
        assert layout_versions() == {**layout_versions(), "dropped": 7, "sections": 2}
        write_files(tmp_path / "in", {"d.txt": "!dropped\n2501.00009|Found &amp; read\n"})
        (paper,) = read_digests([tmp_path / "in"]).papers
        assert (paper.arxiv_id, paper.title) == ("2501.00009", "Found & read")
    finally:
        layouts.cache_clear()


def test_reading_is_the_same_whatever_order_the_paths_are_in() -> None:
    paths = sorted(SEEDS.iterdir())
    assert read_digests(reversed(paths)) == read_digests(paths)
