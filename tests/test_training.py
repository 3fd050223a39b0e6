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
from rag.training.card import Figures, model_card
from rag.training.corpus import (
    Pair,
    ParallelPaper,
    from_digests,
    pairs,
    read_parallel,
)
from rag.training.holdout import HoldOut, recall_at_1, split
from rag.training.network import Cutter, Network, encode
from rag.training.recipe import Recipe
from rag.training.train import train_encoder
from rag.training.words import first_rows, learn_lexicon, learn_words
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
    held_out=0.5,
    held_out_among=2,
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


def test_lexicon_holds_what_bigrams_most_likely_stand_for() -> None:
    said = [("cats run", "猫咪跑步"), ("dogs run", "小狗跑步"), ("cats sleep", "猫咪睡觉")]
    lexicon = learn_lexicon([Pair(one, other) for one, other in said * 3])
    best = {word: max(told, key=told.__getitem__) for word, told in lexicon.items()}
    assert best["猫咪"] == "cat"
    assert best["跑步"] == "run"
    assert all(0.1 <= p <= 1 for told in lexicon.values() for p in told.values())
    assert all(len(told) <= 3 for told in lexicon.values())
    # Seen in three pairs alone: too rare to tell.
    assert "小狗" not in lexicon
    assert learn_lexicon([]) == {}


@pytest.mark.slow
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


def test_papers_are_held_out_by_their_id_alone() -> None:
    papers = [ParallelPaper(f"2501.{n:05}", "T", "A", {}, ("q",)) for n in range(400)]
    kept, hold_out = split(papers, 0.25, 50)
    assert 70 <= len(hold_out.papers) <= 130
    assert {p.arxiv_id for p in kept}.isdisjoint(p.arxiv_id for p in hold_out.papers)
    assert len(kept) + len(hold_out.papers) == 400
    assert len(hold_out.others) == 50
    assert {p.arxiv_id for p in hold_out.others} <= {p.arxiv_id for p in kept}
    fewer = split(papers[::-2], 0.25, 50)[1].papers
    assert list(fewer[::-1]) == [p for p in hold_out.papers if int(p.arxiv_id[-1]) % 2]


def test_only_papers_that_can_be_asked_for_are_held_out() -> None:
    papers = some_papers()
    kept, hold_out = split(papers, 1.0, 10)
    assert [p.questions != () for p in hold_out.papers] == [True] * 3
    assert [q for q, _ in hold_out.questions][:2] == list(papers[0].questions)
    unasked = [replace(p, questions=()) for p in papers[:2]]
    unasked.append(replace(unasked[0], chinese={"title": "只有标题"}))
    kept, hold_out = split(unasked, 1.0, 10)
    assert hold_out.questions == [("研究机器人的强化学习。", 0), ("研究蛋白质的强化学习。", 1)]
    assert kept == unasked[2:]
    assert split(papers, 0.0, 10)[1].questions == []


def test_recall_is_the_share_of_questions_nearest_to_their_paper() -> None:
    base = base_model()
    network = Network(base.weights, 1, 12)
    cutter = Cutter(base.tokenizer, [], 30522)
    said = ["robots that walk", "folding of proteins", "dark matter in galaxies"]
    papers = [ParallelPaper(str(n), t, t.title(), {}, (t,)) for n, t in enumerate(said)]
    right = HoldOut(tuple(papers[:2]), tuple(papers[2:]))
    assert recall_at_1(network, cutter, right, 32) == {"en": 1.0}
    # Whose question means another paper is not found, among the others either.
    wrong = HoldOut((replace(papers[0], questions=("stars", "a walking robot")),), (papers[2],))
    assert recall_at_1(network, cutter, wrong, 32) == {"en": 0.5}
    assert recall_at_1(network, cutter, HoldOut((), tuple(papers)), 32) == {}


def test_card_tells_what_was_measured_or_that_nothing_was() -> None:
    figures = Figures(4, 2, {"en": 0.5, "zh": 0.0}, {"en": 0.75, "zh": 0.5})
    card = model_card(some_papers(), TINY, figures)
    assert "4 questions about 2 papers held out" in card
    assert "en 50.0 before, 75.0 after; zh 0.0 before, 50.0 after" in card
    assert "nothing was measured" in model_card(some_papers(), TINY, Figures(0, 0, {}, {}))


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
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "Seed 0" in card
    held = split(some_papers(), TINY.held_out, TINY.held_out_among)[1]
    assert held.questions
    assert f"{len(held.questions)} questions about {len(held.papers)} papers held out" in card


@pytest.mark.slow
def test_the_same_call_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    train_encoder(some_papers(), tmp_path, TINY)
    for name in (
        "trained.safetensors",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
        "lexicon.json.gz",
    ):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()
    train_encoder(some_papers(), tmp_path / "other", replace(TINY, seed=1))
    one, other = (f / "trained.safetensors" for f in (tmp_path, tmp_path / "other"))
    assert one.read_bytes() != other.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rows", "tuning"])
def test_stopped_training_goes_on_to_the_same_end(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    class Stopped(Exception):
        pass

    def stop(current: str, done: int, total: int) -> None:
        if current == stage and done == 2:
            raise Stopped

    monkeypatch.setattr(f"rag.training.{stage}.EVERY", 1)
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
    seen: list[tuple[list[ParallelPaper], Path, Recipe]] = []

    def keep(
        papers: list[ParallelPaper], folder: Path, recipe: Recipe, progress: object
    ) -> Figures:
        seen.append((papers, folder, recipe))
        return Figures(2, 1, {"en": 0.5}, {"en": 1.0})

    monkeypatch.setattr("rag.training.train.train_encoder", keep)
    file = tmp_path / "p.jsonl"
    file.write_text('{"id": "1", "title": "T", "abstract": "A", "zh": {"tldr": "短"}}\n')
    folder = tmp_path / "model"
    result = CliRunner().invoke(
        app, ["train-encoder", str(folder), "--papers", str(file), "--seed", "7"]
    )
    assert result.exit_code == 0, result.output
    papers = [ParallelPaper("1", "T", "A", {"tldr": "短"})]
    assert seen == [(papers, folder, Recipe(seed=7))]
    assert "en 50.0 before, 100.0 after" in result.stderr
    assert "RAG_ENCODER=" in result.stderr
    CliRunner().invoke(app, ["train-encoder", str(folder), "--papers", str(file), "--trial"])
    assert seen[1] == (papers, folder, Recipe().trial())


def test_a_trial_differs_in_sizes_alone() -> None:
    trial, whole = Recipe(seed=3).trial(), Recipe(seed=3)
    assert trial.tune_steps < whole.tune_steps / 10
    assert trial.fingerprint != whole.fingerprint
    rates = ("seed", "held_out", "row_rate", "body_rate", "word_rate", "sharpness", "teacher")
    assert [getattr(trial, name) for name in rates] == [getattr(whole, name) for name in rates]
