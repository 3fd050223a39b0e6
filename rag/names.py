"""The names that papers go by, and which of them a question mentions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from rag.lexical import STOP_WORDS
from rag.text import fold
from rag.types import Paper

# A word that looks made rather than written: a capital inside one of its pieces
# (SafeDPO, BERT, VTool-R1) or a digit beside letters (dots.llm1).
MADE = re.compile(
    r"(?<![\w$])(?=[\w.-]*(?:[a-z][A-Z]|[A-Z]{2}|[A-Za-z]\d|\d[A-Za-z]))[A-Za-z0-9]\w*(?:[-.]\w+)*",
    re.ASCII,  # a Chinese character is no part of it and may stand right beside it
)
# Quantities and ordinals are made up of the same signs: 7B, 3x, 2nd, 128k.
_QUANTITY = re.compile(r"(?:\d[\d.]*[A-Za-z]{0,3}-?)+")
_GENERIC = frozenset(
    "a an the of on for in to and position paper survey review report study technical towards "
    "toward beyond new note case benchmark framework approach analysis overview tutorial".split()
)
_WORD = re.compile(r"[^\W_]+(?:[-.'’$^{}]+[^\W_]+)*", re.UNICODE)
_LATIN = re.compile(
    r"[A-Za-z0-9\u00c0-\u024f²³⁺$^{}.'’_-]+"
    r"(?:[ ,:;?!()&/“”\"]+[A-Za-z0-9\u00c0-\u024f²³⁺$^{}.'’_-]+)*"
)
_LATIN_WORD = re.compile(r"(?<![A-Za-z0-9-])[A-Z][a-z]{3,}(?![A-Za-z0-9-])")
_LONGEST = 32
# A made-up word in the texts of more papers than this is a term, not a name.
_SHARED = 3
# So many letters of a title in a row are no accident.
_TELLING = 16

Lookup = Callable[[Sequence[str]], Mapping[str, Mapping[str, float]]]

# How surely a name means the paper: bare acronyms are mostly terms of the trade.
TITLE, HEAD, IN_TITLE, IN_ABSTRACT, IN_CHINESE, ACRONYM = 1.0, 0.9, 0.8, 0.5, 0.45, 0.2


def name_key(name: str) -> str:
    """Return a name for comparison: letters and digits only, no accents or case."""
    bare = re.sub(r"['’]s$", "", unicodedata.normalize("NFKC", name), flags=re.IGNORECASE)
    return _key(bare)


def _key(word: str) -> str:
    return re.sub(r"[\W_]+", "", fold(word))


def names_of(paper: Paper) -> dict[str, float]:
    """Return {name key: how surely it means this paper, in (0, 1]}.

    The whole title, its part before a colon, and made-up words such as `SafeDPO`
    in the title and, less surely, in the texts.
    """
    names: dict[str, float] = {}

    def add(name: str, weight: float) -> None:
        key = name_key(name)
        if weight < HEAD and _QUANTITY.fullmatch(name):
            return
        if weight < HEAD and re.fullmatch(r"[A-Z]{1,4}s?", name):
            weight = ACRONYM
        if len(key) >= 2 and not key.isdigit():
            names[key] = max(weight, names.get(key, 0.0))

    texts = [paper.abstract, *(r.text for r in paper.renditions)]
    for name in _distinct(MADE, texts):
        add(name, IN_ABSTRACT)
    # A Latin word left standing in a Chinese text is a name more often than not.
    chinese = [r.text for r in paper.renditions if r.language == "zh"]
    for name in _distinct(_LATIN_WORD, chinese):
        add(name, IN_CHINESE)
    for name in _distinct(MADE, [paper.title]):
        add(name, IN_TITLE)
    head, *rest = re.split(r"[:：]|[.?!]\s|\s[-–—]\s", paper.title, maxsplit=1)
    words = head.split()
    if rest and not _GENERIC.issuperset(w.casefold() for w in words):
        add(head, HEAD)
    add(paper.title, TITLE)
    return names


def _distinct(pattern: re.Pattern[str], texts: Iterable[str]) -> dict[str, None]:
    """Return what matches in the texts, once each: a paper's name stands in most of them."""
    return dict.fromkeys(match[0] for text in texts for match in pattern.finditer(text))


def mentions(question: str, lookup: Lookup) -> dict[str, float]:
    """Return {arXiv id: strength in (0, 1]} of the papers named, in the question's order.

    `lookup` gives {name key: {arXiv id: weight}} of known name keys. Longer names
    win over those inside them; a name that several papers share counts for each
    the less, the more they are. A one-word name must look like one: a capital, a
    digit, or Latin letters in a Chinese question.
    """
    spans = _spans(question)
    known = lookup(list({key for _, _, key in spans}))
    found: dict[str, float] = {}
    place: dict[str, int] = {}
    taken: list[tuple[int, int]] = []
    for start, end, key in sorted(spans, key=lambda s: s[0] - s[1]):
        if key not in known or any(start < e and s < end for s, e in taken):
            continue
        owners = known[key]
        top = max(owners.values())
        best = [i for i, weight in owners.items() if weight == top]
        if len(best) > _SHARED or (top < HEAD and len(owners) > _SHARED):
            continue
        if top <= IN_CHINESE and len(owners) > 1:
            continue
        taken.append((start, end))
        for arxiv_id in best:
            found[arxiv_id] = max(found.get(arxiv_id, 0.0), top / len(best))
            place[arxiv_id] = min(start, place.get(arxiv_id, start))
    return dict(sorted(found.items(), key=lambda item: place[item[0]]))


def without_names(question: str, paper: Paper) -> str:
    """Return the question without what names the paper: its title, a good part of it, its name."""
    title = _key(paper.title)
    sure = {key for key, weight in names_of(paper).items() if weight >= IN_TITLE}
    left, taken = question, list[tuple[int, int]]()
    for start, end, key in sorted(_spans(question), key=lambda s: s[0] - s[1]):
        names = key in sure or (len(key) >= _TELLING and key in title)
        if names and not any(start < e and s < end for s, e in taken):
            taken.append((start, end))
            left = left[:start] + " " * (end - start) + left[end:]
    return " ".join(left.split())


def quotes_title(question: str, paper: Paper) -> bool:
    """Return whether the question writes several words of the title as a name: capitalised."""
    title = _key(paper.title)
    for start, end, key in _spans(question):
        words = [w for w in question[start:end].split() if w.casefold() not in STOP_WORDS]
        name = len(words) > 1 and all(word[0].isupper() for word in words)
        if name and len(key) >= _TELLING // 2 and key in title:
            return True
    return False


def title_parts(question: str) -> list[tuple[int, int, str]]:
    """Return (start, end, key) of the capitalised runs of words that may be part of a title.

    The longest comes first; each has two words or more beside stop words.
    """
    parts = []
    for start, end, key in _spans(question):
        whole = question[start:end].split()
        words = [w for w in whole if w.casefold() not in STOP_WORDS]
        ends = whole[0] in words and whole[-1] in words
        if ends and len(words) > 1 and all(word[0].isupper() for word in words):
            parts.append((start, end, key))
    return sorted(parts, key=lambda part: part[0] - part[1])


def _spans(question: str) -> list[tuple[int, int, str]]:
    """Return (start, end, key) of every run of words that may be a name."""
    spans = []
    for run in _LATIN.finditer(question):
        words = [
            (m.start(), m.end(), _key(m[0]), name_key(m[0]))
            for m in _WORD.finditer(question, run.start(), run.end())
        ]
        for first, (start, _, _, _) in enumerate(words):
            before = ""
            for last, (_, end, inner, final) in enumerate(words[first : first + _LONGEST]):
                key = before + final
                if len(key) >= 2 and (last or _looks_made(question[start:end], question)):
                    spans.append((start, end, key))
                before += inner
    return spans


def _looks_made(word: str, question: str) -> bool:
    if re.search(r"[A-Z0-9²³]", word):
        # A capital at the start of the question is no sign of a name by itself.
        return not (question.startswith(word) and word.casefold() in STOP_WORDS)
    return bool(re.search(r"[\u4e00-\u9fff]", question)) and len(word) > 3


def closest_name(word: str, names: Iterable[str]) -> str | None:
    """Return the known name key that `word` is most probably a misspelling of."""
    from rapidfuzz import fuzz, process

    key = name_key(word)
    if len(key) < 5:
        return None
    # Hardly anyone mistypes the first letter, and many a word is a name without it.
    alike = [name for name in names if name[:1] == key[0]]
    found = process.extractOne(key, alike, scorer=fuzz.ratio, score_cutoff=84)
    return str(found[0]) if found else None
