"""A head that reads the first token alone: what follows the last attention is computed for that token only.

Of the last layer's twelve parts of weights nine come after its attention: in a model of six layers an eighth of all
products, which no score depends on. The scores stay the same.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.exporting.onnx_file import import_onnx

PER_TOKEN = frozenset(
    [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Sqrt",
        "Erf",
        "Tanh",
        "Sigmoid",
        "Relu",
        "Gelu",
        "Identity",
        "Cast",
        "LayerNormalization",
        "MatMul",
    ]
)
"""Nodes that compute each token from that token alone, if their constants are vectors (of MatMul: a matrix)."""

FIRST = "first_token"


def keep_first_token(model: Any) -> int:
    """Where a graph takes the first token, take it before the computation that only leads there, in place.

    Returns:
        How many nodes compute one token now instead of all; 0 for a graph that was here before.
    """
    onnx, graph = import_onnx(), model.graph
    constants = constants_by_name(graph)
    moved = set() if FIRST in constants else _leading_to_choice(graph, constants)
    if not moved:
        return 0
    outputs = {graph.node[place].output[0] for place in moved}
    done: set[str] = set()
    nodes = []
    for place, node in enumerate(graph.node):
        for slot, name in enumerate(node.input):
            if place in moved and name and name not in constants and name not in outputs:
                node.input[slot] = f"{name}_{FIRST}"
                if name not in done:
                    nodes.append(onnx.helper.make_node("Gather", [name, FIRST], [node.input[slot]], axis=1))
                done.add(name)
        nodes.append(node)
    shapes = [item for item in graph.value_info if item.name not in outputs]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.value_info.extend(shapes)
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([0], np.int64), FIRST))
    return len(moved)


def constants_by_name(graph: Any) -> Mapping[str, NDArray[Any]]:
    """Return name -> value; torch writes equal weights once and passes them on by `Identity`."""
    onnx = import_onnx()
    found = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _leading_to_choice(graph: Any, constants: Mapping[str, NDArray[Any]]) -> set[int]:
    """Return the places of the nodes that are read by nothing but each other and the choice of the first token."""
    readers: dict[str, list[int]] = defaultdict(list)
    for place, node in enumerate(graph.node):
        for name in node.input:
            readers[name].append(place)
    outputs = {item.name for item in graph.output}
    end = {place for place, node in enumerate(graph.node) if takes_first(node, constants)}
    moved: set[int] = set()
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        read = readers[node.output[0]] if _is_per_token(node, constants) else []
        if read and node.output[0] not in outputs and all(other in moved or other in end for other in read):
            moved.add(place)
    return moved


def takes_first(node: Any, constants: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether a node takes the first token of each text, as the head of a reranker does."""
    if node.op_type != "Gather" or node.input[1] not in constants:
        return False
    index, axis = constants[node.input[1]], [item.i for item in node.attribute if item.name == "axis"]
    return axis == [1] and index.ndim == 0 and int(index) == 0


def _is_per_token(node: Any, constants: Mapping[str, NDArray[Any]]) -> bool:
    if node.op_type not in PER_TOKEN or len(node.output) != 1:
        return False
    ranks = [constants[name].ndim for name in node.input if name in constants]
    if node.op_type == "MatMul":
        return node.input[0] not in constants and ranks == [2]
    return len(ranks) < len(node.input) and all(rank <= 1 for rank in ranks)
