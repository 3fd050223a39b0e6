"""Cleaning, language and sentences of untrusted text, English and Chinese."""

from __future__ import annotations

import html
import re
import unicodedata

from rag.types import Language

# Ideographs; kana and Hangul mark other languages that use them too.
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")

# A tab in front of these letters is the `\t` of a LaTeX command that some
# digest maker's program took for an escape.
_LOST_TAB = re.compile(r"\t(?=ext(?:bf|it|sc|tt|rm|sf)?\b|imes\b|heta\b|au\b|ilde\b|op\b|riangle)")
_WRAPPED = re.compile(
    r"\\(?:textbf|textit|textsc|texttt|textrm|textsf|emph|underline|url|mbox)\s*"
    r"\{([^{}]*)\}"
)
_HREF = re.compile(r"\\href\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ESCAPED = re.compile(r"\\([%&_#])")
_ACCENT = re.compile(r"\\([\"'`^~])\{?([A-Za-z])\}?")
_COMBINING = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs"})
_SPACES = re.compile(r"[ \t\u00a0\u3000]+")
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_BETWEEN_WIDE = re.compile(f"(?<=[{_WIDE}])\n(?=[{_WIDE}])")

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|etc|vs|cf|Fig|Figs|Eq|Eqs|Sec|Tab|No|Dr|Prof|St|approx|resp|"
    r"w\.r\.t|a\.k\.a|viz|ca|Ref|Refs|Thm|Def)|\b[A-Z])\.$"
)
# Models write Markdown: the stars and strokes of emphasis may stand at either end.
_ENGLISH_END = re.compile(r"[.!?][\"'”’)\]*_]*\s+(?=[\"'“‘(\[*_]*[A-Z0-9$\\])")
_CHINESE_END = re.compile(r"[。！？][”’」』）)]*")
_EMPHASIS = re.compile(r"\*{1,3}|_{1,3}")
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)


def strip_invisible(text: str) -> str:
    """Return `text` without control, zero-width, bidi, tag and surrogate characters.

    Line breaks and tabs stay: they mean something in a digest.
    """
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    # A text has few distinct characters, and looking at each of them is enough.
    odd = [ch for ch in set(text) - {"\n", "\t"} if unicodedata.category(ch) in _INVISIBLE]
    return text.translate(dict.fromkeys(map(ord, odd))) if odd else text


def clean(raw: str) -> str:
    r"""Return a digest's text as it is searched and shown.

    HTML entities, LaTeX text commands and escapes, a lost `\\t`, soft-wrapped
    lines and invisible characters are resolved; formulas stay LaTeX. Paragraphs
    are separated by an empty line. Cleaning twice changes nothing more.
    """
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    previous = None
    while text != previous:
        previous = text
        text = _LOST_TAB.sub(r"\\t", html.unescape(strip_invisible(text)))
        text = _unwrap(text)
    return _join_lines(text)


def _unwrap(text: str) -> str:
    text = _HREF.sub(lambda m: m[2] if "://" in m[2] else f"{m[2]} ({m[1]})", text)
    text = _WRAPPED.sub(r"\1", text)
    text = _ESCAPED.sub(r"\1", text)
    return _ACCENT.sub(lambda m: unicodedata.normalize("NFC", m[2] + _COMBINING[m[1]]), text)


def _join_lines(text: str) -> str:
    paragraphs = []
    for block in re.split(r"\n\s*\n|\n(?= {2,}\S)", text.strip()):
        joined = _BETWEEN_WIDE.sub("", re.sub(r" *\n *", "\n", block.strip()))
        joined = re.sub(r"(?<=\w-)\n(?=\w)", "", joined).replace("\n", " ")
        if joined := _SPACES.sub(" ", joined).strip():
            paragraphs.append(joined)
    return "\n\n".join(paragraphs)


def language_of(text: str) -> Language:
    """Return "zh" when Chinese characters carry the text, else "en".

    Four ideographs weigh as much as three Latin words, so that a Chinese
    question full of model names is Chinese. Kana make it not Chinese.
    """
    han = len(_HAN.findall(text))
    if not han or len(_KANA.findall(text)) * 4 > han:
        return "en"
    return "zh" if han * 3 >= len(_LATIN_WORD.findall(text)) * 4 else "en"


def has_han(text: str) -> bool:
    """Return whether any Chinese character stands in `text`."""
    return bool(_HAN.search(text))


def sentences(text: str, language: Language) -> list[str]:
    """Return the sentences of cleaned text in order, each verbatim a part of it.

    Common English abbreviations, initials and decimals do not end a sentence.
    """
    return [text[start:stop] for start, stop in sentence_spans(text, language)]


def sentence_spans(text: str, language: Language) -> list[tuple[int, int]]:
    """Return where the `sentences` of cleaned text stand in it: start and end of each."""
    found: list[tuple[int, int]] = []
    line = 0
    for paragraph in text.split("\n"):
        end = _CHINESE_END if language == "zh" else _ENGLISH_END
        start = 0
        for match in end.finditer(paragraph):
            stop = match.end()
            if language == "en" and _ABBREVIATION.search(paragraph[start:stop].strip()):
                continue
            if language == "zh":
                stop = _after_emphasis(paragraph, start, stop)
            found.append(_stripped(paragraph[start:stop], line + start))
            start = stop
        if paragraph[start:].strip():
            found.append(_stripped(paragraph[start:], line + start))
        line += len(paragraph) + 1
    return found


def _stripped(piece: str, at: int) -> tuple[int, int]:
    """Return where `piece`, which stands at `at`, starts and ends without outer white space."""
    start = at + len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())


def _after_emphasis(paragraph: str, start: int, stop: int) -> int:
    """Return where the sentence ends that may end in `**`; an opening one begins the next."""
    mark = _EMPHASIS.match(paragraph, stop)
    return mark.end() if mark and paragraph.count(mark[0], start, stop) % 2 else stop


def fold(text: str) -> str:
    """Return `text` for comparing names: NFKD, no accents, lower case, one space.

    Letters with a stroke or a ligature, which Unicode does not decompose, are
    those that a keyboard without them gives: Łukasz is lukasz.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    lower = unicodedata.normalize("NFKD", text).casefold().translate(_PLAIN_LETTERS)
    decomposed = unicodedata.normalize("NFKD", lower)
    return " ".join("".join(ch for ch in decomposed if not unicodedata.combining(ch)).split())
