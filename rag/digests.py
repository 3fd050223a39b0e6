"""From digest files to papers: find, decode, read, merge, and account for all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rag.durable import file_sum
from rag.errors import DigestError
from rag.layouts import Entry, Layout, layouts, recognise
from rag.text import clean, language_of
from rag.types import Appearance, Failure, Incomplete, Paper, Rendition

SUFFIXES = frozenset({".txt", ".md", ".markdown"})
MAX_FILE_BYTES = 64 * 1024 * 1024
# What Python's two codecs call a character that the data end within.
_HALF = frozenset({"unexpected end of data", "incomplete multibyte sequence"})
_CUT_OFF = "the file is cut off here, within a character; what stands before is read"


# (digest name, position in the file, entry), as `merge` takes them.
Placed = tuple[str, int, Entry]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one file holds, whatever its name and place.

    `entries` are `count` (position, entry) pairs, cleaned; `incomplete` are (arXiv id,
    line, missing parts); `failed` are (line, reason), where line 0 is the file.
    `readable` says that the file is a digest at all.
    """

    entries: tuple[tuple[int, Entry], ...] = ()
    count: int = 0
    incomplete: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: one paper per arXiv id, and all that was odd on the way.

    `files` could be read, `failed` not.
    """

    files: tuple[Path, ...]
    entries: int
    papers: tuple[Paper, ...]
    incomplete: tuple[Incomplete, ...]
    failed: tuple[Failure, ...]


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return the digest files named by, or below, `paths`, sorted, once each.

    Hidden files are passed over, and below a folder those that are not text by
    their suffix. Raises `DigestError` for a path that does not exist.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(
                p
                for p in path.rglob("*")
                if p.is_file()
                and p.suffix.lower() in SUFFIXES
                and not any(part.startswith(".") for part in p.relative_to(path).parts)
            )
        elif path.is_file():
            found.add(path)
        else:
            raise DigestError(f"There is no file or folder '{path}'.", "Check the path.")
    return sorted(found)


def named_files(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return (digest name, path) of the files named by, or below, `paths`, sorted by path.

    A name is the file's stem, with as much of its folders as tells it apart.
    Raises `DigestError` for a path that does not exist.
    """
    names: list[tuple[str, Path]] = []
    taken: set[str] = set()
    for path in find_files(paths):
        name, parents = path.stem, list(path.parts[:-1])
        while name in taken and parents:
            name = f"{parents.pop()}/{name}"
        if name in taken:
            name = f"{name}{path.suffix}"
        taken.add(name)
        names.append((name, path))
    return names


def layout_versions() -> dict[str, int]:
    """Return every layout's name and version, for the index's fingerprint."""
    return {layout.name: layout.version for layout in layouts()}


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, "unreadable" when it can't be read."""
    try:
        return file_sum(path)
    except OSError:
        return "unreadable"


def read_digests(paths: Iterable[Path]) -> Reading:
    """Read every digest below `paths` and merge its entries into papers.

    A file or entry that can't be read becomes a `Failure` and the rest is read.
    Raises `DigestError` only for a path that does not exist.
    """
    named = named_files(paths)
    parsed = {name: parse(path) for name, path in named}
    return account(
        named, parsed, merge((n, at, entry) for n, p in parsed.items() for at, entry in p.entries)
    )


def account(
    named: Sequence[tuple[str, Path]], parsed: Mapping[str, Parsed], papers: Sequence[Paper]
) -> Reading:
    """Return the account of files that were parsed, by name, and merged to `papers`."""
    return Reading(
        files=tuple(path for name, path in named if parsed[name].readable),
        entries=sum(parsed[name].count for name, _ in named),
        papers=tuple(papers),
        incomplete=tuple(
            Incomplete(arxiv_id, name, line, missing)
            for name, _ in named
            for arxiv_id, line, missing in parsed[name].incomplete
        ),
        failed=tuple(
            Failure(str(path), line, reason)
            for name, path in named
            for line, reason in parsed[name].failed
        ),
    )


def parse(path: Path) -> Parsed:
    """Return what the file at `path` holds; never raises for what it holds."""
    try:
        text, layout, cut_off = _open(path)
    except (OSError, ValueError) as error:
        return Parsed(failed=((0, _reason(error)),), readable=False)
    parsed = _read_entries(text, layout)
    if not cut_off:
        return parsed
    return replace(parsed, failed=(*parsed.failed, (text.count("\n") + 1, _CUT_OFF)))


def decode(data: bytes) -> tuple[str, bool]:
    """Return the text of a file, and whether it ends within a character.

    It is UTF-8 with or without BOM, else GB 18030; of a character that is not all
    there nothing is kept. Raises ValueError for what is not text.
    """
    if b"\0" in data[:65536]:
        raise ValueError("it is a binary file, not text")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return _lines(data.decode(encoding)), False
        except UnicodeDecodeError as error:
            # A few letters and half a character may be the start of either.
            whole = error.object[: error.start]
            at_end = error.end == len(error.object) and error.reason in _HALF
            if at_end and not whole.isascii():
                return _lines(whole.decode(encoding)), True
    raise ValueError("it is neither UTF-8 nor GB 18030 text")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def merge(entries: Iterable[Placed]) -> tuple[Paper, ...]:
    """Return one paper per arXiv id from (digest name, position, entry) triples.

    Title and abstract come from the newest version, among equals from the
    latest digest and then the first read; every appearance, every distinct
    rendition, every category and the first known list of authors are kept.
    """
    groups: dict[str, list[Placed]] = {}
    for item in entries:
        groups.setdefault(item[2].arxiv_id or "", []).append(item)
    return tuple(_paper(arxiv_id, group) for arxiv_id, group in groups.items())


def _open(path: Path) -> tuple[str, Layout, bool]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    data = path.read_bytes()
    if not data.strip():
        raise ValueError("it is empty")
    text, cut_off = decode(data)
    layout = recognise(text)
    if layout is None:
        raise ValueError("it holds no papers in a known digest layout")
    return text, layout, cut_off


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"it can't be opened ({error.strerror or type(error).__name__})"
    return str(error)


def _read_entries(text: str, layout: Layout) -> Parsed:
    found: list[tuple[int, Entry]] = []
    incomplete: list[tuple[str, int, tuple[str, ...]]] = []
    failed: list[tuple[int, str]] = []
    for position, raw_entry in enumerate(layout.read(text), start=1):
        entry = _cleaned(raw_entry)
        if entry.arxiv_id is None:
            failed.append((entry.line, f"entry {position} has no arXiv id"))
            continue
        found.append((position, entry))
        if missing := _missing(entry, layout):
            incomplete.append((entry.arxiv_id, entry.line, missing))
    if not found and not failed:
        failed.append((0, "it holds no papers"))
    return Parsed(tuple(found), len(found), tuple(incomplete), tuple(failed))


def _cleaned(entry: Entry) -> Entry:
    parts = tuple((part, clean(text)) for part, text in entry.parts)
    return replace(
        entry,
        title=" ".join(clean(entry.title).split()),
        abstract=clean(entry.abstract),
        authors=tuple(clean(author) for author in entry.authors),
        parts=tuple((part, text) for part, text in parts if text),
    )


def _missing(entry: Entry, layout: Layout) -> tuple[str, ...]:
    present = {part for part, _ in entry.parts}
    return tuple(
        name for name in layout.expects if name not in present and not getattr(entry, name, None)
    )


def _paper(arxiv_id: str, group: list[Placed]) -> Paper:
    def freshness(item: tuple[int, Entry]) -> tuple[bool, int, date, int]:
        index, entry = item
        return bool(entry.abstract), entry.version or 0, entry.date or date.min, -index

    best = max(enumerate(e for _, _, e in group), key=freshness)[1]
    titled = best.title or next((e.title for _, _, e in group if e.title), arxiv_id)
    renditions: dict[tuple[str, str], Rendition] = {}
    for digest, _, entry in group:
        for part, text in entry.parts:
            rendition = Rendition(part, language_of(text), text, digest)
            renditions.setdefault((part, text), rendition)
    return Paper(
        arxiv_id=arxiv_id,
        title=titled,
        abstract=best.abstract,
        authors=next((e.authors for _, _, e in group if e.authors), ()),
        categories=tuple(dict.fromkeys(e.category for _, _, e in group if e.category)),
        appearances=tuple(_appearance(*item) for item in group),
        renditions=tuple(renditions.values()),
    )


def _appearance(digest: str, position: int, entry: Entry) -> Appearance:
    return Appearance(
        digest=digest,
        position=position,
        line=entry.line,
        category=entry.category,
        date=entry.date,
        announce=entry.announce,
        version=entry.version,
        raw=entry.raw,
    )
