"""The reduced forms of one model that `quantize` tries: which activations get a fixed grid, which one per token."""

from collections.abc import Mapping
from dataclasses import dataclass

from rerank.quantization.fit import Grid

FIXED_ENOUGH = 3.0
"""The mixed form gives an activation a fixed grid when that costs at most this multiple of the per-token error."""

KEPT_SHARES = (0.125, 0.25, 0.5)
"""Shares of the products that stay fp32, the ones with the greatest error first."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A named choice of grids by activation; an activation without one keeps its products fp32."""

    name: str
    grids: Mapping[str, Grid]
    weight_bits: int


def cpu_variants(fixed: Mapping[str, Grid], dynamic: Mapping[str, Grid], weight_bits: int) -> list[Variant]:
    """Return what to try for a CPU with weights of `weight_bits`, coarsest first: all fixed, mixed, all per token, and
    some kept in fp32."""
    mixed = {
        name: fixed[name] if fixed[name].error <= FIXED_ENOUGH * grid.error else grid for name, grid in dynamic.items()
    }
    worst = sorted(dynamic, key=lambda name: -dynamic[name].error)
    forms = {"static": fixed, "mixed": mixed, "dynamic": dynamic}
    for share in KEPT_SHARES:
        kept = worst[: max(1, round(share * len(worst)))]
        forms[f"dynamic, {len(kept)} of {len(worst)} fp32"] = {
            name: grid for name, grid in dynamic.items() if name not in kept
        }
    return [Variant(f"{name}, {weight_bits} bits", grids, weight_bits) for name, grids in forms.items() if grids]
