"""What each step of the query path adds, on queries that no weight was fitted on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plugin.tune_candidates import Floats, QueryCandidates, retriever_names
from plugin.tune_groups import compare_needs
from plugin.tune_ranking import Blend, Fusion
from plugin.tune_settings import Setting, SettingValues, deal
from rerank.evaluation.metrics import Significance


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of the path with all before it: mean nDCG@10, by language too (the queries' own), and beside the step
    before (None for the first)."""

    name: str
    mean: float
    by_language: Mapping[str, float]
    gain: Significance | None


@dataclass(frozen=True, slots=True)
class Steps:
    """All steps over the same queries; `worse`: languages, and by how much, in which the last is below the first."""

    queries: int
    by_language: Mapping[str, int]
    steps: Sequence[Step]
    worse: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return asdict(self)


def measure_steps(
    pipeline: Mapping[str, Any],
    candidates: Sequence[QueryCandidates],
    languages: Mapping[str, str],
    *,
    folds: int = 5,
    seed: int = 13,
    advance: Callable[[], None] = lambda: None,
) -> Steps:
    """Measure the retrievers one after the other under plain RRF, then fusion, reranking and blend.

    `fusion` chooses technique and weights, and `blend` the cross-encoder's share and calibration, on the other folds'
    queries; `rerank` is the cross-encoder's order of the rerank window alone.

    Args:
        pipeline: whose retrievers and windows; its own weights do not count.
        candidates: as `gather` returns.
        languages: query id to language, or to whatever else queries are to be told apart by.
        folds: at least 2; translations of one query share a fold.
        seed: of the dealing.
        advance: called after each fold.

    Raises:
        JudgementError: fewer queries than folds.
    """
    bench = SettingValues(pipeline, candidates)
    values = _untuned(bench, retriever_names(pipeline))
    values |= _tuned(bench, deal(candidates, folds, seed), folds, advance)
    ids = [one.query_id for one in candidates]
    of = np.array([languages[query_id] for query_id in ids])
    steps: list[Step] = []
    before: Floats | None = None
    for name, own in values.items():
        means = {language: float(own[of == language].mean()) for language in sorted(set(of.tolist()))}
        steps.append(
            Step(name, float(own.mean()), means, None if before is None else compare_needs(candidates, own, before))
        )
        before = own
    first, last = steps[0].by_language, steps[-1].by_language
    worse = {language: last[language] - first[language] for language in first if last[language] < first[language]}
    return Steps(len(ids), {language: int((of == language).sum()) for language in first}, steps, worse)


def _untuned(bench: SettingValues, names: Sequence[str]) -> dict[str, Floats]:
    """Each retriever added to those before it, equal weights."""
    found = {}
    for count, name in enumerate(names, 1):
        weights = tuple(float(place < count) for place in range(len(names)))
        found[name if count == 1 else f"+ {name}"] = bench.of(
            Setting(Fusion("rrf", weights, bench.installed.fusion.knn_factor), None)
        )
    return found


def _tuned(bench: SettingValues, fold_of: Any, folds: int, advance: Callable[[], None]) -> dict[str, Floats]:
    names = ["+ tuned fusion", "+ rerank", "+ blend"] if bench.reranks else ["+ tuned fusion"]
    found = {name: np.zeros(len(fold_of)) for name in names}
    for fold in range(folds):
        test, train = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        chosen = bench.choose(train)
        settings = [Setting(chosen.fusion, None), Setting(chosen.fusion, Blend(1.0)), chosen]
        for name, setting in zip(names, settings, strict=False):
            found[name][test] = bench.of(setting)[test]
        advance()
    return found
