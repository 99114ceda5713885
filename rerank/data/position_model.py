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

ROUNDS = 100
CLOSE = 1e-5
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
    clicked = np.array([item.clicked for item in impressions])
    at_rank, of_pair = np.bincount(rank), np.bincount(pair)
    mean = max(float(clicked.mean()), 1.0 / len(impressions))
    look = np.full(len(ranks), 0.5)  # from 1 no estimate would ever move
    look[0] = 1.0
    like = np.full(len(keys), mean)
    for _ in range(ROUNDS):
        prior = float(np.clip(like.mean(), mean, 1.0))
        seen, liked = look[rank], like[pair]
        no_click = np.maximum(1.0 - seen * liked, 1e-12)
        examined = np.where(clicked, 1.0, seen * (1.0 - liked) / no_click)
        attracted = np.where(clicked, 1.0, liked * (1.0 - seen) / no_click)
        like = (np.bincount(pair, attracted) + PRIOR * prior) / (of_pair + PRIOR)
        before, look = look, np.bincount(rank, examined) / at_rank
        look[0] = 1.0
        if np.abs(look - before).max() < CLOSE:
            break
    propensity = {int(name): float(value) for name, value in zip(ranks, look, strict=True)}
    attractiveness = {key: float(value) for key, value in zip(keys, like, strict=True)}
    return PositionModel(propensity, attractiveness, _moved(rank, pair))


def _moved(rank: NDArray[np.intp], pair: NDArray[np.intp]) -> float:
    cells = np.unique(np.stack([pair, rank]), axis=1)
    several = np.bincount(cells[0]) > 1
    return float(several[pair].mean())
