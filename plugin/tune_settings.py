"""The settings that tuning chooses among, and what each is worth on gathered candidates."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugin.pipelines import Unread, processor_of
from plugin.tune_candidates import Floats, QueryCandidates, retriever_names
from plugin.tune_ranking import TECHNIQUES, Blend, Fusion, fused, value
from rerank.evaluation.judgements import JudgementError

STEPS = 10
"""Weights are multiples of 1 / STEPS."""
KNN_FACTORS = (0.05, 0.15, 0.33, 0.6, 1.0)
FEWEST_UNREAD = 20
"""With fewer judged queries that the embedder does not read, `unread.knn_factor` stays as it is."""
BLENDS = tuple(round(0.1 * step, 1) for step in range(1, 10))
_POINTS = 12


@dataclass(frozen=True, slots=True)
class Setting:
    """A choice: how to fuse, and how to blend (None: no reranking)."""

    fusion: Fusion
    blend: Blend | None


class SettingValues:
    """Every setting's nDCG@10 on every query, computed once."""

    def __init__(self, pipeline: Mapping[str, Any], candidates: Sequence[QueryCandidates]) -> None:
        """Read the pipeline's windows and retrievers; compute nothing yet."""
        processor = self._processor = processor_of(pipeline)
        self._names = retriever_names(pipeline)
        self.candidates = candidates
        self._unread = np.array([bool(one.vectors) for one in candidates])
        self.window = processor.get("window", 100)
        self.reranks = "rerank" in processor
        self.rerank_window = processor.get("rerank", {}).get("window", min(50, self.window))
        self.installed = installed_setting(pipeline)
        self.fusions = [*_fusions(len(self._names)), self.installed.fusion]
        self._known: dict[Setting, Floats] = {}
        # Of each query the scores of the fusion asked for last: blends come one after the other on the same.
        self._fused: list[tuple[Fusion, Floats] | None] = [None] * len(candidates)

    def of(self, setting: Setting) -> Floats:
        """Return a value a query, in the order of the candidates."""
        known = self._known.get(setting)
        if known is None:
            usual = replace(setting.fusion, knn_factor=self.installed.fusion.knn_factor)
            if setting.fusion == usual:
                known = np.array([self._value(place, setting) for place in range(len(self.candidates))])
            else:  # of queries that are read it is the same
                known = self.of(replace(setting, fusion=usual)).copy()
                for place in np.flatnonzero(self._unread).tolist():
                    known[place] = self._value(place, setting)
            self._known[setting] = known
        return known

    def _value(self, place: int, setting: Setting) -> float:
        query = self.candidates[place]
        last = self._fused[place]
        if last is None or last[0] != setting.fusion:
            last = self._fused[place] = (setting.fusion, fused(query, setting.fusion))
        return value(query, last[1], setting.blend, window=self.window, rerank_window=self.rerank_window)

    def installed_values(self) -> Floats:
        """Return what the installed pipeline is worth on each query, with its skips and its overrides."""
        skip = self._processor.get("rerank", {}).get("skip", {})
        settings = [
            Setting(self._installed_fusion(one), None if _suits(one, skip) else self.installed.blend)
            for one in self.candidates
        ]
        return np.array([self.of(setting)[place] for place, setting in enumerate(settings)])

    def _installed_fusion(self, query: QueryCandidates) -> Fusion:
        overrides = self._processor.get("combination", {}).get("overrides", [])
        own: Mapping[str, Any] = next((one["weights"] for one in overrides if _suits(query, one)), {})
        given = zip(self._names, self.installed.fusion.weights, strict=True)
        weights = tuple(float(own.get(name, weight)) for name, weight in given)
        return replace(self.installed.fusion, weights=weights)

    def best_fusion(self, train: Any, *, knn_factor: float, technique: str | None = None) -> Fusion:
        """Return the fusion that is best on these queries, of one technique or of all."""
        fusions = [replace(one, knn_factor=knn_factor) for one in self.fusions if technique in (None, one.technique)]
        return self._best(fusions, train)

    def _best(self, fusions: Sequence[Fusion], train: Any) -> Fusion:
        return max(
            fusions, key=lambda one: (round(float(self.of(Setting(one, None))[train].mean()), 9), self._nearness(one))
        )

    def _nearness(self, fusion: Fusion) -> tuple[bool, float]:
        """How near it is to what is installed: a retriever that found nothing tells nothing of its own weight."""
        own, installed = (np.array(one.weights) for one in (fusion, self.installed.fusion))
        shares = [weights / (weights.sum() or 1.0) for weights in (own, installed)]
        return fusion.technique == self.installed.fusion.technique, -float(np.abs(shares[0] - shares[1]).sum())

    def _fusion(self, train: Any) -> Fusion:
        """Choose the weights, and what the vectors of unread queries count if there are enough of them.

        Both together, since weights that suit one factor hide that another is better; techniques apart from that.
        """
        fusion = self.best_fusion(train, knn_factor=self.installed.fusion.knn_factor)
        if np.count_nonzero(self._unread[train]) < FEWEST_UNREAD:
            return fusion
        factors = dict.fromkeys((fusion.knn_factor, *KNN_FACTORS))
        each = [self.best_fusion(train, knn_factor=factor, technique=fusion.technique) for factor in factors]
        return self.best_fusion(train, knn_factor=self._best(each, train).knn_factor)

    def choose(self, train: Any) -> Setting:
        """Return the fusion that is best on these queries, with the blend that is best on top of it."""
        fusion = self._fusion(train)
        if not self.reranks:
            return Setting(fusion, None)
        points = isotonic([self.candidates[index] for index in train])
        blends = [Blend(weight, "none", given) for weight in BLENDS for given in ((), points)]
        blends += [Blend(weight, "min_max") for weight in BLENDS]
        blend = max(blends, key=lambda one: float(self.of(Setting(fusion, one))[train].mean()))
        return Setting(fusion, blend)


def _suits(query: QueryCandidates, groups: Mapping[str, Any]) -> bool:
    return query.language in groups.get("languages", ()) or query.query_class in groups.get("classes", ())


def _fusions(retrievers: int) -> list[Fusion]:
    """Every technique with every point of the simplex, in coarser steps for many retrievers."""
    steps = STEPS if retrievers <= 3 else 5
    grid = [point for point in itertools.product(range(steps + 1), repeat=retrievers) if sum(point) == steps]
    return [Fusion(technique, tuple(part / steps for part in point)) for technique in TECHNIQUES for point in grid]


def installed_setting(pipeline: Mapping[str, Any]) -> Setting:
    """Read a pipeline's own choice."""
    processor = processor_of(pipeline)
    weights = tuple(
        float(options.get("weight", 1))
        for retriever in processor.get("retrievers") or [{"lexical": {}}]
        for options in retriever.values()
    )
    factor = float(processor.get("unread", {}).get("knn_factor", Unread().knn_factor))
    fusion = Fusion(processor.get("combination", {}).get("technique", "rrf"), weights, factor)
    rerank = processor.get("rerank")
    if rerank is None:
        return Setting(fusion, None)
    points = tuple((x, y) for x, y in rerank.get("calibration", {}).get("points", []))
    return Setting(fusion, Blend(rerank.get("weight", 0.5), rerank.get("normalization", "min_max"), points))


def isotonic(candidates: Sequence[QueryCandidates]) -> tuple[tuple[float, float], ...]:
    """Fit a rising line from the cross-encoder's score to relevance (grade / highest grade) over what it read.

    Unjudged documents are left out. Source: Zadrozny, Elkan, 2002, doi:10.1145/775047.775151
    """
    from scipy.optimize import isotonic_regression  # takes a second: only who tunes waits for it

    read = [np.flatnonzero(~np.isnan(query.relevance)) for query in candidates]
    scores = np.concatenate([query.relevance[rows] for query, rows in zip(candidates, read, strict=True)])
    grades = np.concatenate([query.gains[rows] for query, rows in zip(candidates, read, strict=True)])
    if len(scores) < _POINTS or grades.max() <= 0:
        return ()
    order = np.argsort(scores, kind="stable")
    fitted = isotonic_regression(grades[order] / grades.max()).x
    places = np.unique(np.linspace(0, len(order) - 1, _POINTS).round().astype(int))
    points: dict[float, float] = {}
    for place in places:
        points[round(float(scores[order][place]), 4)] = round(float(fitted[place]), 4)
    return tuple(points.items())


def deal(candidates: Sequence[QueryCandidates], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each query, at random; what is one need in several languages shares a fold.

    Raises:
        JudgementError: fewer needs than folds.
    """
    needs = {need: place for place, need in enumerate(dict.fromkeys(one.need for one in candidates))}
    if len(needs) < folds:
        raise JudgementError(
            f"{len(needs)} judged queries are too few for {folds} folds; judge more, or ask for fewer folds"
        )
    dealt = np.random.default_rng(seed).permutation(len(needs)) % folds
    return np.array([dealt[needs[one.need]] for one in candidates])
