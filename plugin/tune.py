"""Choosing fusion, blend and skips from judgements by cross-validation; it never ships what measures worse."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from plugin.pipelines import processor_of
from plugin.tune_candidates import Floats, QueryCandidates, retriever_names
from plugin.tune_groups import SURE, OwnWeights, compare_needs, overrides, own_weights
from plugin.tune_settings import Setting, SettingValues, deal, installed_setting
from rerank.evaluation.metrics import Significance

SMALLEST_GROUP = 5
"""A language or query class with fewer judged queries is not judged by them."""


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
    """`chosen` on all queries, `own` for some of them; figures are of settings chosen without the query they are
    measured on (nDCG@10). `unread`: how many of the queries the embedder does not read."""

    queries: int
    unread: int
    chosen: Setting
    own: list[OwnWeights]
    groups: list[Group]
    means: Mapping[str, float]
    tuned_vs_installed: Significance
    reranked_vs_fused: Significance
    pipeline: Mapping[str, Any]

    @property
    def helps(self) -> bool:
        """Whether held-out queries are answered better than by what is installed, and not by chance."""
        return self.tuned_vs_installed.delta > 0 and self.tuned_vs_installed.p_permutation < SURE

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        plain = asdict(replace(self, own=[]))
        return {**plain, "own": [one.as_json() for one in self.own], "helps": self.helps}


def tune(
    pipeline: Mapping[str, Any],
    candidates: Sequence[QueryCandidates],
    *,
    folds: int = 5,
    seed: int = 13,
    advance: Callable[[], None] = lambda: None,
) -> Tuning:
    """Choose technique and weights, then blend, on the other folds' queries; measure on each fold's own.

    Where there are queries that the embedder does not read, what their vectors count is chosen, too.

    A language or query class whose held-out queries are answered better by weights of its own gets them.

    Args:
        pipeline: the installed search pipeline.
        candidates: as `gather` returns.
        folds: at least 2; queries are dealt out at random, translations of one query together.
        seed: of the dealing.
        advance: called after each fold.

    Raises:
        JudgementError: fewer queries than folds.
    """
    fold_of = deal(candidates, folds, seed)
    bench = SettingValues(pipeline, candidates)
    installed = bench.installed_values()
    settings: list[Setting] = []
    for fold in range(folds):
        settings.append(bench.choose(np.flatnonzero(fold_of != fold)))
        advance()
    chosen = bench.choose(np.arange(len(candidates)))
    own = own_weights(bench, candidates, fold_of, settings, chosen.fusion)
    of_query = [settings[fold] for fold in fold_of.tolist()]
    for one in own:
        for place in one.places.tolist():
            of_query[place] = one.settings[fold_of[place]]
    fused_values = np.array([bench.of(Setting(one.fusion, None))[place] for place, one in enumerate(of_query)])
    reranked_values = np.array([bench.of(one)[place] for place, one in enumerate(of_query)])
    groups = _groups(candidates, reranked_values - fused_values) if bench.reranks else []
    tuned = np.where(_skips(candidates, groups), fused_values, reranked_values)
    return Tuning(
        queries=len(candidates),
        unread=sum(bool(one.vectors) for one in candidates),
        chosen=chosen,
        own=own,
        groups=groups,
        means={
            "installed": float(installed.mean()),
            "fused": float(fused_values.mean()),
            "reranked": float(reranked_values.mean()),
            "tuned": float(tuned.mean()),
        },
        tuned_vs_installed=compare_needs(candidates, tuned, installed),
        reranked_vs_fused=compare_needs(candidates, reranked_values, fused_values),
        pipeline=rewritten(pipeline, chosen, groups, own),
    )


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


def rewritten(
    pipeline: Mapping[str, Any], setting: Setting, groups: Sequence[Group], own: Sequence[OwnWeights] = ()
) -> dict[str, Any]:
    """Return the pipeline with the setting, the skips and the groups' own weights in it; everything else stays."""
    body = copy.deepcopy(dict(pipeline))
    processor = processor_of(body)
    processor["retrievers"] = processor.get("retrievers") or [{"lexical": {}}]
    options = [one for retriever in processor["retrievers"] for one in retriever.values()]
    for one, weight in zip(options, setting.fusion.weights, strict=True):
        one["weight"] = weight
    processor["combination"] = {**processor.get("combination", {}), "technique": setting.fusion.technique}
    processor["combination"].pop("overrides", None)
    if setting.fusion.knn_factor != installed_setting(pipeline).fusion.knn_factor:
        processor["unread"] = {**processor.get("unread", {}), "knn_factor": setting.fusion.knn_factor}
    if own:
        processor["combination"]["overrides"] = overrides(own, retriever_names(pipeline))
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
