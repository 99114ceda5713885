"""Choosing fusion, blend and skips from judgements by cross-validation; it never ships what measures worse."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plugin.pipelines import processor_of
from plugin.tune_candidates import Floats, QueryCandidates, retriever_names
from plugin.tune_ranking import TECHNIQUES, Blend, Fusion, fused, value
from rerank.evaluation.judgements import JudgementError
from rerank.evaluation.metrics import Significance, compare

STEPS = 10
"""Weights are multiples of 1 / STEPS."""
BLENDS = tuple(round(0.1 * step, 1) for step in range(1, 10))
SMALLEST_GROUP = 5
"""A language or query class with fewer judged queries is not judged by them."""
_POINTS = 12


@dataclass(frozen=True, slots=True)
class Setting:
    """A choice: how to fuse, and how to blend (None: no reranking)."""

    fusion: Fusion
    blend: Blend | None


@dataclass(frozen=True, slots=True)
class Group:
    """What reranking did, on held-out queries, to one language or query class; `delta` is in nDCG@10."""

    kind: str
    name: str
    queries: int
    delta: float
    skipped: bool


@dataclass(frozen=True, slots=True)
class Tuning:
    """`chosen` on all queries; figures are of settings chosen without the query they are measured on (nDCG@10)."""

    queries: int
    chosen: Setting
    groups: list[Group]
    means: Mapping[str, float]
    tuned_vs_installed: Significance
    reranked_vs_fused: Significance
    pipeline: Mapping[str, Any]

    @property
    def helps(self) -> bool:
        """Whether held-out queries are answered better than by what is installed."""
        return self.tuned_vs_installed.delta > 0

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {**asdict(self), "helps": self.helps}


def tune(
    pipeline: Mapping[str, Any],
    candidates: Sequence[QueryCandidates],
    *,
    folds: int = 5,
    seed: int = 13,
    advance: Callable[[], None] = lambda: None,
) -> Tuning:
    """Choose technique and weights, then blend, on the other folds' queries; measure on each fold's own.

    Args:
        pipeline: the installed search pipeline.
        candidates: as `gather` returns.
        folds: at least 2; queries are dealt out at random.
        seed: of the dealing.
        advance: called after each fold.

    Raises:
        JudgementError: fewer queries than folds.
    """
    if len(candidates) < folds:
        raise JudgementError(
            f"{len(candidates)} judged queries are too few for {folds} folds; judge more, or ask for fewer folds"
        )
    bench = _Bench(pipeline, candidates)
    fold_of = np.random.default_rng(seed).permutation(len(candidates)) % folds
    installed = bench.values(bench.installed)
    fused_values, reranked_values = np.zeros(len(candidates)), np.zeros(len(candidates))
    for fold in range(folds):
        test, train = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        setting = bench.choose(train)
        fused_values[test] = bench.values(Setting(setting.fusion, None))[test]
        reranked_values[test] = bench.values(setting)[test]
        advance()
    groups = _groups(candidates, reranked_values - fused_values) if bench.reranks else []
    tuned = np.where(_skips(candidates, groups), fused_values, reranked_values)
    chosen = bench.choose(np.arange(len(candidates)))
    ids = [one.query_id for one in candidates]

    def by_id(values: Floats) -> dict[str, float]:
        return dict(zip(ids, values.tolist(), strict=True))

    return Tuning(
        queries=len(candidates),
        chosen=chosen,
        groups=groups,
        means={
            "installed": float(installed.mean()),
            "fused": float(fused_values.mean()),
            "reranked": float(reranked_values.mean()),
            "tuned": float(tuned.mean()),
        },
        tuned_vs_installed=compare(by_id(tuned), by_id(installed)),
        reranked_vs_fused=compare(by_id(reranked_values), by_id(fused_values)),
        pipeline=rewritten(pipeline, chosen, groups),
    )


class _Bench:
    """Every setting's value on every query, computed once."""

    def __init__(self, pipeline: Mapping[str, Any], candidates: Sequence[QueryCandidates]) -> None:
        processor = processor_of(pipeline)
        self.candidates = candidates
        self.window = processor.get("window", 100)
        self.reranks = "rerank" in processor
        self.rerank_window = processor.get("rerank", {}).get("window", min(50, self.window))
        self.installed = installed_setting(pipeline)
        self.fusions = [*_fusions(len(retriever_names(pipeline))), self.installed.fusion]
        self._known: dict[Setting, Floats] = {}
        self._fused: dict[Fusion, list[Floats]] = {}

    def values(self, setting: Setting) -> Floats:
        if setting not in self._known:
            scores = self._fused.setdefault(setting.fusion, [fused(query, setting.fusion) for query in self.candidates])
            self._known[setting] = np.array(
                [
                    value(query, one, setting.blend, window=self.window, rerank_window=self.rerank_window)
                    for query, one in zip(self.candidates, scores, strict=True)
                ]
            )
        return self._known[setting]

    def choose(self, train: Any) -> Setting:
        """Return the fusion that is best on these queries, with the blend that is best on top of it."""
        fusion = max(self.fusions, key=lambda one: float(self.values(Setting(one, None))[train].mean()))
        if not self.reranks:
            return Setting(fusion, None)
        points = isotonic([self.candidates[index] for index in train])
        blends = [Blend(weight, "none", given) for weight in BLENDS for given in ((), points)]
        blends += [Blend(weight, "min_max") for weight in BLENDS]
        blend = max(blends, key=lambda one: float(self.values(Setting(fusion, one))[train].mean()))
        return Setting(fusion, blend)


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
    fusion = Fusion(processor.get("combination", {}).get("technique", "rrf"), weights)
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


def _groups(candidates: Sequence[QueryCandidates], deltas: Floats) -> list[Group]:
    groups = []
    for kind in ("language", "query_class"):
        names = [str(getattr(one, kind)) for one in candidates]
        for name in sorted(set(names)):
            own = deltas[[other == name for other in names]]
            harmed = len(own) >= SMALLEST_GROUP and float(own.mean()) < 0
            groups.append(Group(kind, name, len(own), float(own.mean()), harmed))
    return groups


def _skips(candidates: Sequence[QueryCandidates], groups: Sequence[Group]) -> list[bool]:
    skipped = {(group.kind, group.name) for group in groups if group.skipped}
    return [("language", one.language) in skipped or ("query_class", one.query_class) in skipped for one in candidates]


def rewritten(pipeline: Mapping[str, Any], setting: Setting, groups: Sequence[Group]) -> dict[str, Any]:
    """Return the pipeline with the setting and the skips in it; everything else stays."""
    body = copy.deepcopy(dict(pipeline))
    processor = processor_of(body)
    processor["retrievers"] = processor.get("retrievers") or [{"lexical": {}}]
    options = [one for retriever in processor["retrievers"] for one in retriever.values()]
    for one, weight in zip(options, setting.fusion.weights, strict=True):
        one["weight"] = weight
    processor["combination"] = {**processor.get("combination", {}), "technique": setting.fusion.technique}
    if setting.blend is None:
        return body
    rerank = processor["rerank"]
    rerank |= {"weight": setting.blend.weight, "normalization": setting.blend.normalization}
    rerank.pop("calibration", None)
    rerank.pop("skip", None)
    if setting.blend.points:
        rerank["calibration"] = {"points": [list(point) for point in setting.blend.points]}
    skip = {
        key: [group.name for group in groups if group.skipped and group.kind == kind]
        for key, kind in (("languages", "language"), ("classes", "query_class"))
    }
    if any(skip.values()):
        rerank["skip"] = {key: names for key, names in skip.items() if names}
    return body
