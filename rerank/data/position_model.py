"""The position-based click model: who clicks has looked at the position, and likes what stands there.

P(click on d at rank k of query q) = propensity[k] * attractiveness[q, d]

Source: Craswell et al., 2008, An Experimental Comparison of Click Position-Bias Models (the examination hypothesis);
Chuklin, Markov, de Rijke, 2015, Click Models for Web Search, 3.2 and 4.2.2 (the model and its EM estimation).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank.data.click_log import Impression

ROUNDS = 3000
CLOSE = 1e-6
"""The estimation ends when no propensity moves by more."""

PRIOR = 2.0
"""Impressions' worth of belief that a document is as attractive as the average: one click is no certainty."""


@dataclass(frozen=True, slots=True)
class PositionModel:
    """What a log says of ranks (from 1): how likely each is looked at, against the first; and of (query, document).

    `moved` is the share of impressions whose document stood at several ranks for its query: only they tell a good
    document from a good place. At 0 the propensities follow from the clicks' decline alone.
    """

    propensity: Mapping[int, float]
    attractiveness: Mapping[tuple[str, str], float]
    moved: float


def fit_position_model(impressions: Sequence[Impression]) -> PositionModel:
    """Estimate propensities and attractiveness by expectation maximization, with a prior on attractiveness.

    The first rank's propensity is 1, to which the others are relative. The order of the impressions does not matter.

    Args:
        impressions: at least one.
    """
    ranks, rank = np.unique(np.array([item.position for item in impressions]), return_inverse=True)
    keys = sorted({(item.query, item.doc_id) for item in impressions})
    places = {key: place for place, key in enumerate(keys)}
    pair = np.array([places[item.query, item.doc_id] for item in impressions])
    cells, cell = np.unique(pair * len(ranks) + rank, return_inverse=True)
    clicks = np.bincount(cell, [float(item.clicked) for item in impressions]).astype(np.float64)
    passed = (np.bincount(cell) - clicks).astype(np.float64)
    pair, rank = cells // len(ranks), cells % len(ranks)
    look, like = _maximize(pair, rank, clicks, passed)
    shown = np.bincount(pair, clicks + passed)
    moved = float(shown[np.bincount(pair) > 1].sum() / shown.sum())
    propensity = {int(name): float(value) for name, value in zip(ranks, look, strict=True)}
    return PositionModel(propensity, {key: float(value) for key, value in zip(keys, like, strict=True)}, moved)


def _maximize(
    pair: NDArray[np.intp], rank: NDArray[np.intp], clicks: NDArray[np.float64], passed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return propensities by rank and attractiveness by pair, from clicks and non-clicks of each (pair, rank)."""
    total = clicks + passed
    at_rank, of_pair = np.bincount(rank, total), np.bincount(pair, total)
    rates = np.bincount(rank, clicks) / at_rank
    # Begin with the decline of the clicks. From 1 no propensity would ever move, from 0 neither.
    look = np.clip(rates / max(rates[0], 1e-9), 0.02, 0.98)
    look[0] = 1.0
    mean = max(float(clicks.sum() / total.sum()), 1.0 / float(total.sum()))
    like = np.full(len(of_pair), mean)
    for _ in range(ROUNDS):
        prior = float(np.clip(like.mean(), mean, 1.0))
        seen, liked = look[rank], like[pair]
        no_click = np.maximum(1.0 - seen * liked, 1e-12)
        examined = clicks + passed * seen * (1.0 - liked) / no_click
        attracted = clicks + passed * liked * (1.0 - seen) / no_click
        like = (np.bincount(pair, attracted) + PRIOR * prior) / (of_pair + PRIOR)
        before, look = look, np.bincount(rank, examined) / at_rank
        look[0] = 1.0
        if np.abs(look - before).max() < CLOSE:
            break
    return look, like
