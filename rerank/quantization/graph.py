"""Rewrites a model's graph: constant matrix products and embedding tables in int8."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.exporting.onnx_file import import_onnx
from rerank.quantization.calibrate import constant_products
from rerank.quantization.fit import Grid, levels, quantize_weights

TABLE_ROWS = 256
"""Embedding tables with fewer rows stay fp32."""


def weights_by_activation(model: Any) -> Mapping[str, NDArray[np.float32]]:
    """Return activation name -> the weights that multiply it, side by side (channels, outputs)."""
    to_array = import_onnx().numpy_helper.to_array
    constants = {item.name: item for item in model.graph.initializer}
    grouped: dict[str, list[NDArray[np.float32]]] = {}
    for node in constant_products(model.graph):
        grouped.setdefault(node.input[0], []).append(to_array(constants[node.input[1]]))
    return {name: np.concatenate(weights, axis=1) for name, weights in grouped.items()}


def rewrite(model: Any, grids: Mapping[str, Grid]) -> None:
    """Put the products whose activation has a grid, and all large tables, into int8, in place.

    A product without a grid stays fp32.
    """
    onnx = import_onnx()
    _Rewriter(model.graph, onnx, grids).rewrite()
    if not any(item.domain == "com.microsoft" for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))


class _Rewriter:
    """Replaces nodes of one graph, sharing the quantized form of an activation that several products read."""

    def __init__(self, graph: Any, onnx: Any, grids: Mapping[str, Grid]) -> None:
        self._graph, self._grids = graph, grids
        self._helper, self._numpy, self._float = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
        self._weights = {item.name: item for item in graph.initializer}
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._read: dict[str, tuple[str, str | None]] = {}
        self._readers: dict[str, list[Any]] = defaultdict(list)
        self._merged: set[str] = set()
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)

    def rewrite(self) -> None:
        products = {node.output[0] for node in constant_products(self._graph)}
        for node in self._graph.node:
            if node.output[0] in self._merged:
                continue
            if node.output[0] in products and node.input[0] in self._grids:
                self._product(node)
            elif node.op_type == "Gather" and self._is_table(node.input[0]):
                self._table(node)
            else:
                self._nodes.append(node)
        still_read = {name for node in self._nodes for name in node.input}
        kept = [item for item in self._graph.initializer if item.name in still_read]
        constants = [self._numpy.from_array(value, name) for name, value in self._constants.items()]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(kept + constants)

    def _is_table(self, name: str) -> bool:
        weight = self._weights.get(name)
        return (
            weight is not None
            and weight.data_type == self._float
            and len(weight.dims) == 2
            and weight.dims[0] >= TABLE_ROWS
        )

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, name: str, value: Any, kind: type[np.generic]) -> str:
        if name not in self._constants:
            self._constants[name] = np.asarray(value, kind)
        return name

    def _activation(self, name: str) -> tuple[str, str | None]:
        """Return the names of an activation's uint8 form and of each token's largest value, if divided out."""
        if name not in self._read:
            grid, prefix = self._grids[name], f"int8_{len(self._read)}"
            value, largest = name, None
            if grid.offset:
                offset = self._constant(f"{prefix}_offset", grid.offset, np.float32)
                value = self._add("Add", [value, offset], f"{prefix}_positive")
            if grid.smooth is not None:
                inverse = self._constant(f"{prefix}_inverse", 1 / grid.smooth, np.float32)
                value = self._add("Mul", [value, inverse], f"{prefix}_smooth")
            if grid.dynamic:
                value, largest = self._relative(value, prefix, positive=grid.zero == 0)
            scale = self._constant(f"{prefix}_scale", grid.scale, np.float32)
            zero = self._constant(f"{prefix}_zero", grid.zero, np.uint8)
            self._read[name] = self._add("QuantizeLinear", [value, scale, zero], f"{prefix}_uint8"), largest
        return self._read[name]

    def _relative(self, value: str, prefix: str, *, positive: bool) -> tuple[str, str]:
        absolute = value if positive else self._add("Abs", [value], f"{prefix}_abs")
        peak = self._add("ReduceMax", [absolute], f"{prefix}_peak", axes=[-1], keepdims=1)
        largest = self._add("Max", [peak, self._constant("int8_least", 1e-12, np.float32)], f"{prefix}_max")
        return self._add("Div", [value, largest], f"{prefix}_relative"), largest

    def _bias(self, product: str) -> Any | None:
        """Return the node that adds a constant vector to a product and is its only reader."""
        readers = self._readers[product]
        if len(readers) != 1 or readers[0].op_type != "Add":
            return None
        other = next((name for name in readers[0].input if name != product), "")
        return readers[0] if other in self._weights and len(self._weights[other].dims) == 1 else None

    def _product(self, node: Any) -> None:
        grid, name, output = self._grids[node.input[0]], node.input[1], node.output[0]
        activation, largest = self._activation(node.input[0])
        prefix = activation.removesuffix("_uint8")
        weights = self._numpy.to_array(self._weights[name])
        factors = np.ones(len(weights), np.float32) if grid.smooth is None else grid.smooth
        key = f"{name}_{prefix}"
        integers, scales = quantize_weights(weights * factors[:, None], grid.weight_bits)
        inputs = [
            activation,
            self._constant(f"{key}_int8", integers, np.int8),
            f"{prefix}_scale",
            self._constant(f"{key}_scales", scales, np.float32),
            f"{prefix}_zero",
            self._constant(f"{key}_zero", 0, np.int8),
        ]
        shift = -grid.offset * (integers * scales / factors[:, None]).sum(axis=0)
        if (bias := self._bias(output)) is not None:
            shift = shift + self._numpy.to_array(self._weights[next(item for item in bias.input if item != output)])
            output = bias.output[0]
            self._merged.add(output)
        steps: list[tuple[str, str]] = []
        if largest is not None:
            steps.append(("Mul", largest))
        if np.any(shift):
            added = self._constant(f"{key}_shift", shift, np.float32)
            if steps:
                steps.append(("Add", added))
            else:
                inputs.append(added)
        names = [f"{output}_step{number}" for number in range(len(steps))] + [output]
        self._add("MatMulIntegerToFloat", inputs, names[0], domain="com.microsoft")
        for (kind, operand), before, after in zip(steps, names, names[1:], strict=False):
            self._add(kind, [before, operand], after)

    def _table(self, node: Any) -> None:
        name, output = node.input[0], node.output[0]
        table = self._numpy.to_array(self._weights[name])
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / levels(8)
        integers = self._constant(f"{name}_int8", np.round(table / scales), np.int8)
        rows = self._add("Gather", [integers, node.input[1]], f"{output}_int8", axis=0)
        numbers = self._add("Cast", [rows], f"{output}_float", to=self._float)
        scale = self._add(
            "Gather", [self._constant(f"{name}_scales", scales, np.float32), node.input[1]], f"{output}_scale", axis=0
        )
        self._add("Mul", [numbers, scale], output)
