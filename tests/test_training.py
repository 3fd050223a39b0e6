from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rag.base_model import verified_base_model
from rag.cli import app
from rag.default_model import base_model
from rag.errors import DigestError
from rag.onnx_encoder import OnnxEncoder, export_default
from rag.sentence_encoder import SentenceEncoder
from rag.training import tuning
from rag.training.corpus import (
    Pair,
    ParallelPaper,
    from_digests,
    pairs,
    read_parallel,
)
from rag.training.network import Cutter, Network, encode
from rag.training.recipe import Recipe
from rag.training.train import train_encoder
from rag.training.words import first_rows, learn_words
from rag.types import Paper, Rendition
from rag.vocabulary import extended_tokenizer

ABSTRACT = "We study reinforcement learning for robots. Agents learn to walk by reward."
CHINESE = "我们研究机器人的强化学习。智能体通过奖励学会行走。"

TINY = Recipe(
    words=60,
    sentence_pairs=40,
    row_steps=3,
    row_batch=8,
    tune_steps=3,
    asked_papers=2,
    other_papers=2,
    twins=4,
    bank=4,
    passage_length=32,
)


def some_papers() -> list[ParallelPaper]:
    topics = [
        "robots|机器人",
        "proteins|蛋白质",
        "galaxies|星系",
        "markets|市场",
        "poems|诗歌",
        "maps|地图",
    ]
    papers = []
    for number, topic in enumerate(topics):
        english, chinese = topic.split("|")
        papers.append(
            ParallelPaper(
                f"2501.0000{number}",
                f"Net{number}: learning about {english}",
                ABSTRACT.replace("robots", english),
                {
                    "title": f"网络{number}：学习{chinese}",
                    "tldr": f"研究{chinese}的强化学习。",
                    "translation": CHINESE.replace("机器人", chinese),
                },
                (f"how do I learn about {english}", f"怎么学习{chinese}") if number < 3 else (),
            )
        )
    return papers


def test_pairs_are_titles_and_sentences_where_counts_agree() -> None:
    paper = some_papers()[0]
    assert list(pairs([paper])) == [
        Pair(paper.title, "网络0：学习机器人"),
        Pair("We study reinforcement learning for robots.", "我们研究机器人的强化学习。"),
        Pair("Agents learn to walk by reward.", "智能体通过奖励学会行走。"),
    ]
    longer = replace(paper, chinese={"translation": CHINESE + "还有一句。"})
    assert list(pairs([longer])) == []


def test_training_files_are_read_plain_and_compressed(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    row = {"id": "2501.1", "title": "T", "abstract": "A", "zh": {"tldr": "短", "title": None}}
    text = json.dumps(row, ensure_ascii=False) + "\n"
    (tmp_path / "p.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "p.jsonl.zst").write_bytes(zstandard.compress(text.encode()))
    asked = tmp_path / "q.jsonl"
    asked.write_text('{"id": "2501.1", "query": "why"}\n{"id": "9", "query": "?"}\n')
    expected = [ParallelPaper("2501.1", "T", "A", {"tldr": "短"}, ("why",))]
    assert read_parallel(tmp_path / "p.jsonl", asked) == expected
    assert read_parallel(tmp_path / "p.jsonl.zst", asked) == expected


@pytest.mark.parametrize("content", ["{not json\n", '"\\ud800'])
def test_unreadable_training_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.jsonl").write_text(content)
    with pytest.raises(DigestError, match="can't be read"):
        read_parallel(tmp_path / "p.jsonl")
    with pytest.raises(DigestError, match="can't be read"):
        read_parallel(tmp_path / "absent.jsonl")


def test_papers_of_the_users_own_digests_serve() -> None:
    rendition = Rendition("tldr", "zh", "短", "d.md")
    paper = Paper("2501.1", "T", "A", renditions=(rendition,))
    assert from_digests([paper, Paper("2501.2", "T", "")]) == [
        ParallelPaper("2501.1", "T", "A", {"tldr": "短"})
    ]


def test_words_are_those_of_the_texts() -> None:
    words = learn_words([CHINESE] * 3 + ["强化学习很有用，强化学习。"] * 3, 40)
    assert "强化学习" in words
    assert len(words) == len(set(words))


def test_first_rows_lie_near_the_english_they_go_with() -> None:
    base = base_model()
    table = base.weights["embeddings.word_embeddings.weight"]
    words = ["猫", "狗", "跑", "鱼"]
    tokenizer = extended_tokenizer(base.tokenizer, words)
    said = [Pair("cat run", "猫跑"), Pair("dog run", "狗跑"), Pair("cat", "猫"), Pair("dog", "狗")]
    rows = first_rows(said, words, tokenizer, table)
    vocabulary = json.loads(base.tokenizer)["model"]["vocab"]
    english = table[[vocabulary[word] for word in ("cat", "dog", "run")]]
    assert np.argmax(rows[:3] @ english.T, axis=1).tolist() == [0, 1, 2]
    assert np.allclose(rows[3], table.mean(axis=0), atol=1e-6)


def test_network_is_the_sentence_transformer() -> None:
    base = base_model()
    texts = [ABSTRACT, "A testbed for agents"]
    network = Network(base.weights, 1, 12)
    vectors = encode(network, Cutter(base.tokenizer, [], 30522)(texts, 256))
    expected = SentenceEncoder.load(str(verified_base_model())).encode_passages(texts)
    assert np.allclose(vectors, expected, atol=1e-4)


def test_right_passages_are_no_negatives() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1]]
    import torch

    batch = tuning._Batch([], torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 1, 2, 0, 2]))
    assert float(tuning._contrast(torch.from_numpy(vectors), batch, 25.0)) < 1e-6


def test_groups_hold_neighbours_and_every_paper_once_a_pass() -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(24, 8)).astype(np.float32)
    bank[12:] = bank[:12] + 0.01
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    groups = tuning._grouped(list(range(24)), bank, 4, 2, np.random.default_rng(1))
    first_pass = [next(groups) for _ in range(6)]
    assert sorted(i for group in first_pass for i in group) == list(range(24))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_encoder(some_papers(), folder, TINY)
    return folder


@pytest.mark.slow
def test_trained_folder_loads_unchanged_and_serves_alike(trained: Path, tmp_path: Path) -> None:
    texts = [ABSTRACT, CHINESE, "机器人 robots 强化学习"]
    expected = SentenceEncoder.load(str(trained)).encode_passages(texts)
    export_default(tmp_path / "export", trained / "trained.safetensors")
    served = OnnxEncoder(tmp_path / "export", "x").encode_passages(texts)
    assert ((served * expected).sum(axis=1) > 0.99).all()
    assert "Seed 0" in (trained / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_stopped_training_goes_on_to_the_same_end(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "tuning" and done == 2:
            raise Stopped

    monkeypatch.setattr("rag.training.tuning.EVERY", 1)
    with pytest.raises(Stopped):
        train_encoder(some_papers(), tmp_path, TINY, stop)
    train_encoder(some_papers(), tmp_path, TINY)
    one, other = (f / "trained.safetensors" for f in (trained, tmp_path))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_training_moves_chinese_to_its_english(trained: Path) -> None:
    before = SentenceEncoder.load(str(verified_base_model()))
    after = SentenceEncoder.load(str(trained))
    texts = [CHINESE, ABSTRACT]
    old, new = before.encode_passages(texts), after.encode_passages(texts)
    assert new[0] @ new[1] > old[0] @ old[1] + 0.2


def test_papers_without_chinese_are_refused(tmp_path: Path) -> None:
    paper = ParallelPaper("1", "T", "A", {})
    with pytest.raises(DigestError, match="both languages"):
        train_encoder([paper], tmp_path)


def test_command_trains_on_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[ParallelPaper], Path, int]] = []

    def keep(papers: list[ParallelPaper], folder: Path, recipe: Recipe, progress: object) -> None:
        seen.append((papers, folder, recipe.seed))

    monkeypatch.setattr("rag.training.train.train_encoder", keep)
    file = tmp_path / "p.jsonl"
    file.write_text('{"id": "1", "title": "T", "abstract": "A", "zh": {"tldr": "短"}}\n')
    folder = tmp_path / "model"
    result = CliRunner().invoke(
        app, ["train-encoder", str(folder), "--papers", str(file), "--seed", "7"]
    )
    assert result.exit_code == 0, result.output
    assert seen == [([ParallelPaper("1", "T", "A", {"tldr": "短"})], folder, 7)]
    assert "RAG_ENCODER=" in result.stderr
