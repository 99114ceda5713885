"""What a `device` is to ONNX Runtime: its execution providers, best first; None for the best installed."""

from collections.abc import Mapping

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider", *CPU)

DEVICES: Mapping[str, tuple[str, ...] | None] = {"cpu": CPU, "cuda": CUDA, "auto": None}
