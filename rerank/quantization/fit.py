"""The 8-bit grid of one activation and of the weights it meets, chosen by the error of their product."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank.quantization.calibrate import Activations

MIGRATION = (0.0, 0.5, 0.65, 0.8)
"""How much of a channel's size moves from the activation into the weights; 0 leaves it."""

CLIPS = (1.0, 0.9)
"""Share of the calibrated range that a fixed grid covers: cutting the rare extremes makes the steps finer."""

GELU_LEAST = 0.17
"""GELU is never below -0.17: added, its values are positive and use all 255 steps."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grid:
    """How one activation x becomes uint8: round((x + offset) / smooth / scale) + zero.

    `dynamic` divides by each token's largest absolute value before `scale`. `smooth` is (channels,), None for ones.
    `error` is the mean squared error of the product over the mean square of the exact one; `weight_bits` is what it
    was measured with.
    """

    weight_bits: int
    dynamic: bool
    smooth: Floats | None
    scale: float
    zero: int
    offset: float
    error: float


def levels(bits: int) -> int:
    """Return the largest absolute number of a weight with so many bits, its sign among them."""
    return (1 << (bits - 1)) - 1


def quantize_weights(weights: Floats, bits: int = 8) -> tuple[NDArray[np.int8], Floats]:
    """Return int8 weights (channels, outputs), of which `bits` are used, and one scale an output (outputs,)."""
    most = levels(bits)
    scales = np.maximum(np.abs(weights).max(axis=0), 1e-12) / most
    return np.clip(np.round(weights / scales), -most, most).astype(np.int8), scales.astype(np.float32)


def fit(activations: Activations, weights: Floats, *, dynamic: bool, weight_bits: int = 8) -> Grid:
    """Choose the grid with the least error on the sample.

    Large channels of an activation stretch its grid for all others; dividing a channel by a factor and multiplying
    its row of weights by the same leaves the product as it is and moves the difficulty into the weights, which have
    a scale for each output.

    Args:
        activations: what the products read.
        weights: (channels, outputs) of all products that read it, side by side.
        dynamic: a grid for each token, made when the model runs; else one fixed grid from the calibration.
        weight_bits: 7 or 8; see `Session`.

    Source: Xiao et al., 2023, SmoothQuant, arXiv:2211.10438 (the migration and its strength).
    """
    exact = activations.sample @ weights
    power = max(float(np.mean(exact**2)), 1e-30)
    best: Grid | None = None
    for smooth in _smoothings(activations, weights):
        factors = np.ones(len(weights), np.float32) if smooth is None else smooth
        integers, scales = quantize_weights(weights * factors[:, None], weight_bits)
        reduced = integers * scales
        for scale, zero, offset in _grids(activations, factors, dynamic):
            read = _rounded((activations.sample + offset) / factors, scale, zero, dynamic)
            product = read @ reduced - offset * (reduced / factors[:, None]).sum(axis=0)
            error = float(np.mean((product - exact) ** 2)) / power
            if best is None or error < best.error:
                best = Grid(weight_bits, dynamic, smooth, scale, zero, offset, error)
    if best is None:
        raise AssertionError("there is always a grid to try")
    return best


def _smoothings(activations: Activations, weights: Floats) -> Iterator[Floats | None]:
    sizes = np.maximum(np.maximum(np.abs(activations.low), np.abs(activations.high)), 1e-5)
    rows = np.maximum(np.abs(weights).max(axis=1), 1e-5)
    for strength in MIGRATION:
        if not strength:
            yield None
            continue
        factors = sizes**strength / rows ** (1 - strength)
        yield (factors / np.exp(np.log(factors).mean())).astype(np.float32)


def _grids(activations: Activations, factors: Floats, dynamic: bool) -> Iterator[tuple[float, int, float]]:
    """Yield (scale, zero, offset)."""
    least, most = float(activations.low.min()), float(activations.high.max())
    positive = least >= -GELU_LEAST - 1e-3 and most > 1
    if dynamic:
        yield (1 / 255, 0, GELU_LEAST if least < 0 else 0.0) if positive else (1 / levels(8), 128, 0.0)
        return
    low, high = min(float((activations.low / factors).min()), 0.0), max(float((activations.high / factors).max()), 1e-6)
    for clip in CLIPS:
        start = low if positive else low * clip
        scale = (high * clip - start) / 255
        yield scale, int(np.clip(round(-start / scale), 0, 255)), 0.0


def _rounded(values: Floats, scale: float, zero: int, dynamic: bool) -> Floats:
    largest = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12) if dynamic else np.float32(1)
    steps = np.clip(np.round(values / largest / scale) + zero, 0, 255) - zero
    return np.asarray(steps * scale * largest, np.float32)
