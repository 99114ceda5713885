"""The pipeline's blend of fused order and cross-encoder, on lists: to choose weight and normalization offline.

The engine plugin does the real one: figures that count come from `plugin evaluate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Blend:
    """`weight` of the cross-encoder, and how both scores are brought to one scale."""

    normalization: Literal["min_max", "none", "rrf"]
    weight: float

    def __str__(self) -> str:
        """Return the two as one word pair."""
        return f"{self.normalization} {self.weight:.1f}"


BLENDS = [
    Blend(normalization, weight)
    for normalization in ("min_max", "none", "rrf")
    for weight in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
]


def blended(blend: Blend, hits: Sequence[str], fused: NDArray[np.float64], scores: NDArray[np.float64]) -> list[str]:
    """Reorder the first len(scores) hits; the rest keep their order.

    Args:
        blend: weight and normalization.
        hits: document ids in fused order.
        fused: fused scores (at least n,) of the hits.
        scores: probabilities (n,) of the first n hits.
    """
    count = len(scores)
    if blend.normalization == "rrf":
        fused = 1.0 / (RANK_CONSTANT + 1 + np.arange(count))
        model = 1.0 / (RANK_CONSTANT + 1 + np.argsort(np.argsort(-scores, kind="stable"), kind="stable"))
    else:
        fused = _min_max(fused[:count])
        model = _min_max(scores) if blend.normalization == "min_max" else scores
    final = blend.weight * model + (1 - blend.weight) * fused
    return [hits[index] for index in np.argsort(-final, kind="stable")] + list(hits[count:])


def _min_max(values: NDArray[np.float64]) -> NDArray[np.float64]:
    span = float(np.ptp(values)) if values.size else 0.0
    return (values - values.min()) / span if span else np.ones_like(values)
