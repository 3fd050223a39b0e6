"""What well-known embedding models want in front of a query or a passage."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TASK = "Given a question, retrieve passages that answer it"


@dataclass(frozen=True, slots=True)
class Prompts:
    """Text put in front of every query and of every passage; mostly empty."""

    query: str = ""
    passage: str = ""


# The first pattern found in the model's name (lower case) decides; the texts
# are those of the models' own cards.
_KINDS: tuple[tuple[str, Prompts], ...] = (
    (r"e5-.*instruct|e5-mistral", Prompts(query=f"Instruct: {_TASK}\nQuery: ")),
    (r"(?:^|[-_/])e5(?:[-_]|$)", Prompts(query="query: ", passage="passage: ")),
    (r"bge-m3|bge-multilingual|bge-reranker", Prompts()),
    (
        r"bge-.*en(?:[-_]|$)",
        Prompts(query="Represent this sentence for searching relevant passages: "),
    ),
    (r"bge-.*zh(?:[-_]|$)", Prompts(query="为这个句子生成表示以用于检索相关文章：")),
    (r"qwen3-embedding", Prompts(query=f"Instruct: {_TASK}\nQuery:")),
    (r"gte-qwen2|gte-.*instruct", Prompts(query=f"Instruct: {_TASK}\nQuery: ")),
)


def prompts_for(name: str) -> Prompts:
    """Return the prompts that the model `name` (or the path's last part) is known to need.

    A model of no known kind gets none, and so do GTE's plain models, which were
    trained without.
    """
    tail = name.replace("\\", "/").rstrip("/").lower()
    tail = "/".join(tail.split("/")[-2:])
    for pattern, prompts in _KINDS:
        if re.search(pattern, tail):
            return prompts
    return Prompts()
