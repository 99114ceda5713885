"""A rewritten product gives what its grid says, with the bias that follows it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rerank.quantization.calibrate import Activations
from rerank.quantization.fit import fit
from rerank.quantization.graph import rewrite
from rerank.session import Session

pytestmark = pytest.mark.train
RNG = np.random.default_rng(0)
WEIGHTS, BIAS = RNG.normal(size=(8, 5)).astype(np.float32), RNG.normal(size=5).astype(np.float32) + 3


def product(*, read_twice: bool, weights: np.ndarray = WEIGHTS, bias: np.ndarray = BIAS) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["raw"]), helper.make_node("Add", ["bias", "raw"], ["y"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if read_twice:
        nodes.append(helper.make_node("Neg", ["raw"], ["z"]))
        outputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", len(weights)])]
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, constants), opset_imports=opsets, ir_version=9
    )


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("positive", [False, True])  # as after GELU: an offset, whose product joins the bias
@pytest.mark.parametrize("read_twice", [False, True])
def test_the_bias_is_added_once(tmp_path: Path, dynamic: bool, positive: bool, read_twice: bool) -> None:
    values = RNG.normal(size=(64, 8)).astype(np.float32) * 2
    values = np.maximum(values, -0.15) if positive else values
    grid = fit(Activations(values, values.min(axis=0), values.max(axis=0)), WEIGHTS, dynamic=dynamic)
    assert bool(grid.offset) is (dynamic and positive)
    model = product(read_twice=read_twice)
    rewrite(model, {"x": grid})
    onnx.save(model, str(tmp_path / "m.onnx"))
    found = Session(tmp_path / "m.onnx").run({"x": values})
    assert np.abs(found - (values @ WEIGHTS + BIAS)).max() < 0.2
    adds = [node.name for node in model.graph.node if node.op_type == "Add" and node.output[0] == "y"]
    assert len(adds) == (1 if dynamic or read_twice else 0), "a fixed grid leaves the bias to the product"


@pytest.mark.parametrize("bits", [7, 8])
def test_the_largest_sums_do_not_overflow(tmp_path: Path, bits: int) -> None:
    values, weights = np.ones((16, 64), np.float32), np.ones((64, 32), np.float32)
    grid = fit(Activations(values, values[0], values[0]), weights, dynamic=False, weight_bits=bits)
    model = product(read_twice=False, weights=weights, bias=np.zeros(32, np.float32))
    rewrite(model, {"x": grid})
    onnx.save(model, str(tmp_path / "m.onnx"))
    found = Session(tmp_path / "m.onnx", weight_bits=bits).run({"x": values})
    assert np.allclose(found, 64.0, rtol=0.01)
