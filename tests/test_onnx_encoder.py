from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rag import onnx_encoder
from rag.base_model import verified_base_model
from rag.default_model import (
    BertModel,
    apply_trained,
    default_model,
    save_trained,
)
from rag.embed import Vectors
from rag.errors import EncoderError
from rag.onnx_encoder import OnnxEncoder, open_default
from rag.onnx_graph import quantised_rows, sentence_graph
from rag.sentence_encoder import SentenceEncoder

ABSENT = Path("absent")
SEEDS = Path(__file__).parent.parent / "seeds"


@pytest.fixture(scope="module")
def abstracts() -> list[str]:
    """Forty English abstracts of the seeds."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(SEEDS.glob("*.txt")))
    found = re.findall(r"Abstract: (.*?)(?=\n\n|\n###|\n</details>)", text, re.DOTALL)
    return [" ".join(abstract.split()) for abstract in found[:120:3]]


@pytest.fixture(scope="module")
def base() -> BertModel:
    return default_model(ABSENT)


@pytest.fixture(scope="module")
def torch_vectors(abstracts: list[str]) -> Vectors:
    return SentenceEncoder.load(str(verified_base_model())).encode_passages(abstracts)


def session_vectors(graph: bytes, tokenizer: str, texts: list[str]) -> Vectors:
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    cut = Tokenizer.from_str(tokenizer)
    cut.enable_truncation(256)
    ids = [np.array([cut.encode(text).ids], np.int64) for text in texts]
    return np.concatenate([session.run(None, {"input_ids": one})[0] for one in ids])


def cosines(one: Vectors, other: Vectors) -> Vectors:
    return np.asarray((one * other).sum(axis=1))


@pytest.mark.slow
def test_float_graph_is_the_torch_model(
    base: BertModel, abstracts: list[str], torch_vectors: Vectors
) -> None:
    graph = sentence_graph(base.weights, 12, "float32")
    vectors = session_vectors(graph, base.tokenizer, abstracts)
    assert np.allclose(vectors, torch_vectors, atol=1e-4)


@pytest.mark.slow
def test_encoder_is_the_torch_model_within_rounding(
    tmp_path: Path, abstracts: list[str], torch_vectors: Vectors
) -> None:
    onnx_encoder.export_default(tmp_path / "base", ABSENT)
    encoder = OnnxEncoder(tmp_path / "base", "base")
    assert cosines(encoder.encode_passages(abstracts), torch_vectors).min() >= 0.99


@pytest.mark.slow
def test_served_graph_stays_within_a_cosine_of_099(
    base: BertModel, abstracts: list[str], torch_vectors: Vectors
) -> None:
    assert len(abstracts) == 40
    graph = sentence_graph(base.weights, 12, "int8")
    vectors = session_vectors(graph, base.tokenizer, abstracts)
    assert cosines(vectors, torch_vectors).min() >= 0.99


@pytest.mark.slow
def test_neighbours_do_not_change_a_vector(tmp_path: Path, abstracts: list[str]) -> None:
    encoder = open_default(tmp_path)
    together = encoder.encode_passages(abstracts)
    alone = np.concatenate([encoder.encode_passages([text]) for text in abstracts])
    assert np.array_equal(together, alone)
    assert np.array_equal(encoder.encode_queries(abstracts), alone)


@pytest.mark.slow
def test_a_question_does_not_stand_in_line_behind_passages(tmp_path: Path) -> None:
    encoder, let = open_default(tmp_path), threading.Event()
    # More than there are threads: whatever comes behind them waits.
    waiting = [encoder._pool.submit(let.wait, 60) for _ in range(64)]
    try:
        row = encoder.encode_queries(["a cat"])
    finally:
        let.set()
    assert not any(done.result() is False for done in waiting)
    assert np.array_equal(row, encoder.encode_passages(["a cat"]))


@pytest.mark.slow
def test_export_is_written_once_and_reopened(tmp_path: Path) -> None:
    first = open_default(tmp_path)
    graph = next(tmp_path.glob("encoders/*/model.onnx"))
    written = graph.stat().st_mtime_ns
    second = open_default(tmp_path)
    assert graph.stat().st_mtime_ns == written
    assert second.fingerprint == first.fingerprint
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [graph.parent.name]


@pytest.mark.slow
def test_a_new_export_takes_the_place_of_other_versions(tmp_path: Path) -> None:
    folders = [tmp_path / "encoders" / name for name in ("older", ".export-old", ".export-new")]
    for folder in folders:
        folder.mkdir(parents=True)
    os.utime(folders[1], (0, 0))
    open_default(tmp_path)
    assert [folder.exists() for folder in folders] == [False, False, True]


@pytest.mark.slow
def test_damaged_export_is_written_anew(tmp_path: Path) -> None:
    open_default(tmp_path)
    graph = next(tmp_path.glob("encoders/*/model.onnx"))
    graph.write_bytes(graph.read_bytes()[:1000])
    assert open_default(tmp_path).encode_queries(["a"]).shape == (1, 384)
    assert graph.stat().st_size > 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "sums.json"])
def test_one_wrong_bit_of_an_export_is_noticed(tmp_path: Path, name: str) -> None:
    right = open_default(tmp_path).encode_queries(["a cat"])
    path = next(tmp_path.glob(f"encoders/*/{name}"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert np.array_equal(open_default(tmp_path).encode_queries(["a cat"]), right)
    data[len(data) // 2] ^= 1
    assert path.read_bytes() == data


@pytest.mark.slow
def test_folder_that_cannot_be_written_still_serves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    encoder = open_default(tmp_path / "file")
    assert encoder.encode_queries(["a"]).shape == (1, 384)


@pytest.mark.slow
def test_failed_export_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise EncoderError("stop")

    monkeypatch.setattr(onnx_encoder, "sentence_graph", fail)
    with pytest.raises(EncoderError):
        open_default(tmp_path)
    assert list((tmp_path / "encoders").iterdir()) == []


@pytest.mark.slow
def test_answering_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rag.onnx_encoder import open_default; "
        f"open_default(Path({str(tmp_path)!r})).encode_queries(['a']); "
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.slow
def test_truncated_rows_have_length_one(tmp_path: Path) -> None:
    short = open_default(tmp_path, truncate_dim=64)
    whole = open_default(tmp_path)
    assert isinstance(short, OnnxEncoder)
    rows = short.encode_queries(["a testbed for agents"])
    assert rows.shape == (1, 64)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert short.fingerprint != whole.fingerprint
    assert len(list((tmp_path / "encoders").iterdir())) == 1


def test_quantised_rows_come_back_within_half_a_step() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 33)).astype(np.float32)
    rows[7] = 0
    values, scales = quantised_rows(rows)
    assert values.dtype == np.int8
    assert np.all(np.abs(values * scales[:, None] - rows) <= scales[:, None] / 2 + 1e-6)


@pytest.mark.slow
def test_trained_weights_change_what_they_name(base: BertModel, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["强化学习", "论文"]
    rows = rng.normal(size=(2, 384)).astype(np.float32)
    name = "encoder.layer.0.output.dense.weight"
    change = 0.01 * rng.normal(size=base.weights[name].shape).astype(np.float32)
    save_trained(tmp_path / "t.safetensors", words, rows, {name: change})
    model = apply_trained(base, tmp_path / "t.safetensors")
    assert np.allclose(model.weights[name], base.weights[name] + change, atol=3e-4)
    key = "embeddings.word_embeddings.weight"
    assert model.weights[key].shape == (30522 + 4, 384)
    assert np.array_equal(model.weights[key][:30522], base.weights[key])
    assert np.allclose(model.weights[key][[30522, 30523]], rows[0], atol=0.02)
    assert np.allclose(model.weights[key][[30524, 30525]], rows[1], atol=0.02)


def test_damaged_trained_weights_are_named(base: BertModel, tmp_path: Path) -> None:
    damaged = tmp_path / "trained.safetensors"
    damaged.write_bytes(b"nothing")
    with pytest.raises(EncoderError, match="missing or damaged"):
        apply_trained(base, damaged)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index folder with the default encoder in it."""
    folder = tmp_path_factory.mktemp("exported")
    open_default(folder)
    return folder


@pytest.mark.slow
def test_sentences_come_out_of_the_same_pass(exported: Path) -> None:
    encoder = open_default(exported)
    long = "A title\n" + "One sentence of six words here. " * 80
    texts = [
        "Agents that plan\nWe train agents. They plan with tools. It works.",
        "Agents that plan\n我们训练智能体。它们用工具规划。",
        "Only a title\n",
        "Word\nOK",
        "",
        long,
        "词 " * 600 + "\nBehind the cut.",
    ]
    rows, told = encoder.encode_sentences(texts)
    assert np.array_equal(rows, encoder.encode_passages(texts))
    assert [len(sentences) for sentences in told[:5]] == [3, 2, 1, 1, 1]
    assert 20 < len(told[5]) < 80
    # Nothing of its text is left: the passage stands for itself.
    for n in (4, 6):
        assert np.allclose(told[n], rows[n], atol=1e-6)
    assert all(np.allclose(np.linalg.norm(s, axis=1), 1, atol=1e-5) for s in told)
    again = [encoder.encode_sentences([text]) for text in texts]
    assert all(np.array_equal(one[1][0], s) for one, s in zip(again, told, strict=True))
    assert encoder.encode_sentences([])[0].shape == (0, 384)


def test_a_sentence_is_nearest_to_what_asks_for_it(exported: Path) -> None:
    encoder = open_default(exported, truncate_dim=128)
    text = (
        "A household robot\nIt folds laundry with two arms. "
        "A camera finds dirty dishes in the sink. Batteries last for nine hours."
    )
    _, (told,) = encoder.encode_sentences([text])
    asked = ["folding clothes", "seeing plates that need washing", "how long it runs on a charge"]
    assert told.shape == (3, 128)
    assert np.argmax(encoder.encode_queries(asked) @ told.T, axis=1).tolist() == [0, 1, 2]
