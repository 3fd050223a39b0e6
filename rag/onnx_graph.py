"""BERT sentence encoder as an ONNX graph, put together from its weights without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Array = NDArray[Any]
Weights = Mapping[str, Array]
Precision = Literal["int8", "float32"]

# onnxruntime's own fused operators.
_FUSED = "com.microsoft"
_BLOCK = 64


class _Graph:
    """Nodes and constants as they are added; every method returns its output's name."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(self, x: str, name: str, weight: Array, bias: Array, *, wide: bool = False) -> str:
        """Add `x @ weight.T + bias`; `wide` says that `x` holds outliers.

        Quantising a whole tensor of activations by one scale is fastest; where
        single activations are far larger than the rest, a scale for each block
        of 64 keeps what that would round away.
        """
        offset = self.constant(f"{name}.bias", bias)
        if self.precision == "float32":
            product = self.add("MatMul", [x, self.constant(name, weight.T)], f"{name}.product")
            return self.add("Add", [product, offset], f"{name}.out")
        if wide:
            return self._blockwise(x, name, weight, offset)
        values, scales = quantised_rows(weight)
        inputs = [
            x,
            self.constant(name, values.T),
            self.constant(f"{name}.scale", scales),
            self.constant(f"{name}.zero", np.zeros(len(values), np.int8)),
            offset,
        ]
        return self.add("DynamicQuantizeMatMul", inputs, f"{name}.out", domain=_FUSED)

    def _blockwise(self, x: str, name: str, weight: Array, offset: str) -> str:
        rows, columns = weight.shape
        values, scales = quantised_rows(weight.reshape(-1, _BLOCK))
        unsigned = (values.astype(np.int16) + 128).astype(np.uint8)
        blocks = (rows, columns // _BLOCK, _BLOCK)
        inputs = [
            x,
            self.constant(name, unsigned.reshape(blocks)),
            self.constant(f"{name}.scale", scales.reshape(blocks[:2])),
            "",
            "",
            offset,
        ]
        return self.add(
            "MatMulNBits",
            inputs,
            f"{name}.out",
            domain=_FUSED,
            K=columns,
            N=rows,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=4,
        )


def quantised_rows(rows: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return `rows` as int8 in [-127, 127] and the scale of each: row = int8 * scale."""
    scales = np.abs(rows).max(axis=1) / 127
    safe = np.where(scales == 0, 1, scales)
    return np.rint(rows / safe[:, None]).astype(np.int8), scales.astype(np.float32)


def sentence_graph(weights: Weights, heads: int, precision: Precision) -> bytes:
    """Return a serialised ONNX model: one text's token ids to its unit vector.

    `weights` are a Hugging Face BERT's, by its names, as float32. The input
    `input_ids` is int64 (1, length), the output `vector` float32 (1, hidden
    size), the mean over the tokens divided by its length; the output `states`,
    (1, length, hidden size), costs nothing where it is not asked for. One text at a time:
    then nothing is padded, and no text's rounding depends on its neighbours.
    """
    from onnx import TensorProto, helper

    graph = _Graph(precision)
    hidden = _embeddings(graph, weights)
    for layer in range(_layers(weights)):
        hidden = _layer(graph, weights, layer, hidden, heads)
    mean = graph.add(
        "ReduceMean", [hidden, graph.constant("one", np.ones(1, np.int64))], "mean", keepdims=0
    )
    graph.add("LpNormalization", [mean], "vector", axis=-1, p=2)
    states = graph.add("Identity", [hidden], "states")
    size = weights["embeddings.word_embeddings.weight"].shape[1]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "length"])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, size])
    tokens = helper.make_tensor_value_info(states, TensorProto.FLOAT, [1, "length", size])
    body = helper.make_graph(graph.nodes, "sentence", [ids], [vector, tokens], graph.constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_FUSED, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=10)
    return bytes(model.SerializeToString())


def _layers(weights: Weights) -> int:
    prefix = "encoder.layer."
    return 1 + max(int(key.split(".")[2]) for key in weights if key.startswith(prefix))


def _embeddings(graph: _Graph, weights: Weights) -> str:
    from onnx import TensorProto

    words = weights["embeddings.word_embeddings.weight"]
    if graph.precision == "int8":
        values, scales = quantised_rows(words)
        small = graph.add("Gather", [graph.constant("words", values), "input_ids"], "words.small")
        plain = graph.add("Cast", [small], "words.plain", to=TensorProto.FLOAT)
        table = graph.constant("words.scale", scales[:, None])
        scale = graph.add("Gather", [table, "input_ids"], "words.scales")
        embedded = graph.add("Mul", [plain, scale], "words.out")
    else:
        embedded = graph.add("Gather", [graph.constant("words", words), "input_ids"], "words.out")
    # Every token is of the first of BERT's two segments.
    places = (
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    length = graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.constant("zero", np.zeros(1, np.int64))
    place = graph.add("Slice", [graph.constant("places", places), zero, length, zero], "place")
    total = graph.add("Add", [embedded, place], "embedded")
    key = "embeddings.LayerNorm"
    norm = [
        graph.constant(f"{key}.{part}", weights[f"{key}.{part}"]) for part in ("weight", "bias")
    ]
    return graph.add("LayerNormalization", [total, *norm], f"{key}.out", axis=-1, epsilon=1e-12)


def _layer(graph: _Graph, weights: Weights, layer: int, x: str, heads: int) -> str:
    key = f"encoder.layer.{layer}."
    projections = [f"{key}attention.self.{part}." for part in ("query", "key", "value")]
    joint = graph.linear(
        x,
        f"{key}qkv",
        np.concatenate([weights[f"{name}weight"] for name in projections]),
        np.concatenate([weights[f"{name}bias"] for name in projections]),
    )
    parts = [f"{key}{part}" for part in "qkv"]
    _split(graph, joint, parts)
    attended = graph.add(
        "MultiHeadAttention", parts, f"{key}attended", domain=_FUSED, num_heads=heads
    )
    mixed = _dense(graph, weights, attended, f"{key}attention.output.dense", wide=True)
    x = _add_norm(graph, weights, mixed, x, f"{key}attention.output.LayerNorm")
    inner = _dense(graph, weights, x, f"{key}intermediate.dense")
    active = graph.add("Gelu", [inner], f"{key}active", domain=_FUSED)
    outer = _dense(graph, weights, active, f"{key}output.dense", wide=True)
    return _add_norm(graph, weights, outer, x, f"{key}output.LayerNorm")


def _split(graph: _Graph, joint: str, parts: list[str]) -> None:
    from onnx import helper

    graph.nodes.append(helper.make_node("Split", [joint], parts, axis=-1, num_outputs=len(parts)))


def _dense(graph: _Graph, weights: Weights, x: str, key: str, *, wide: bool = False) -> str:
    return graph.linear(x, key, weights[f"{key}.weight"], weights[f"{key}.bias"], wide=wide)


def _add_norm(graph: _Graph, weights: Weights, x: str, skip: str, key: str) -> str:
    norm = [
        graph.constant(f"{key}.{part}", weights[f"{key}.{part}"]) for part in ("weight", "bias")
    ]
    inputs = [x, skip, *norm]
    return graph.add("SkipLayerNormalization", inputs, f"{key}.out", domain=_FUSED, epsilon=1e-12)
