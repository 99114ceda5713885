"""What the machine can do and what it spends: matrix product peak, energy, memory of the GPU."""

import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rerank.bundle import MODEL
from rerank.errors import MissingExtraError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PRODUCTS = ("MatMul", "MatMulIntegerToFloat", "Gemm", "Attention")
"""Operators whose second input may be a constant matrix."""

RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
PEAK_SIZE = 1024
PEAK_SECONDS = 1.0


@lru_cache
def matmul_peak() -> float:
    """Return the most multiply-adds a second that numpy's fp32 matrix product reaches on all cores of this CPU.

    8-bit products can exceed it: a share above 1 is no error.
    """
    left = np.random.default_rng(0).standard_normal((PEAK_SIZE, PEAK_SIZE)).astype(np.float32)
    right = left.T.copy()
    best, started = 0.0, time.perf_counter()
    while time.perf_counter() - started < PEAK_SECONDS:
        begin = time.perf_counter()
        left @ right
        best = max(best, PEAK_SIZE**3 / (time.perf_counter() - begin))
    return best


@dataclass(frozen=True, slots=True)
class Products:
    """Multiply-adds of a model's constant matrices; attention is left out.

    `each_token` are done for every token; `last_layer` too, but by a bundle for the first token alone; `head` is what
    every program does for the first token alone.
    """

    each_token: float
    last_layer: float
    head: float

    def of_bundle(self, tokens: int, texts: int) -> float:
        """Return the products for some texts with so many tokens together."""
        return self.each_token * tokens + (self.last_layer + self.head) * texts

    def of_torch(self, tokens: int, texts: int) -> float:
        """Return what a program does that computes the last layer for every token."""
        return (self.each_token + self.last_layer) * tokens + self.head * texts


def count_products(bundle: Path) -> Products | None:
    """Return the products of a bundle's graph; None without `onnx`."""
    from rerank.exporting.first_token import FIRST, constants_by_name, takes_first
    from rerank.exporting.onnx_file import import_onnx

    try:
        graph = import_onnx().load(str(bundle / MODEL)).graph
    except MissingExtraError:
        return None
    constants = constants_by_name(graph)
    counts = {"each_token": 0.0, "last_layer": 0.0, "head": 0.0}
    parts: dict[str, str] = {}  # name of a value -> the part of the model, where that is not `each_token`
    for node in graph.node:
        found = {parts[name] for name in node.input if name in parts}
        part = "head" if "head" in found else "last_layer" if found else "each_token"
        if part != "head" and takes_first(node, constants):
            part = "head"
        elif node.op_type == "Gather" and node.input[1] == FIRST:
            part = "last_layer"
        if part != "each_token":
            parts.update(dict.fromkeys(node.output, part))
        if node.op_type in PRODUCTS and constants.get(node.input[1], np.empty(0)).ndim == 2:
            counts[part] += constants[node.input[1]].size
    return Products(**counts)


def peak_memory_mb() -> float | None:
    """Return the most memory this process has held since `forget_peak_memory`; None where the system does not tell."""
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024 / 1e6


def forget_peak_memory() -> None:
    """Let the peak start from now on where the system allows it."""
    with suppress(OSError):
        CLEAR.write_text("5", encoding="utf-8")


def energy_joules(counter: Path = RAPL) -> float | None:
    """Return the energy that the CPU package has used so far; None where it cannot be read."""
    try:
        return int(counter.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def gpu_memory_mb() -> float | None:
    """Return the GPU memory in use now; None without `nvidia-smi`."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return float(done.stdout.split()[0]) if done.returncode == 0 and done.stdout.split() else None
