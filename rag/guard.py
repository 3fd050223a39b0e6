"""What a model wrote, made safe to show: no reasoning, no foreign id, link or key.

Both classes read one character after the other, so that the result does not
depend on how the text was split into tokens.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache

NEW_ID = r"\d{4}\.\d{4,5}"
# All archives that ever gave ids of the form before April 2007.
OLD_ID = (
    r"(?:acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg"
    r"|comp-gas|cond-mat|cs|dg-ga|funct-an|gr-qc|hep-(?:ex|lat|ph|th)|math-ph|math|mtrl-th|nlin"
    r"|nucl-(?:ex|th)|patt-sol|physics|plasm-ph|q-alg|q-bio|q-fin|quant-ph|solv-int|stat|supr-con)"
    r"(?:\.[A-Z]{2})?/\d{7}"
)
KEY_LETTERS, KEY_DIGITS = "bcdfghjkmnpqrstvwxz", "23456789"
# No word, and hardly a name, alternates consonants and digits like this.
KEY_SHAPE = f"[{KEY_LETTERS}][{KEY_DIGITS}][{KEY_LETTERS}][{KEY_DIGITS}][{KEY_LETTERS}]"

_BLOCK = "think|thinking|thought|reasoning|analysis|scratchpad|reflection|tool_call|function_call"
_OPENING = re.compile(rf"<({_BLOCK})\s*>", re.IGNORECASE)
_CLOSING = re.compile(rf"</({_BLOCK})\s*>", re.IGNORECASE)
_HTML = re.compile(r"</?(?:b|i|u|em|strong|sup|sub|span|p|br|a|div|code|ref|cite)\s*/?>", re.I)
_TEMPLATE = re.compile(r"<[|｜].*[|｜]>")
_CHANNEL, _FINAL = "<|channel|>", "<|channel|>final<|message|>"
_TAG_LIMIT = 40

# Any such number goes unless it is an id of the evidence: a longer run of digits
# would still contain one.
_ANY_NEW = re.compile(r"(?P<new>(?:arxiv[:.]?)?(?<!\d)\d{4,}\.\d{4,}(?:v\d+)?)", re.IGNORECASE)
_ANY_OLD = re.compile(rf"(?P<old>(?:arxiv:)?{OLD_ID}\d*(?:v\d+)?)", re.IGNORECASE)
_URL = r"(?P<url>(?:https?|ftp|javascript|data|file):/*\S+|\bwww\.\S+|\barxiv\.org/\S+)"
# One pattern for all requests: to compile one with the keys of each takes longer
# than to read the reply.
_SUSPECT = re.compile(
    rf"{_URL}|{_ANY_NEW.pattern}|{_ANY_OLD.pattern}"
    rf"|(?P<tick>`?)(?<![A-Za-z0-9])(?P<key>{KEY_SHAPE})(?![A-Za-z0-9])(?P=tick)",
    re.IGNORECASE,
)
_URL_END = ".,;:!?*_'`"
_IN_WORD = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('[]()<>{}"|')
_DECORATION = str.maketrans("", "", "\\*_~`^")
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_VERSION = re.compile(r"v\d+$")


class Visible:
    """Drops reasoning blocks, chat-template tokens, HTML tags and invisible characters.

    `count` is how many characters outside of such blocks came so far, `stray` the
    number of characters fed when a closing tag came without an opening one: everything
    before it was reasoning too. Digits of other scripts become ASCII, so that an id
    can't hide in them.
    """

    def __init__(self) -> None:
        """Start outside of any block."""
        self.stray = self.count = 0
        self._fed = 0
        self._tag = ""
        self._until = ""
        self._tail = ""

    def feed(self, piece: str) -> str:
        """Return what of the text so far may be shown and was not yet returned."""
        shown = []
        for ch in piece:
            self._fed += 1
            self.count += not self._until
            shown += [self._step(plain) for plain in _plain(ch)]
        return "".join(shown)

    def close(self) -> str:
        """Return the rest; a tag or a block that was never closed is dropped."""
        rest, self._tag = self._tag, ""
        return "" if re.fullmatch(r"</?[A-Za-z_|｜]*", rest) else rest

    def _step(self, ch: str) -> str:
        shown = ""
        if self._until:
            self._tail = (self._tail + ch.lower())[-_TAG_LIMIT:]
            if self._tail.endswith(self._until):
                self._until = self._tail = ""
        elif ch == "<":
            shown, self._tag = self._tag, ch
        elif not self._tag:
            shown = ch
        elif ch == ">":
            tag, self._tag = self._tag + ch, ""
            shown = self._tagged(tag)
        elif len(self._tag) >= _TAG_LIMIT or ch == "\n":
            shown, self._tag = self._tag + ch, ""
        else:
            self._tag += ch
        return shown

    def _tagged(self, tag: str) -> str:
        if opening := _OPENING.fullmatch(tag):
            self._until = f"</{opening[1].lower()}>"
        elif _CLOSING.fullmatch(tag):
            self.stray = self._fed
        elif tag == _CHANNEL:
            self._until, self._tail = _FINAL, _CHANNEL
        elif not _TEMPLATE.fullmatch(tag) and not _HTML.fullmatch(tag):
            return tag
        return ""


@lru_cache(maxsize=4096)
def _reads_as_ascii(ch: str) -> bool:
    """Return whether a character is another form of an ASCII letter, digit or dash: ②, ᵃ, ‑."""
    folded = unicodedata.normalize("NFKC", ch).translate(_DASHES)
    return not ch.isascii() and folded.isascii() and (folded.isalnum() or folded == "-")


def _plain(ch: str) -> str:
    if ch in "\n\t":
        return ch
    kind = unicodedata.category(ch)
    if kind in {"Cc", "Cf", "Co", "Cs"}:
        return ""
    if kind == "Nd":
        return str(unicodedata.decimal(ch))
    return {"．": ".", "․": ".", "＜": "<", "＞": ">", "／": "/", "：": "："}.get(ch, ch)


class Guard:
    """Lets only the evidence's ids, keys and links pass; the last step before the reader.

    A bare key or id becomes a marker. `sentinel_seen` tells whether the model
    wrote the sentinel; `dropped` counts the ids, keys and links taken out.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        said: str = "",
        nonces: Collection[str] = (),
        sentinel: str = "",
    ) -> None:
        """Allow the ids in `keys` (key to arXiv id) and the links that stand in `said`.

        `said` is the text that may be quoted, evidence and question; words with a
        string of `nonces` in them, the prompt's delimiters, are dropped.
        """
        self.dropped = 0
        self.sentinel_seen = False
        self._keys = {key.casefold(): arxiv_id for key, arxiv_id in keys.items()}
        self._ids = frozenset(keys.values())
        self._said = said
        self._nonces = tuple(n.casefold() for n in nonces if n)
        self._sentinel = sentinel.casefold()
        self._word = ""
        self._before = ""

    def feed(self, piece: str) -> str:
        """Return what of the text so far may be shown and was not yet returned."""
        shown = []
        for ch in piece:
            if ch in _IN_WORD or _reads_as_ascii(ch):
                self._word += ch
            else:
                shown += [self.close(), ch]
                self._before = ch
        return "".join(shown)

    def close(self) -> str:
        """Return the word that was being read, without what may not be shown."""
        word, self._word = self._word, ""
        return self._passed(word) if word else ""

    def _passed(self, word: str) -> str:
        low = word.casefold()
        if self._sentinel and self._sentinel in low:
            self.sentinel_seen = True
            return ""
        if any(nonce in low for nonce in self._nonces):
            return ""
        bare = html.unescape(unicodedata.normalize("NFKC", word)).translate(_DECORATION)
        bare = bare.translate(_DASHES)
        if bare != word and self._foreign(bare) and not self._foreign(word):
            word = bare
        shown = _SUSPECT.sub(self._replaced, word)
        while self._foreign(shown):
            shown = _ANY_OLD.sub(self._kept, _ANY_NEW.sub(self._kept, shown))
        return shown

    def _foreign(self, text: str) -> bool:
        found = [*_ANY_NEW.finditer(text), *_ANY_OLD.finditer(text)]
        return any(_bare_id(m[0]) not in self._ids for m in found)

    def _kept(self, match: re.Match[str]) -> str:
        return match[0] if _bare_id(match[0]) in self._ids else ""

    def _replaced(self, match: re.Match[str]) -> str:
        if match["url"]:
            return self._link(match["url"])
        if match["key"]:
            arxiv_id = self._keys.get(match["key"].casefold(), "")
            # In capitals it is a name, unless it is a key in capitals.
            name = match["key"] in self._said or not match["key"].islower()
            if not arxiv_id and name:
                return match[0]
        else:
            arxiv_id = _bare_id(match[0]) if _bare_id(match[0]) in self._ids else ""
        if not arxiv_id:
            self.dropped += 1
            return ""
        marked = match.start() == 0 and self._before == "["
        return arxiv_id if marked else f"[{arxiv_id}]"

    def _link(self, url: str) -> str:
        bare = url.rstrip(_URL_END)
        if bare in self._said and not self._foreign(bare):
            return url
        for found in (*_ANY_NEW.finditer(bare), *_ANY_OLD.finditer(bare)):
            if _bare_id(found[0]) in self._ids and "arxiv.org/" in bare.lower():
                return f"[{_bare_id(found[0])}]{url[len(bare) :]}"
        self.dropped += 1
        return url[len(bare) :]


def _bare_id(text: str) -> str:
    """Return an id without `arXiv:` and version."""
    return _VERSION.sub("", re.sub(r"^arxiv[:.]?", "", text, flags=re.IGNORECASE))
