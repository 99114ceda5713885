"""A tiny image encoder that a test can compute by hand: the mean of each channel, times a matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rerank.bundle import MODEL, Bundle, write_bundle
from rerank.manifest import ImageInput, Manifest

IMAGE_DIMENSION = 4
SEEN = ImageInput(8, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
WEIGHTS = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.float32)


def tiny_image_encoder(folder: Path, weights: Any = WEIGHTS, **changes: Any) -> Bundle:
    """pixel_values (n, 3, h, w) -> mean over h and w (n, 3) -> times the weights (n, 4)."""
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["image_embeds"]),
    ]
    seen = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    made = helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", IMAGE_DIMENSION])
    constant = numpy_helper.from_array(np.asarray(weights, np.float32), "weights")
    graph = helper.make_graph(nodes, "tiny", [seen], [made], [constant])
    model = folder.parent / f"{folder.name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(model))
    values: dict[str, Any] = {
        "name": folder.name,
        "task": "embed-image",
        "base_model": "none",
        "licence": "apache-2.0",
        "languages": (),
        "dimension": IMAGE_DIMENSION,
        "image": SEEN,
        "files": {},
    }
    return write_bundle(folder, Manifest(**(values | changes)), {MODEL: model}, "# tiny\n")
