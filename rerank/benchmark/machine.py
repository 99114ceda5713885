"""What the machine can do and what it spends: matrix product peak, energy, memory of the GPU."""

import shutil
import subprocess
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

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


def products_per_token(bundle: Path) -> float | None:
    """Return the multiply-adds of the constant matrices for one token; None without `onnx`. Attention is left out."""
    try:
        import onnx
    except ImportError:
        return None
    graph = onnx.load(str(bundle / "model.onnx"), load_external_data=False).graph
    sizes = {item.name: float(np.prod(item.dims)) for item in graph.initializer if len(item.dims) == 2}
    kinds = ("MatMul", "MatMulIntegerToFloat")
    return sum(sizes.get(node.input[1], 0.0) for node in graph.node if node.op_type in kinds)


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
