"""Tiny bundles with models that a test can compute by hand: built with onnx alone, in a few milliseconds."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from rerank.bundle import MODEL, TOKENIZER, Bundle, write_bundle
from rerank.manifest import Calibration, Manifest
from rerank.template import DEFAULT_TEMPLATE

WORDS = "wireless headphones usb cable red shoes garden hose kabellose kopfhörer".split()  # noqa: SIM905
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
DIMENSION = 16


def tiny_embedder(folder: Path, **changes: Any) -> Bundle:
    """An embedder whose token vector is a row of a table, times a matrix: int8 can be tried on it."""
    values: dict[str, Any] = {"task": "embed", "pooling": "mean", "dimension": DIMENSION} | changes
    return _write(folder, "last_hidden_state", values)


def tiny_reranker(folder: Path, **changes: Any) -> Bundle:
    """A reranker whose logit is the mean over tokens of one number each."""
    values: dict[str, Any] = {"task": "rerank", "activation": "sigmoid", "calibration": Calibration(1.0, 0.0)} | changes
    return _write(folder, "logits", values)


def _write(folder: Path, output: str, values: dict[str, Any]) -> Bundle:
    scratch = folder.parent / f"{folder.name}-parts"
    scratch.mkdir(parents=True)
    _tokenizer().save(str(scratch / TOKENIZER))
    onnx.save(_model(output), str(scratch / MODEL))
    plain: dict[str, Any] = {
        "name": folder.name,
        "base_model": "none",
        "licence": "apache-2.0",
        "languages": ("en",),
        "max_length": 32,
        "template": DEFAULT_TEMPLATE,
        "files": {},
    }
    manifest = Manifest(**(plain | values))
    return write_bundle(folder, manifest, {name: scratch / name for name in (MODEL, TOKENIZER)}, "# tiny\n")


def _tokenizer() -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _model(output: str) -> onnx.ModelProto:
    generator = np.random.default_rng(7)
    table = generator.standard_normal((300, DIMENSION)).astype(np.float32)
    weights = generator.standard_normal((DIMENSION, DIMENSION)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["hidden"]),
    ]
    shape: list[str | int] = ["batch", "tokens", DIMENSION]
    if output == "logits":
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["weight"]),
            helper.make_node("Mul", ["hidden", "weight"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["weight", "middle"], ["count"], keepdims=0),
            helper.make_node("Div", ["sum", "count"], ["mean"]),
            helper.make_node("MatMul", ["mean", "column"], ["logits"]),
        ]
        shape = ["batch", 1]
    else:
        nodes[-1].output[0] = output
    constants = {
        "table": table,
        "weights": weights,
        "column": weights[:, :1],
        "last": np.array([-1]),
        "middle": np.array([1]),
    }
    names = ["input_ids", "attention_mask"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [result], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
