"""The frozen records that flow from a digest file to a cited answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

Language = Literal["en", "zh"]
Part = Literal[
    "title",
    "abstract",
    "tldr",
    "motivation",
    "method",
    "result",
    "conclusion",
    "translation",
]
Announce = Literal["new", "cross", "replace", "replace-cross"]
Mode = Literal["extractive", "generated", "lookup"]
ChipField = Literal["authors", "categories", "announce", "days", "digests", "spelling", "about"]
Kind = Literal["fact", "list", "comparison", "count", "field"]


def record(instance: Any) -> dict[str, Any]:  # noqa: ANN401 (any dataclass)
    """Return {field: value} of a dataclass, without copying the values.

    `dataclasses.asdict` copies them deeply, which takes longer than writing them.
    """
    return {name: getattr(instance, name) for name in instance.__dataclass_fields__}


ARXIV_ABS = "https://arxiv.org/abs/"


@dataclass(frozen=True, slots=True)
class Appearance:
    """One entry of one digest: where a paper stood, and its bytes as given.

    `position` and `line` count from 1; `line` is the entry's first line in the
    file. What a layout does not print is None (layout A has no date, layout B
    no category).
    """

    digest: str
    position: int
    line: int
    category: str | None = None
    date: date | None = None
    announce: Announce | None = None
    version: int | None = None
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Rendition:
    """One machine-written text about a paper, from one digest."""

    part: Part
    language: Language
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Paper:
    """One arXiv paper, merged over all its appearances by id without version.

    Title and abstract are the author's English, cleaned for search and display;
    `renditions` are the digest makers' summaries and translations.
    """

    arxiv_id: str
    title: str
    abstract: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    appearances: tuple[Appearance, ...] = ()
    renditions: tuple[Rendition, ...] = ()

    @property
    def url(self) -> str:
        """Return the paper's page on arXiv."""
        return ARXIV_ABS + self.arxiv_id

    @property
    def dates(self) -> tuple[date, ...]:
        """Return the dates of the digests it appeared in, oldest first."""
        return tuple(sorted({a.date for a in self.appearances if a.date}))

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the names of the digests it appeared in, in order, once each."""
        return tuple(dict.fromkeys(a.digest for a in self.appearances))

    @property
    def announce(self) -> tuple[Announce, ...]:
        """Return the announce kinds it appeared with, in order, once each."""
        return tuple(dict.fromkeys(a.announce for a in self.appearances if a.announce))


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit of retrieval: an abstract, or one summary part, of one paper.

    `text` is verbatim the paper's cleaned abstract or rendition; `id` is stable
    over rebuilds, such as `2506.05739/abstract` or `2505.00018/tldr@000_1328`.
    """

    id: str
    arxiv_id: str
    part: Part
    language: Language
    title: str
    text: str
    digest: str = ""

    @property
    def indexed_text(self) -> str:
        """Return what is searched: the title, a line break, the text."""
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A found paper with its best passage.

    `score` is the fused score in [0, 1]; `dense` is how like the question its abstract
    and its summaries are, a weighted mean of their sentences' cosine similarities in
    [-1, 1], and `lexical` the share of the question's words (>= 0) that its best
    passage accounts for.
    """

    paper: Paper
    passage: Passage
    score: float
    dense: float = 0.0
    lexical: float = 0.0


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that stands verbatim in a passage of the cited paper."""

    text: str
    part: Part
    language: Language
    passage_id: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A cited paper and the sentences that support the answer."""

    arxiv_id: str
    title: str
    url: str
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that a question was understood to ask.

    `field` is a filter's, or "spelling" for a name that was mended, or "about" for
    the papers of the turns before that a follow-up is about. Asked again
    `without` a field, the question is answered as if that had not been understood.
    """

    field: ChipField
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose sentences carry markers such as `[2506.05739]`.

    `is_refusal` says that the digests don't hold the answer; `nearest` are then
    the papers that come closest. `notes` are lines for the reader about how the
    answer came to be (a language model that could not be reached, say).
    `chips` are the look-ups that were read out of the question, `searched` what
    was searched where a conversation completed it, `generation` the index's, and
    `model` how a language model wrote it: its name, the hash of the prompt, the
    passages it saw, tokens, seconds and the verdict on each sentence.
    """

    question: str
    text: str
    language: Language
    citations: tuple[Citation, ...] = ()
    is_refusal: bool = False
    hits: tuple[Hit, ...] = ()
    nearest: tuple[Paper, ...] = ()
    notes: tuple[str, ...] = ()
    mode: Mode = "extractive"
    kind: Kind = "fact"
    chips: tuple[Chip, ...] = ()
    searched: str = ""
    generation: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation with the answer it got."""

    question: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Filters:
    """Which papers may be found; an empty field allows all.

    Several values of one field are alternatives, several fields must all hold.
    `since` and `until` are inclusive days of the digest, so that a paper whose
    digests carry no date fails both. `authors` match on whole words without
    accents or case, `digests` on the file name or its beginning, `arxiv_ids`
    with or without version.
    """

    categories: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    digests: tuple[str, ...] = ()
    announce: tuple[Announce, ...] = ()
    arxiv_ids: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything is filtered at all."""
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An entry that lacks something: `missing` names the absent parts."""

    arxiv_id: str
    digest: str
    line: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file, or an entry of one (`line` > 0), that could not be read."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a build read, merged and could not read. Nothing is left out silently."""

    files: int = 0
    entries: int = 0
    papers: int = 0
    passages: int = 0
    embedded: int = 0
    incomplete: tuple[Incomplete, ...] = ()
    failed: tuple[Failure, ...] = ()
    generation: str = ""

    @property
    def merged(self) -> int:
        """Return how many entries were further appearances of a known paper."""
        return self.entries - self.papers


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the index: what it holds, and whether it still fits.

    `usable` says that there is one that can be read; `problem` is a sentence
    when there is none or when it is out of date. `digests`, `days`, `categories`
    and `announce` count distinct papers by value; a paper may count several times.
    """

    usable: bool = False
    problem: str = ""
    generation: str = ""
    built: datetime | None = None
    encoder: str = ""
    sources: tuple[str, ...] = ()
    entries: int = 0
    papers: int = 0
    passages: int = 0
    incomplete: int = 0
    failed: int = 0
    digests: Mapping[str, int] = field(default_factory=dict)
    days: Mapping[date, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    announce: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Event: the papers found, before the first word of the answer."""

    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """Event: the next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the whole answer; always the last one."""

    answer: Answer


Event = Retrieved | Token | Done
Events = Iterator[Event]
