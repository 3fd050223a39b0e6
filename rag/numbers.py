"""Numbers and names in a text, in forms that can be compared."""

from __future__ import annotations

import re
import unicodedata

_SCALE = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "t": 1e12,
    "trillion": 1e12, "百": 1e2, "千": 1e3, "万": 1e4, "亿": 1e8, "%": 1e-2, "percent": 1e-2,
}  # fmt: skip
# A number inside a name such as GPT-4 or Qwen2.5-7B belongs to the name.
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?P<sign>(?<![0-9])-)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<unit>\s?(?:%|percent\b|thousand\b|million\b|billion\b|trillion\b)|[百千万亿]|[kKMBT](?![A-Za-z]))?"
    r"(?!\.?\d)(?![A-WYZa-wyz_])"
)
_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "twice": 2, "double": 2, "doubles": 2,
    "half": 50, "halves": 50, "triple": 3, "hundred": 100, "thousand": 1000, "million": 1e6,
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
    "十": 10, "首": 1, "半": 50,
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+|[一二两三四五六七八九十首半]")
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[.+_-]+[A-Za-z0-9]+)*")
# "2. Then", "(2) then", and in Chinese without a space: "（2）然后".
_LIST_NUMBER = re.compile(
    r"(?:^|(?<=[\s(（；;，,。：:、]))\d{1,2}(?:[)）](?=\s|$|[^\W\d_])|\.(?=\s|$))"
)


def numbers_missing(sentence: str, text: str) -> tuple[str, ...]:
    """Return the numbers of `sentence`, as written, that `text` does not contain.

    `1,200` equals `1.2k` and `1200`, `30%` equals `0.3`, and a rounded number
    equals the longer one; numbers written as words count in `text` only.
    """
    known = {v for m in _found(text) for v in _values(m)}
    known |= {float(_WORDS[w]) for w in _WORD.findall(text.casefold()) if w in _WORDS}
    missing = [
        m[0].strip()
        for m in _found(_LIST_NUMBER.sub(" ", sentence))
        if not any(_equal(value, other, m["digits"]) for value in _values(m) for other in known)
    ]
    return tuple(dict.fromkeys(missing))


def names_missing(sentence: str, text: str) -> tuple[str, ...]:
    """Return the names of `sentence` that `text` does not contain, whatever their hyphens.

    A name has a capital or a digit after its first letter, or is capitalised
    inside the sentence.
    """
    known = _bare(text)
    folded = unicodedata.normalize("NFKC", sentence)
    names = [
        m[0]
        for m in _TOKEN.finditer(folded)
        if any(ch.isupper() or ch.isdigit() for ch in m[0][1:])
        or (m[0][0].isupper() and len(m[0]) > 2 and re.search(r"[a-z,] $", folded[: m.start()]))
    ]
    missing = [
        n for n in names if _bare(n) not in known and _bare(n.removesuffix("s")) not in known
    ]
    return tuple(dict.fromkeys(missing))


def _found(text: str) -> list[re.Match[str]]:
    plain = unicodedata.normalize("NFKC", text).replace("−", "-")
    return list(_NUMBER.finditer(plain))


def _values(match: re.Match[str]) -> tuple[float, ...]:
    value = float(match["digits"].replace(",", ""))
    if match["sign"]:
        value = -value
    scale = _SCALE.get((match["unit"] or "").strip().casefold(), 1.0)
    # "12.5 %" is also written "12.5 points", and "0.125".
    return (value, value * scale) if scale < 1 else (value * scale,)


def _equal(value: float, other: float, written: str) -> bool:
    decimals = len(written.partition(".")[2])
    close = abs(abs(value) - abs(other)) <= 1e-9 * max(1.0, abs(value))
    rounded = value != 0 and round(other, decimals) == value and abs(other) >= 1
    return close or (rounded and not float(other).is_integer())


def _bare(text: str) -> str:
    return re.sub(r"[^0-9a-z\u3400-\u9fff]", "", unicodedata.normalize("NFKC", text).casefold())
