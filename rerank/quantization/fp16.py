"""fp32 to fp16 for GPUs, with the attention of each layer fused into one operator. Needs `onnx`.

Fusion and conversion are onnxruntime's own (`onnxruntime.transformers`).
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from rerank.errors import BundleError
from rerank.exporting.onnx_file import import_onnx, save_model

FUSED = ("Attention", "MultiHeadAttention")


def to_fp16(source: Path, folder: Path, *, fused: bool) -> Mapping[str, Path]:
    """Write the model with fp16 weights and computation; inputs and outputs keep their types.

    Args:
        source: an fp32 ONNX model.
        folder: where the new files go.
        fused: fuse attention, layer norms and activations into onnxruntime's operators first.

    Returns:
        File name in a bundle to the file written.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: onnxruntime cannot convert the model.
    """
    onnx = import_onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.optimizer import optimize_model

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    try:
        model = optimize_model(str(source), "bert", opt_level=0).model if fused else onnx.load(str(source))
        converted = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    except Exception as error:
        raise BundleError(f"onnxruntime cannot convert {source} to fp16: {error}") from error
    return save_model(converted, folder)


def fused_layers(model: Path) -> int:
    """Return how many attention operators of onnxruntime the graph holds."""
    graph = import_onnx().load(str(model), load_external_data=False).graph
    return sum(node.op_type in FUSED for node in graph.node)
