"""What the check of support learns from: sentences of papers, reworded or turned around.

A sentence of an abstract, a title or a Chinese summary is supported by its paper;
with a word turned into its opposite, a negation put in or out, or another number
it is contradicted. Either side may be changed, and both together, so that no word
by itself tells the label.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.text import has_han, sentences
from rag.training.corpus import ParallelPaper

ENTAILED, NEITHER, CONTRADICTED = 0, 1, 2
Label = int
_Table = Mapping[str, Sequence[str]]

_UP = (
    "increase improve enhance promote induce activate stimulate raise elevate facilitate "
    "accelerate strengthen boost augment upregulate amplify expand enable"
).split()
_DOWN = (
    "decrease reduce impair inhibit suppress prevent lower attenuate diminish weaken block hinder "
    "downregulate degrade limit restrict slow disrupt"
).split()
_CONTRARY = """
higher greater larger more increased elevated stronger / lower smaller less reduced decreased weaker
high large strong / low small weak
better superior / worse inferior
faster quicker / slower
beneficial helpful advantageous / harmful detrimental
effective efficient / ineffective inefficient
robust stable / fragile unstable
positive positively / negative negatively
significant substantial considerable / negligible insignificant minor
longer / shorter
outperforms surpasses exceeds / underperforms
outperform surpass exceed / underperform
presence / absence
improvement gain increase / deterioration loss decrease
with / without
sufficient / insufficient
able capable / unable incapable
succeeds / fails
sensitive susceptible / insensitive resistant
necessary required essential important / unnecessary unimportant
simple / complex
most / few
always / never
early / late
accurate reliable / inaccurate unreliable
similar / different
common / rare
"""
_CONTRARY_HAN = """
提高 提升 增强 改善 增加 促进 / 降低 减少 削弱 恶化 抑制 阻碍
更高 更多 更大 更强 / 更低 更少 更小 更弱
更好 优于 超越 / 更差 不如 落后于
更快 / 更慢
有效 / 无效
显著 / 微弱
稳定 鲁棒 / 脆弱
能够 可以 能 / 不能 无法
需要 / 无需 不需要
高 / 低
优异 卓越 出色 / 糟糕
有助于 / 不利于
"""
_WORD = re.compile(r"[A-Za-z]+")
_AUXILIARY = re.compile(
    r"\b(?:is|are|was|were|can|could|does|do|did|has|have|had|may|will|would|should|must)\b"
)
_NOT = re.compile(
    r"\b(?:(?:do|does|did|can|could|is|are|was|were|has|have|had|will|would) not|cannot|not|no"
    r"|never)\b ?",
    re.IGNORECASE,
)
_NOT_HAN = re.compile(r"没有|无法|未能|并非|无需|不(?!仅|但|同|断|止|只|过|同)|未")
_VERB_HAN = re.compile(r"能够|可以|能|会|提高|提升|降低|减少|优于|需要|使用|实现|达到|证明|表明")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
_LEAD = re.compile(
    r"^(?:In this (?:paper|work)|Here|Moreover|Furthermore|Additionally|Specifically|However"
    r"|Finally|Notably|In particular|To this end)[ ,]+"
)
_REPORT = re.compile(
    r"^(?:[Ww]e|[Oo]ur (?:results|experiments)|(?:Extensive )?[Ee]xperiments?|[Rr]esults)"
    r"[^,.]{0,50}? (?:show|demonstrate|find|found|reveal|indicate|suggest|confirm)s? (?:that )?"
)
_CLAUSE = 40


@dataclass(frozen=True, slots=True)
class Example:
    """A claim, sentences of a text, and whether these entail or contradict it."""

    claim: str
    texts: tuple[str, ...]
    label: Label


def examples(papers: Sequence[ParallelPaper], draw: random.Random) -> Iterator[Example]:
    """Yield several examples of each paper, all drawn by `draw`."""
    for paper in papers:
        english = [s for s in sentences(paper.abstract, "en") if 30 < len(s) < 400]
        if len(english) < 4:
            continue
        turning = [s for s in english if any(m[0].lower() in OPPOSITE for m in _WORD.finditer(s))]
        if turning:
            yield from _of_own_sentence(draw.choice(turning), english, draw)
        translated = sentences(paper.chinese.get("translation", ""), "zh")
        told = [
            s
            for part in ("tldr", "result", "conclusion", "method")
            for s in sentences(paper.chinese.get(part, ""), "zh")
            if 10 < len(s) < 150
        ]
        others = draw.choice(papers)
        for pool in ([paper.title], told, translated):
            if pool:
                yield _of_the_paper(draw.choice(pool), english, others, draw)
        if translated and draw.random() < 0.4:
            yield _across(draw.choice(english), translated, draw)


def _of_own_sentence(
    sentence: str, english: Sequence[str], draw: random.Random
) -> Iterator[Example]:
    """Yield examples of a sentence held against itself among others of its abstract."""
    claim, others = reworded(sentence, draw), [s for s in english if s != sentence]
    if draw.random() < 0.22:
        yield Example(claim, tuple(draw.sample(others, 3)), NEITHER)
        return
    beside = draw.sample(others, 2)
    options: list[tuple[str, str, Label]] = [(claim, sentence, ENTAILED)]
    if contrary := turned(claim, draw):
        options.append((contrary, sentence, CONTRADICTED))
    if other := turned(sentence, draw):
        options.append((claim, other, CONTRADICTED))
        options.append((reworded(other, draw), other, ENTAILED))
    for said, text, label in draw.sample(options, min(2, len(options))):
        texts = [text, *beside]
        draw.shuffle(texts)
        yield Example(said, tuple(texts), label)


def _of_the_paper(
    sentence: str, english: Sequence[str], other: ParallelPaper, draw: random.Random
) -> Example:
    """Return an example of a title or a Chinese sentence and an abstract."""
    claim = reworded(sentence, draw)
    contrary = turned(claim, draw)
    if draw.random() < 0.22:
        claim = contrary if contrary and draw.random() < 0.3 else claim
        return Example(claim, tuple(sentences(other.abstract, "en")[:3]), NEITHER)
    if contrary and draw.random() < 0.55:
        return Example(contrary, tuple(english), CONTRADICTED)
    return Example(claim, tuple(english), ENTAILED)


def _across(sentence: str, chinese: Sequence[str], draw: random.Random) -> Example:
    """Return an example of an English sentence and the Chinese translation of its abstract."""
    contrary = turned(sentence, draw)
    if contrary and draw.random() < 0.5:
        return Example(reworded(contrary, draw), tuple(chinese), CONTRADICTED)
    return Example(reworded(sentence, draw), tuple(chinese), ENTAILED)


def turned(text: str, draw: random.Random) -> str | None:
    """Return `text` with one change that makes it say something else, None if there is none."""
    han = has_han(text)
    for _ in range(4):
        lot = draw.random()
        if lot < 0.5:
            found = _swapped(text, OPPOSITE_HAN if han else OPPOSITE, draw)
        elif lot < 0.92:
            found = _negated_han(text, draw) if han else _negated(text, draw)
        else:
            found = _renumbered(text, draw)
        if found and found != text:
            return found
    return None


def reworded(text: str, draw: random.Random) -> str:
    """Return `text` in other words of the same direction, or shortened."""
    if has_han(text):
        return _swapped(text, LIKE_HAN, draw) or text
    for _ in range(draw.choice((0, 1, 2))):
        text = _swapped(text, LIKE, draw) or text
    if draw.random() < 0.5:
        text = _LEAD.sub("", text)
    if draw.random() < 0.5:
        text = _REPORT.sub("", text)
    if draw.random() < 0.4:
        text = re.sub(r"\s*\([^)]*\)", "", text)
    if draw.random() < 0.3 and ", " in text and len(text) > 3 * _CLAUSE:
        parts = [p for p in (text.split(", ", 1)[1], text.rsplit(", ", 1)[0]) if len(p) > _CLAUSE]
        text = draw.choice(parts or [text])
    if draw.random() < 0.3:
        kept = {"not", "no", "never", "without", *OPPOSITE}
        text = " ".join(w for w in text.split() if w.lower() in kept or draw.random() > 0.08)
    return text


def _swapped(text: str, table: _Table, draw: random.Random) -> str | None:
    pattern = _TURNING_HAN if has_han(text) else _WORD
    found = [m for m in pattern.finditer(text) if table.get(m[0].lower())]
    if not found:
        return None
    match = draw.choice(found)
    word = draw.choice(table[match[0].lower()])
    word = word.capitalize() if match[0][0].isupper() else word
    return text[: match.start()] + word + text[match.end() :]


def _negated(text: str, draw: random.Random) -> str | None:
    if match := _NOT.search(text):
        return (text[: match.start()] + text[match.end() :]).strip()
    ways = [f"{text[: m.end()]} not{text[m.end() :]}" for m in _AUXILIARY.finditer(text)]
    for match in _WORD.finditer(text):
        verb, form = _VERBS.get(match[0].lower(), ("", ""))
        before, after = text[: match.start()], text[match.end() :]
        if form == "s":
            ways += [f"{before}does not {verb}{after}", f"{before}has no effect on{after}"]
        elif form == "":
            ways += [f"{before}not {verb}{after}"] if verb else []
        elif form == "ed" and draw.random() < 0.5:
            ways.append(f"{before}did not {verb}{after}")
    return draw.choice(ways) if ways else None


def _negated_han(text: str, draw: random.Random) -> str | None:
    if match := _NOT_HAN.search(text):
        return text[: match.start()] + text[match.end() :]
    found = list(_VERB_HAN.finditer(text))
    if not found:
        return None
    at = draw.choice(found).start()
    return text[:at] + draw.choice(("不", "没有", "未能", "并未")) + text[at:]


def _renumbered(text: str, draw: random.Random) -> str | None:
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    match = draw.choice(found)
    value = float(match[0]) * draw.choice((0.2, 0.5, 0.7, 1.3, 1.6, 2.5))
    decimals = len(match[0].partition(".")[2])
    written = f"{value:.{decimals}f}" if decimals else str(int(value) + 1)
    return text[: match.start()] + written + text[match.end() :]


def _forms(verb: str) -> dict[str, str]:
    ends_in_e = verb.endswith("e")
    third = verb + ("es" if verb.endswith(("s", "x", "ch", "sh")) else "s")
    past = verb + ("d" if ends_in_e else "ed")
    return {"": verb, "s": third, "ed": past, "ing": (verb[:-1] if ends_in_e else verb) + "ing"}


def _tables(groups: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return for each word those of the other side, and the others of its own."""
    opposite: dict[str, list[str]] = {}
    like: dict[str, list[str]] = {}
    for line in groups.strip().splitlines():
        one, other = (side.split() for side in line.split(" / "))
        for mine, theirs in ((one, other), (other, one)):
            for word in mine:
                opposite.setdefault(word, []).extend(theirs)
                like.setdefault(word, []).extend(w for w in mine if w != word)
    return opposite, like


OPPOSITE, LIKE = _tables(_CONTRARY)
OPPOSITE_HAN, LIKE_HAN = _tables(_CONTRARY_HAN)
_VERBS: dict[str, tuple[str, str]] = {}
for _mine, _theirs in ((_UP, _DOWN), (_DOWN, _UP)):
    for _verb in _mine:
        for _form, _word in _forms(_verb).items():
            _VERBS[_word] = (_verb, _form)
            OPPOSITE.setdefault(_word, []).extend(_forms(v)[_form] for v in _theirs)
            LIKE.setdefault(_word, []).extend(_forms(v)[_form] for v in _mine if v != _verb)
_TURNING_HAN = re.compile("|".join(sorted(OPPOSITE_HAN, key=len, reverse=True)))
