"""Citations in a model's text, as it streams: keys become `[2506.05739]`.

A model is given opaque keys. It writes them in square, round or Chinese
brackets, in back-ticks, in lists and ranges, or not at all; it writes arXiv ids
from memory and numbers of its own. Whatever it writes, only markers of papers
that were in the evidence come out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping

from rag.guard import KEY_SHAPE, NEW_ID, OLD_ID, Guard, Visible

_ID = f"(?:{NEW_ID}|{OLD_ID})"
MARKER = rf"\[{_ID}(?:\s*[,;，；、]\s*{_ID})*\]"
_SQUARE, _SQUARE_END = "[［【〔〖⟦", "]］】〕〗⟧"
_ROUND, _ROUND_END = "(（", ")）"
_LIMIT = 120
_PUNCTUATION = ".,;:!?)]。，；：！？）】、"
_LABEL = (
    r"sources?|papers?|refs?|references?|docs?|documents?|passages?|evidence|keys?|cited?|ids?"
    r"|来源|论文|文献|参考|证据|段落|编号"
)
_PARTS = re.compile(
    rf"(?P<gap>[\s,;:、/&+|.。#^]+|\b(?:and|see)\b|[和与及见])"
    r"|(?P<range>[-–—~～至到]|\bto\b)"
    rf"|(?P<id>(?:arxiv[:\s]*)?{_ID}(?!\d)(?:v\d+)?)"
    rf"|(?P<label>(?:{_LABEL})(?![a-z]))"
    r"|(?P<word>[a-z0-9]+)(?:†[^\s,;]*)?",
    re.IGNORECASE,
)
_YEAR = re.compile(
    r"(?:[A-Z][\w’'-]+(?:,? (?:and|&) [A-Z][\w’'-]+| et al\.?| 等人?)?"
    r",? ?(?:19|20)\d\d[a-z]?[;,]? ?)+"
)
_EMPTY = re.compile(r" ?[(（](?:see|cf\.?|e\.g\.,?|见|参见|来源[:：]?|,|，|\s)*[)）]")
_LINK = re.compile(r"\s*<?(?:https?:|www\.|arxiv\.org/|ftp:|javascript:|data:)", re.IGNORECASE)


def markers(text: str) -> list[str]:
    """Return the arXiv ids in the `[…]` markers of `text`, in order of first use."""
    found = [i for m in re.findall(MARKER, text) for i in re.findall(_ID, m)]
    return list(dict.fromkeys(found))


def without_markers(text: str) -> str:
    """Return `text` without its markers and without the space before each."""
    return re.sub(rf"\s*{MARKER}", "", text)


class CitationStream:
    """Turns a model's text, piece by piece, into text a reader may see.

    However the text is split, the pieces join to the same result.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        said: str = "",
        nonces: Collection[str] = (),
        sentinel: str = "",
    ) -> None:
        """Know the evidence: `keys` maps each key to its arXiv id, in the prompt's order.

        `said` is the text that may be quoted (evidence and question): a link, or
        a bracket such as `[1, 2]`, that stands there is no citation and passes.
        """
        self._visible = Visible()
        self._brackets = _Brackets(keys, said)
        self._guard = Guard(keys, said=said, nonces=nonces, sentinel=sentinel)

    def feed(self, piece: str) -> str:
        """Return the next text to show; may be empty while a bracket is open."""
        return self._guard.feed(self._brackets.feed(self._visible.feed(piece)))

    def close(self) -> str:
        """Return the last text to show, once the model has ended."""
        rest = self._brackets.feed(self._visible.close()) + self._brackets.close()
        return self._guard.feed(rest) + self._guard.close()

    @property
    def sentinel_seen(self) -> bool:
        """Return whether the model said that the evidence does not hold the answer."""
        return self._guard.sentinel_seen

    @property
    def dropped(self) -> int:
        """Return how many ids, keys and links outside the evidence were taken out."""
        return self._guard.dropped + self._brackets.dropped

    @property
    def visible(self) -> int:
        """Return how many characters came so far that are no reasoning."""
        return self._visible.count

    @property
    def stray(self) -> int:
        """Return after how many characters reasoning without an opening tag ended, or 0."""
        return self._visible.stray


def tidy(text: str) -> str:
    """Return a finished text without what dropped citations left: `()`, ` .`, `, .`."""
    previous = None
    while text != previous:
        previous = text
        text = _EMPTY.sub("", re.sub(_EMPTY.pattern + r"(?=\w|\.\w)", " ", text))
        text = re.sub(r"[ \t]+(?=[,;:!?。，；：！？、]|\.(?!\w)|\n|$)", "", text)
        text = re.sub(r"[,，、]\s*(?=[.。;；](?!\w))", "", text)
        text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return text


class _Brackets:
    """Resolves brackets; holds back what can still become one."""

    def __init__(self, keys: Mapping[str, str], said: str) -> None:
        self.dropped = 0
        self._keys = {key.casefold(): arxiv_id for key, arxiv_id in keys.items()}
        self._ids = frozenset(keys.values())
        self._said = _folded(said)
        self._space = self._ticks = self._open = self._content = self._last = ""
        self._gap = False
        self._eat_ticks = self._eat_ends = 0
        self._run: set[str] = set()

    def feed(self, piece: str) -> str:
        return "".join([self._inside(ch) if self._open else self._outside(ch) for ch in piece])

    def close(self) -> str:
        rest, self._open, self._content = self._open + self._content, "", ""
        return self._shown(rest) if rest or self._ticks else ""

    def _outside(self, ch: str) -> str:
        if ch in " \t":
            held = self._pending() if self._ticks else ""
            if not (self._gap and self._space):
                self._space += ch
            return held
        if ch == "`" and len(self._ticks) < 2:
            if self._eat_ticks:
                self._eat_ticks -= 1
            else:
                self._ticks += ch
            return ""
        if ch in _SQUARE + _ROUND:
            self._open = ch
            return ""
        if self._eat_ends and ch in _SQUARE_END + _ROUND_END:
            self._eat_ends -= 1
            return ""
        return self._shown(ch)

    def _inside(self, ch: str) -> str:
        ends = _SQUARE_END if self._open[-1] in _SQUARE else _ROUND_END
        if ch in ends:
            return self._resolved(ch)
        if ch in _SQUARE + _ROUND:
            if not self._content.strip(" `*"):
                self._open, self._content = self._open + ch, ""
                return ""
            shown = self._shown(self._open + self._content)
            self._open, self._content = ch, ""
            return shown
        self._content += ch
        if ch == "\n" or len(self._content) > _LIMIT:
            shown = self._shown(self._open + self._content)
            self._open = self._content = ""
            return shown
        return ""

    def _resolved(self, end: str) -> str:
        opened, content = self._open, self._content
        self._open = self._content = ""
        square = opened[-1] in _SQUARE
        cited = self._target(content) if not square and self._last == "]" else None
        if cited is None:
            cited = self._cited(content, square)
        if cited is None:
            return self._shown(opened + content + end)
        self._eat_ticks, self._ticks = len(self._ticks), ""
        self._eat_ends += len(opened) - 1
        fresh = [i for i in cited if i not in self._run]
        if not fresh:
            self._gap = True
            return ""
        space = self._space or (" " if self._last == "]" or _latin(self._last) else "")
        self._run.update(fresh)
        self._space, self._gap, self._last = "", False, "]"
        return space + " ".join(f"[{i}]" for i in fresh)

    def _shown(self, text: str) -> str:
        if self._gap and text[:1] in _PUNCTUATION:
            self._space = ""
        # "](" would make a Markdown link of the marker.
        apart = " " if self._last == "]" and text[:1] == "(" else ""
        shown = (self._pending() or apart) + text
        self._gap, self._eat_ticks, self._last = False, 0, shown[-1:]
        self._run.clear()
        return shown

    def _pending(self) -> str:
        held, self._space, self._ticks = self._space + self._ticks, "", ""
        return held

    def _target(self, content: str) -> list[str] | None:
        """Return the papers that a Markdown link's address names; None when it may stay."""
        if not _LINK.match(content) or _folded(content) in self._said:
            return None
        self.dropped += 1
        return [i for i in re.findall(_ID, content) if i in self._ids]

    def _cited(self, content: str, square: bool) -> list[str] | None:
        """Return the papers that a bracket cites, none of them for a false citation.

        None for a bracket that is no citation.
        """
        text = unicodedata.normalize("NFKC", content)
        text = re.sub(r"[`*_\"']", " ", text).strip()
        cited, numbers, labels, pure = self._parts(text)
        quoted = any(f"{a}{_folded(content)}{b}" in self._said for a, b in ("[]", "()"))
        if cited is not None and pure:
            self.dropped += not cited
            return cited
        if cited and square:
            return cited
        if pure and numbers and not quoted and (square or labels) and "0" not in numbers:
            self.dropped += 1
            return []
        if _YEAR.fullmatch(text) and not quoted:
            self.dropped += 1
            return []
        return None

    def _parts(self, text: str) -> tuple[list[str] | None, list[str], bool, bool]:
        """Return cited papers (None: neither key nor id), numbers, any label, nothing else."""
        cited: list[str] = []
        numbers: list[str] = []
        refers = labels = in_range = False
        pure, at = bool(text), 0
        for part in _PARTS.finditer(text):
            pure, at = pure and part.start() == at, part.end()
            labels = labels or bool(part["label"])
            word = (part["word"] or "").casefold()
            if part["id"] or word in self._keys or re.fullmatch(KEY_SHAPE, word):
                refers = True
                cited += self._known(part["id"], word, cited, in_range)
            elif word.isdecimal() and len(word) <= 3:
                numbers.append(word)
            elif word:
                pure = False
            in_range = bool(part["range"]) or (in_range and bool(part["gap"]))
        unique = list(dict.fromkeys(cited))
        return (unique if refers else None), numbers, labels, pure and at == len(text)

    def _known(self, raw_id: str | None, word: str, before: list[str], in_range: bool) -> list[str]:
        if raw_id:
            match = re.search(_ID, raw_id)
            return [match[0]] if match and match[0] in self._ids else []
        arxiv_id = self._keys.get(word)
        if arxiv_id is None:
            return []
        order = list(dict.fromkeys(self._keys.values()))
        if in_range and before and order.index(before[-1]) < order.index(arxiv_id):
            return order[order.index(before[-1]) + 1 : order.index(arxiv_id) + 1]
        return [arxiv_id]


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _latin(ch: str) -> bool:
    return ch.isascii() and ch.isalnum()
