"""Weights of the retrievers for single languages and query classes, where these measure better than those of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugin.tune_candidates import Floats, QueryCandidates
from plugin.tune_ranking import Fusion
from plugin.tune_settings import Setting, SettingValues
from rerank.evaluation.metrics import Significance, compare

SMALLEST_TUNED_GROUP = 20
"""A language or query class with fewer judged queries gets no weights of its own."""
SURE = 0.05
"""The p under which weights of its own are believed. Of twenty groups that need none, one gets some."""

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """`weights` for the queries of one language or query class, in the retrievers' order; `gain`: beside the weights of
    all queries, each chosen without the query it is measured on (nDCG@10); `settings`: what was measured, by fold."""

    kind: str
    name: str
    weights: tuple[float, ...]
    gain: Significance
    places: Places
    settings: Sequence[Setting]

    def as_json(self) -> dict[str, Any]:
        """Return what a reader wants to know."""
        return {"kind": self.kind, "name": self.name, "weights": self.weights, "delta": self.gain.delta} | {
            "queries": self.gain.queries,
            "p": self.gain.p_permutation,
        }


def own_weights(
    bench: SettingValues,
    candidates: Sequence[QueryCandidates],
    fold_of: Places,
    settings: Sequence[Setting],
    chosen: Fusion,
) -> list[OwnWeights]:
    """Return the groups that have better weights of their own, languages first; no query is in two of them.

    Args:
        bench: values of settings on the candidates.
        candidates: the judged queries.
        fold_of: the fold of each (n,).
        settings: what was chosen for each fold on the other folds' queries; techniques and blends stay.
        chosen: the fusion that was chosen on all queries, whose technique and factor stay.
    """
    found: list[OwnWeights] = []
    taken = np.zeros(len(candidates), np.bool_)
    for kind, name, everyone in _groups(candidates):
        places = everyone[~taken[everyone]]
        if not SMALLEST_TUNED_GROUP <= len(places) < len(candidates):
            continue
        weights = _own_fusion(bench, places, chosen).weights
        if weights == chosen.weights:
            continue
        own = [
            replace(one, fusion=_own_fusion(bench, places[fold_of[places] != fold], one.fusion))
            for fold, one in enumerate(settings)
        ]
        held_out = [_held_out(bench, places, fold_of, one) for one in (own, settings)]
        gain = compare_needs([candidates[place] for place in places.tolist()], *held_out)
        if gain.delta > 0 and gain.p_permutation < SURE:
            found.append(OwnWeights(kind, name, weights, gain, places, own))
            taken[places] = True
    return found


def _own_fusion(bench: SettingValues, places: Places, of_all: Fusion) -> Fusion:
    return bench.best_fusion(places, knn_factor=of_all.knn_factor, technique=of_all.technique)


def overrides(found: Sequence[OwnWeights], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return `combination.overrides` of a pipeline; `names`: the retrievers' keys, in order."""
    key = {"language": "languages", "query_class": "classes"}
    return [{key[one.kind]: [one.name], "weights": dict(zip(names, one.weights, strict=True))} for one in found]


def _groups(candidates: Sequence[QueryCandidates]) -> Iterator[tuple[str, str, Places]]:
    for kind in ("language", "query_class"):
        names = np.array([str(getattr(one, kind)) for one in candidates])
        for name in sorted(set(names.tolist())):
            yield kind, name, np.flatnonzero(names == name)


def _held_out(bench: SettingValues, places: Places, fold_of: Places, settings: Sequence[Setting]) -> Floats:
    return np.array([bench.of(settings[fold_of[place]])[place] for place in places.tolist()])


def compare_needs(candidates: Sequence[QueryCandidates], left: Floats, right: Floats) -> Significance:
    """Compare two values a query, all queries of one need as one: translations of a query win and lose together.

    The difference is that of the queries' means; wins and losses count needs.
    """
    needs = list(dict.fromkeys(one.need for one in candidates))
    share = len(needs) / len(candidates)
    sums = [dict.fromkeys(needs, 0.0), dict.fromkeys(needs, 0.0)]
    for found, values in zip(sums, (left, right), strict=True):
        for one, value in zip(candidates, values.tolist(), strict=True):
            found[one.need] += share * value
    return compare(*sums)
