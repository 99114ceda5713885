"""Effectiveness of rankings by ir-measures' names, and paired significance of a difference.

A query that has judgements and no ranking counts as zero; a query without judgements does not count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from ir_measures import RR, Judged, R, nDCG
from numpy.typing import NDArray

from rerank.evaluation.judgements import Judgement

MEASURES = {
    "nDCG@10": nDCG @ 10,
    "Judged@10": Judged @ 10,
    "RR": RR,
    "R@100": R @ 100,
    "condensed nDCG@10": nDCG(judged_only=True) @ 10,
}
"""Reported name -> measure. nDCG has linear gains. "condensed" drops unjudged documents before it cuts at ten
(Source: Sakai, 2007, Alternatives to Bpref)."""

Ranking = Mapping[str, Sequence[str]]
"""Query id -> document ids, best first."""


@dataclass(frozen=True, slots=True)
class Significance:
    """A paired comparison of one measure over the same queries.

    `delta` is the mean of (system - baseline); `p_permutation` is two-sided over random sign flips,
    `p_t` is of the paired t-test; `wins`, `losses` and `ties` count queries.
    """

    queries: int
    delta: float
    p_permutation: float
    p_t: float
    wins: int
    losses: int
    ties: int


def per_query(ranking: Ranking, judgements: Iterable[Judgement]) -> dict[str, dict[str, float]]:
    """Return measure name -> query id -> value, for each query that has a judgement.

    Ranks come from list order alone, so equal scores cannot reorder documents.
    """
    qrels = [ir_measures.Qrel(item.query_id, item.doc_id, item.relevance) for item in judgements]
    run = [
        ir_measures.ScoredDoc(query_id, doc_id, float(len(doc_ids) - position))
        for query_id, doc_ids in ranking.items()
        for position, doc_id in enumerate(doc_ids)
    ]
    names = {str(measure): name for name, measure in MEASURES.items()}
    values: dict[str, dict[str, float]] = {
        name: dict.fromkeys(dict.fromkeys(item.query_id for item in qrels), 0.0) for name in MEASURES
    }
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        values[names[str(metric.measure)]][metric.query_id] = metric.value
    return values


def ndcg(gains: NDArray[np.float64], judged: NDArray[np.float64] | None = None, cutoff: int = 10) -> float:
    """Return nDCG of one ranking with linear gains; 0.0 when nothing is worth anything.

    Args:
        gains: of the ranked documents (n,), best rank first; 0 or more, not only whole numbers.
        judged: of everything that could have been ranked; None: nothing beyond `gains`.
        cutoff: ranks that count.

    Source: Jarvelin, Kekalainen, 2002, doi:10.1145/582415.582418.
    """
    ideal = np.sort(gains if judged is None else judged)[::-1][:cutoff]
    best = float((ideal / np.log2(np.arange(2, len(ideal) + 2))).sum())
    found = gains[:cutoff]
    return float((found / np.log2(np.arange(2, len(found) + 2))).sum()) / best if best > 0 else 0.0


def mean(values: Mapping[str, float]) -> float:
    """Return the mean over queries; 0.0 when there is none."""
    return float(np.mean(list(values.values()))) if values else 0.0


def compare(system: Mapping[str, float], baseline: Mapping[str, float], *, seed: int = 20) -> Significance:
    """Compare two systems query by query; neither corrects for several comparisons.

    Args:
        system: query id -> value.
        baseline: query id -> value, of the same queries.
        seed: of the sign flips (9,999 of them, or all when there are fewer).

    Raises:
        ValueError: the two do not hold the same queries.

    Source: Smucker, Allan, Carterette, 2007, A Comparison of Statistical Significance Tests for
    Information Retrieval Evaluation.
    """
    from scipy.stats import permutation_test, ttest_rel  # takes a second: only who compares waits for it

    if system.keys() != baseline.keys():
        raise ValueError("a paired comparison needs the same queries on both sides")
    differences = np.array([system[query] - baseline[query] for query in system])
    wins, losses = int(np.sum(differences > 1e-9)), int(np.sum(differences < -1e-9))
    delta = float(differences.mean()) if differences.size else 0.0
    p_permutation = p_t = 1.0
    if differences.size > 1 and wins + losses:
        p_t = float(ttest_rel(list(system.values()), [baseline[query] for query in system]).pvalue)
        p_permutation = float(
            permutation_test(
                (differences, np.zeros_like(differences)),
                lambda left, right, axis: np.mean(left - right, axis=axis),
                permutation_type="samples",
                vectorized=True,
                n_resamples=9999,
                rng=np.random.default_rng(seed),
            ).pvalue
        )
    return Significance(
        queries=len(differences),
        delta=delta,
        p_permutation=p_permutation,
        p_t=p_t if p_t == p_t else 0.0,  # a constant difference has no variance: scipy answers NaN
        wins=wins,
        losses=losses,
        ties=len(differences) - wins - losses,
    )
