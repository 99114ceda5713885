"""The torch model of an fp32 bundle, its weights read back from the graph. Needs the `train` extra."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.bundle import MODEL, SEARCH_TASKS, TOKENIZER, load_bundle
from rerank.exporting.export import verify_against
from rerank.exporting.first_token import constants_by_name
from rerank.exporting.onnx_file import load_model
from rerank.exporting.source import POLYRANK_JSON, import_torch
from rerank.training.recipe import TrainingError

PRODUCTS = ("MatMul", "Gemm")
"""How torch writes a linear layer: of the first the matrix stands transposed."""

CHILD_OF_LIST = re.compile(r"/(?=\d+(/|$))")


def restore_model(bundle: Path, folder: Path) -> None:
    """Write a bundle's model as a transformers folder, and compare its outputs with the bundle's.

    A part that the bundle does not use (an embedder's pooler) is initialised anew.

    Args:
        bundle: an fp32 bundle that `export-onnx` wrote.
        folder: an empty folder.

    Raises:
        TrainingError: the bundle is reduced, does not say its architecture, or lacks a weight.
        BundleError: it is damaged, or the restored model is not the same.
    """
    torch, transformers = import_torch()
    manifest = load_bundle(bundle, SEARCH_TASKS).manifest
    if manifest.precision != "fp32":
        raise TrainingError(f"{bundle} is a bundle in {manifest.precision}; name the fp32 bundle it was made of")
    if not manifest.architecture:
        raise TrainingError(f"the bundle {bundle} does not say its architecture; name the folder it was exported from")
    config = transformers.AutoConfig.for_model(**manifest.architecture["config"])
    kind = transformers.AutoModelForSequenceClassification if manifest.task == "rerank" else transformers.AutoModel
    model = kind.from_config(config)
    graph = load_model(bundle / MODEL).graph
    constants, nodes = constants_by_name(graph), {node.name: node for node in graph.node}
    state = model.state_dict()
    for name, value in state.items():
        found = _weight(name, constants, nodes)
        if found is not None and found.shape == tuple(value.shape):
            state[name] = torch.from_numpy(found.copy())
        elif "pooler" not in name:
            raise TrainingError(f"the graph of {bundle} holds no {name}; name the folder it was exported from")
    model.load_state_dict(state)
    model.save_pretrained(str(folder))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(bundle / TOKENIZER), **manifest.architecture["tokenizer"]
    )
    tokenizer.save_pretrained(str(folder))
    settings: dict[str, Any] = {"task": manifest.task, "max_length": manifest.max_length}
    settings |= {"activation": manifest.activation} if manifest.activation else {}
    (folder / POLYRANK_JSON).write_text(json.dumps(settings) + "\n", encoding="utf-8")
    verify_against(bundle, str(folder))


def _weight(name: str, constants: Mapping[str, NDArray[Any]], nodes: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """Return a weight by its name in torch: under that name, or in the product that the graph names by its layer."""
    if (found := constants.get(f"model.{name}")) is not None:
        return found
    layer = CHILD_OF_LIST.sub(".", name.rpartition(".")[0].replace(".", "/"))
    for kind in PRODUCTS:
        node = nodes.get(f"/model/{layer}/{kind}")
        if node is not None and (matrix := constants.get(node.input[1])) is not None:
            return matrix.T if kind == "MatMul" else matrix
    return None
