"""What flows into each matrix product of a model, sampled over calibration texts."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs
from rerank.bundle import MODEL
from rerank.exporting.onnx_file import import_onnx, load_model, save_model
from rerank.session import Session

SAMPLED_ROWS = 512
"""Tokens kept of each activation."""


@dataclass(frozen=True, slots=True)
class Activations:
    """The inputs of one product: `sample` (rows, channels), and each channel's least and largest value (channels,)."""

    sample: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


def constant_products(graph: Any) -> list[Any]:
    """Return the nodes that multiply by a constant matrix, in graph order."""
    float32 = import_onnx().TensorProto.FLOAT
    matrices = {item.name for item in graph.initializer if len(item.dims) == 2 and item.data_type == float32}
    return [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in matrices]


def capture(model: Path, batches: Sequence[Inputs]) -> Mapping[str, Activations]:
    """Run the model over padded batches and keep what its products read, padding apart.

    Returns:
        Name of the activation to its values, in graph order; empty when the model has no product to quantize.
    """
    onnx, graph_model = import_onnx(), load_model(model)
    names = list(dict.fromkeys(node.input[0] for node in constant_products(graph_model.graph)))
    if not names:
        return {}
    listed = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names]
    graph_model.graph.output.extend(listed)
    values: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        save_model(graph_model, Path(scratch))
        session = Session(Path(scratch) / MODEL)
        for inputs in batches:
            mask = inputs["attention_mask"].astype(bool)
            for name, value in session.run_named(inputs, names).items():
                rows = value[mask] if value.shape[:2] == mask.shape else value.reshape(-1, value.shape[-1])
                values[name].append(rows)
    return {name: _summary(np.concatenate(rows)) for name, rows in values.items()}


def _summary(rows: NDArray[np.float32]) -> Activations:
    chosen = np.random.default_rng(0).permutation(len(rows))[:SAMPLED_ROWS]
    return Activations(rows[chosen], rows.min(axis=0), rows.max(axis=0))
