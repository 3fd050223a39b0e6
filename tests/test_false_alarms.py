"""Harmless text is neither changed on its way to a model nor doubted on its way back."""

import json
import re
from pathlib import Path

import pytest

from rag.cite import CitationStream, tidy
from rag.index import open_index
from rag.judge import judge
from rag.prompt import build_prompt, plain
from rag.settings import Settings
from rag.text import sentences
from rag.types import Language, Paper, Passage

BENIGN = Path(__file__).resolve().parents[2] / "shared/eval/injection/benign_notinject.jsonl"
ABOUT_INJECTION = re.compile(r"injection|jailbreak|adversarial|instruction", re.IGNORECASE)

Entry = tuple[Paper, tuple[Passage, ...]]


@pytest.fixture(scope="module")
def entries(seed_settings: Settings) -> list[Entry]:
    store = open_index(seed_settings).store
    return [(paper, store.passages_of(paper.arxiv_id)) for paper in store.papers()]


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.skipif(not BENIGN.is_file(), reason="../shared/eval/injection is not here")
def test_harmless_text_that_looks_like_an_attack_is_left_alone() -> None:
    lines = [json.loads(line) for line in BENIGN.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 113
    for line in lines:
        assert plain(line["text"]) == in_one_line(line["text"])


def test_the_papers_of_the_digests_are_left_alone(entries: list[Entry]) -> None:
    about = [p for p, _ in entries if ABOUT_INJECTION.search(p.title + p.abstract)]
    assert len(about) >= 3
    for _, passages in entries:
        for passage in passages:
            assert plain(passage.text) == in_one_line(passage.text), passage.id


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_verbatim_sentence_passes_and_is_not_doubted(
    entries: list[Entry], language: Language
) -> None:
    checked = 0
    for paper, passages in entries:
        prompt = build_prompt("What?", language, [(paper, passages)], context=16384)
        (key,) = prompt.keys
        for passage in prompt.passages:
            if passage.language != language:
                continue
            for sentence in sentences(passage.text, language)[:4]:
                stream = CitationStream(prompt.keys, said=prompt.said, nonces=prompt.nonces)
                read = tidy(stream.feed(f"{sentence} [{key}]") + stream.close())
                assert in_one_line(read) == tidy(f"{in_one_line(sentence)} [{paper.arxiv_id}]")
                _, found = judge(read, language, {paper.arxiv_id: passages})
                assert [c.verdict.label for c in found if c.verdict.label == "unsupported"] == [], (
                    passage.id,
                    sentence,
                    found,
                )
                checked += 1
    assert checked > 400
