"""The choice of the first token moves up, and the scores stay."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rerank.exporting.first_token import FIRST, keep_first_token
from rerank.session import Session

pytestmark = pytest.mark.train
CHANNELS = 6


def graph(chosen: int = 0, *, also_read: bool = False) -> onnx.ModelProto:
    """Return a product, a bias, a residual and a norm, of which token `chosen` is taken."""
    rng = np.random.default_rng(0)
    constants = {"weights": rng.normal(size=(CHANNELS, CHANNELS)), "bias": rng.normal(size=CHANNELS)}
    constants |= {"gamma": rng.normal(size=CHANNELS), "beta": rng.normal(size=CHANNELS)}
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    nodes = [
        helper.make_node("Identity", ["bias"], ["same_bias"]),
        helper.make_node("MatMul", ["x", "weights"], ["product"]),
        helper.make_node("Add", ["same_bias", "product"], ["biased"]),
        helper.make_node("Add", ["biased", "x"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "gamma", "beta"], ["normed"], axis=-1),
        helper.make_node("Constant", [], ["index"], value=numpy_helper.from_array(np.array(chosen, np.int64))),
        helper.make_node("Gather", ["normed", "index"], ["y"], axis=1),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if also_read:
        outputs.append(helper.make_tensor_value_info("biased", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", CHANNELS])]
    made = helper.make_graph(nodes, "head", inputs, outputs, initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def output(model: onnx.ModelProto, path: Path) -> np.ndarray:
    onnx.save(model, str(path))
    values = np.random.default_rng(1).normal(size=(3, 5, CHANNELS)).astype(np.float32)
    return Session(path).run({"x": values})


def test_what_leads_to_the_first_token_alone_is_computed_for_it_alone(tmp_path: Path) -> None:
    before, after = graph(), graph()
    assert keep_first_token(after) == 4
    places = [node.op_type for node in after.graph.node]
    assert places.index("Gather") < places.index("MatMul")
    assert sum(FIRST in node.input for node in after.graph.node) == 1, "x is cut once, though two nodes read it"
    assert np.abs(output(before, tmp_path / "a.onnx") - output(after, tmp_path / "b.onnx")).max() < 1e-6
    assert keep_first_token(after) == 0


def test_what_others_read_too_stays_whole(tmp_path: Path) -> None:
    before, after = graph(also_read=True), graph(also_read=True)
    assert keep_first_token(after) == 2
    assert np.abs(output(before, tmp_path / "a.onnx") - output(after, tmp_path / "b.onnx")).max() < 1e-6


def test_another_token_is_left_alone() -> None:
    model = graph(chosen=1)
    assert keep_first_token(model) == 0
    assert len(model.graph.node) == 7
