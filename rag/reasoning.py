"""Reasoning before an answer whose beginning the model does not mark.

Chat templates of reasoning models often end in `<think>`, so that a server
without a parser for it sends the thoughts as if they were the answer, up to a
lone `</think>`. Until that comes, what looks like thoughts is held back.
"""

from __future__ import annotations

import re

_BLOCK = "think|thinking|thought|reasoning|analysis|scratchpad|reflection"
_CLOSING = re.compile(rf"</(?:{_BLOCK})\s*>", re.IGNORECASE)
# Parts of the names of models that always reason.
_ALWAYS = re.compile(
    r"(?<![a-z0-9])(?:r1|qwq|qvq|thinking|thinker|reasoner|reasoning|magistral)(?![a-z0-9])",
    re.IGNORECASE,
)
# How thoughts begin, and answers hardly ever do.
_OPENINGS = (
    "okay", "ok, ", "ok so", "alright", "hmm", "wait", "let me", "let's", "let us", "so the user",
    "so, the user", "so i ", "so we ", "the user is", "the user wants", "the user asks",
    "the user asked", "the user's question", "the question asks", "the question is asking",
    "first, i", "first, let", "first i ", "i need to", "i should", "i have to", "i'm asked",
    "i am asked", "we need to", "we have to", "we are asked", "we're asked", "now, i", "now i ",
    "thinking", "looking at the", "to answer this", "好的，", "好，", "嗯", "首先，我",
    "首先，用户", "首先，让", "用户", "让我", "我需要", "我们需要", "我得", "我应该", "现在我",
    "现在，我", "问题是问",
)  # fmt: skip
_LONGEST = max(map(len, _OPENINGS))

_unmarked: set[str] = set()


class Thoughts:
    """Holds a reply back while it may be the thoughts before the answer."""

    def __init__(self, model: str) -> None:
        """Know the model's name: some always reason, others did so before."""
        self._model = model
        self._suspect = bool(_ALWAYS.search(model)) or model in _unmarked
        self._held: str | None = ""

    def told_apart(self) -> None:
        """Let everything pass: the server sends this reply's thoughts separately."""
        self._suspect = False

    def passed(self, piece: str) -> str:
        """Return what of the reply so far is not, or no longer, taken for thoughts."""
        if self._held is None:
            return piece
        # A closing tag may be split between two pieces.
        start = max(0, len(self._held) - 20)
        self._held += piece
        if closing := _CLOSING.search(self._held, start):
            _unmarked.add(self._model)
            return self._released(self._held[closing.end() :])
        return "" if self._is_thinking() else self._released(self._held)

    def close(self) -> str:
        """Return what was held back to the end: no thoughts after all."""
        return self._released(self._held) if self._held else ""

    def _is_thinking(self) -> bool:
        begun = (self._held or "")[: 2 * _LONGEST].lstrip()
        if begun.startswith("<"):
            # A tag of its own says where the thoughts begin.
            return False
        if self._suspect or not begun:
            return True
        low = begun[:_LONGEST].lower().replace("’", "'")
        return low.startswith(_OPENINGS) or any(o.startswith(low) for o in _OPENINGS)

    def _released(self, text: str) -> str:
        self._held = None
        return text
