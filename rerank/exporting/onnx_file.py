"""ONNX files on disk: models over 2 GB keep their weights in a second file, `model.onnx.data`. Needs `onnx`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rerank.bundle import MODEL
from rerank.errors import BundleError, MissingExtraError

WEIGHTS = f"{MODEL}.data"
"""A model's file of weights is named after it."""
LARGEST_FILE = 1_900_000_000
"""Bytes; a protobuf message ends at 2 GiB, so larger models put their weights beside it."""


def import_onnx() -> Any:
    """Return the module `onnx`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("this command needs onnx; install it: pip install 'polyrank[train]'") from error
    return onnx


def load_model(path: Path) -> Any:
    """Read an ONNX model with its weights.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the file, or the file of its weights, is missing, cut short or no ONNX model.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model if model.ByteSize() < LARGEST_FILE else str(path))
    except Exception as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise BundleError(f"{path} is no whole ONNX model: {reason}; export it again") from error
    return model


def save_model(model: Any, folder: Path, *, largest: int = LARGEST_FILE, name: str = MODEL) -> Mapping[str, Path]:
    """Write a model as `model.onnx` or `name`, with its weights in `model.onnx.data` when it is larger than `largest`
    bytes.

    Returns:
        File name in a bundle to the file written.
    """
    onnx, target, weights = import_onnx(), folder / name, f"{name}.data"
    if model.ByteSize() <= largest:
        onnx.save(model, str(target))
        return {name: target}
    (folder / weights).unlink(missing_ok=True)  # onnx would append to it
    onnx.save(model, str(target), save_as_external_data=True, location=weights, size_threshold=1024)
    return {name: target, weights: folder / weights}


def model_files(bundle: Path) -> Mapping[str, Path]:
    """Return the files of a bundle's model: the graph, and its weights when they stand apart."""
    return {name: bundle / name for name in (MODEL, WEIGHTS) if (bundle / name).is_file()}
