import numpy as np
import pytest

from rerank.quantization.calibrate import Activations
from rerank.quantization.fit import fit, quantize_weights


def activations(sample: np.ndarray) -> Activations:
    return Activations(sample, sample.min(axis=0), sample.max(axis=0))


@pytest.mark.parametrize(("bits", "most"), [(8, 127), (7, 63)])
def test_weights_come_back_within_half_a_step(bits: int, most: int) -> None:
    weights = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
    integers, scales = quantize_weights(weights, bits)
    assert np.abs(integers).max() == most
    assert (np.abs(integers * scales - weights) <= scales / 2 + 1e-6).all()


@pytest.mark.parametrize("dynamic", [True, False])
def test_a_channel_that_stretches_the_grid_is_evened_out(dynamic: bool) -> None:
    generator = np.random.default_rng(1)
    sample = generator.standard_normal((200, 32)).astype(np.float32)
    weights = generator.standard_normal((32, 16)).astype(np.float32)
    even = fit(activations(sample), weights, dynamic=dynamic)
    sample[:, 3] *= 50
    weights[3] /= 50
    stretched = fit(activations(sample), weights, dynamic=dynamic)
    assert stretched.smooth is not None
    assert stretched.smooth[3] > 5 * np.median(stretched.smooth)
    assert stretched.error < 2 * even.error


def test_what_gelu_gives_is_shifted_to_use_every_step() -> None:
    values = np.random.default_rng(2).standard_normal((200, 32)).astype(np.float32) * 2
    grid = fit(activations(np.maximum(values, -0.17)), np.eye(32, dtype=np.float32), dynamic=True)
    assert (grid.zero, grid.offset) == (0, 0.17)
