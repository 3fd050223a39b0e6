"""Check an answer sentence by sentence against the passages it cites, and say so in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rag.cite import MARKER, markers, without_markers
from rag.entail import Entailment
from rag.lexical import tokens
from rag.support import Encode, Verdict, weigh
from rag.text import sentences
from rag.types import Language, Passage

_BULLET = re.compile(r"^\s*(?:[-*•>]+|\d{1,2}[.)、]|#+)\s+")
_HEADING = re.compile(r"\s*(?:#+\s.*|\*\*[^*]{1,60}\*\*)\s*")
_END = re.compile(r"[.!?。！？…]*[\"”’'*_)）]*\s*$")
_LATE_MARKER = re.compile(rf"([.!?。！？])((?:\s*{MARKER})+)")
_REFERENCES = re.compile(
    r"\n+\s*[#*\s]*(?:references?|sources?|citations?|bibliography|参考文献|参考资料|引用|来源)"
    r"[*\s]*[:：]?[*\s]*\n.*\Z",
    re.IGNORECASE | re.DOTALL,
)
# A sentence about the evidence itself claims nothing about a paper.
_ABOUT_EVIDENCE = re.compile(
    r"(?=[^.]*\b(?:evidence|digests?|passages?|sources?|excerpts?|provided|given|abstracts?|papers?|"
    r"information)\b)(?=[^.]*(?:\b(?:not|no|none|nothing|cannot|neither|lacks?)\b|n't\b))"
    r"[^.]*\b(?:mention|stat|sa[yi]|contain|provid|specif|includ|describ|discuss|report|hold|answer|"
    r"address|giv|detail|disclos|indicat|available|information|evidence)",
    re.IGNORECASE,
)
_ABOUT_EVIDENCE_HAN = re.compile(
    r"(?:资料|证据|摘要|原文|论文|文中|来源|信息)[^。]{0,12}(?:没有|未|不能|无法|并无|缺少|不包含)"
    r"|(?:没有|未|无法)[^。]{0,8}(?:提及|提到|说明|给出|找到|回答)"
)
_MIN_TOKENS = 2
# How many papers an uncited sentence is compared with by meaning.
_LIKELY = 3


@dataclass(frozen=True, slots=True)
class Checked:
    """One claiming sentence of an answer: whom it cites and how far they say so.

    `added` tells that the citation is ours: the model had given none. `shown` is
    the sentence as it stands in the answer, with what we put into it.
    """

    sentence: str
    arxiv_ids: tuple[str, ...]
    verdict: Verdict
    added: bool = False
    shown: str = ""


def judge(  # noqa: PLR0913 (each is the caller's to say)
    text: str,
    language: Language,
    passages: Mapping[str, Sequence[Passage]],
    *,
    question: str = "",
    encode: Encode | None = None,
    entailment: Entailment | None = None,
) -> tuple[str, tuple[Checked, ...]]:
    """Return the answer with its doubts marked, and the verdict on each claim.

    `passages` are the evidence by arXiv id. A sentence that its sources do not
    support is marked in the text; an uncited one gets the citation of the paper
    that supports it.
    """
    tidied = _LATE_MARKER.sub(_before_end, _REFERENCES.sub("", text))
    bench = _Bench(passages, question, encode and _memoised(encode), entailment)
    bench.least = 1 if len(sentences(tidied, language)) == 1 else _MIN_TOKENS
    found: list[Checked] = []
    lines = []
    for line in tidied.split("\n"):
        rest, out = line, ""
        for sentence in sentences(line, language):
            head, _, rest = rest.partition(sentence)
            checked = bench.checked(sentence)
            if checked:
                checked = replace(checked, shown=_marked(sentence, checked, language))
                found.append(checked)
            out += head + (checked.shown if checked else sentence)
        lines.append(out + rest)
    return "\n".join(lines).strip(), tuple(found)


def is_about_evidence(text: str) -> bool:
    """Return whether a text without citations only says that the evidence lacks something."""
    return bool(_ABOUT_EVIDENCE.search(text) or _ABOUT_EVIDENCE_HAN.search(text))


@dataclass(slots=True)
class _Bench:
    """The evidence that the sentences of one answer are held against."""

    passages: Mapping[str, Sequence[Passage]]
    question: str
    encode: Encode | None
    entailment: Entailment | None = None
    least: int = _MIN_TOKENS

    def checked(self, sentence: str) -> Checked | None:
        claim = _BULLET.sub("", without_markers(sentence)).strip(" *_#")
        cited = tuple(i for i in markers(sentence) if i in self.passages)
        leads = claim.endswith((":", "：", "?", "？")) or _HEADING.fullmatch(sentence)
        if not cited and (leads or is_about_evidence(claim)):
            return None
        if len(tokens(claim)) < self.least:
            return None
        if cited:
            pool = [p for i in cited for p in self.passages[i]]
            return Checked(sentence, cited, self._verdict(claim, pool, self.encode))
        return self._attributed(sentence, claim)

    def _attributed(self, sentence: str, claim: str) -> Checked:
        """Find the paper that says what an uncited sentence claims."""
        by_words = {i: self._verdict(claim, pool, None) for i, pool in self.passages.items()}
        likely = sorted(by_words, key=lambda i: -by_words[i].score)[:_LIKELY]
        verdicts = {i: self._verdict(claim, self.passages[i], self.encode) for i in likely}
        best = max(verdicts, key=lambda i: verdicts[i].score, default=None)
        if best is None:
            return Checked(sentence, (), Verdict("unsupported", 0.0))
        if verdicts[best].label == "supported":
            return Checked(sentence, (best,), verdicts[best], added=True)
        return Checked(sentence, (), verdicts[best])

    def _verdict(self, claim: str, pool: Sequence[Passage], encode: Encode | None) -> Verdict:
        entailment = self.entailment if encode else None
        return weigh(claim, pool, said=self.question, encode=encode, entailment=entailment)


def _memoised(encode: Encode) -> Encode:
    """Return `encode` that encodes no text twice: sentences share their sources."""
    known: dict[str, NDArray[np.float32]] = {}

    def encoded(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, encode(new), strict=True))
        return np.stack([known[text] for text in texts])

    return encoded


def _marked(sentence: str, checked: Checked, language: Language) -> str:
    end = _END.search(sentence)
    at = end.start() if end else len(sentence)
    body, tail = sentence[:at].rstrip(), sentence[at:]
    if checked.added:
        gap = "" if language == "zh" else " "
        body += gap + " ".join(f"[{i}]" for i in checked.arxiv_ids)
    if checked.verdict.label == "unsupported":
        body += _doubt(checked, language)
    return body + tail


def _doubt(checked: Checked, language: Language) -> str:
    missing = "、".join(checked.verdict.missing_numbers)
    if language == "zh":
        return f"（来源中没有 {missing}）" if missing else "（来源未证实）"
    missing = missing.replace("、", ", ")
    return f" (not in the source: {missing})" if missing else " (not confirmed by the source)"


def _before_end(match: re.Match[str]) -> str:
    gap = " " if match[1] in ".!?" else ""
    return gap + match[2].strip() + match[1]
