"""Evaluate a reranker on judged lists: per language and class of query, against a baseline, Keep and Shuffle."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ir_measures
import numpy as np
from ir_measures import AP, RR, R, nDCG
from scipy.stats import bootstrap

from rerank.baselines import KeepScorer, ShuffleScorer
from rerank.evaluation.candidates import CandidateList
from rerank.evaluation.judgements import Judgement, JudgementError
from rerank.evaluation.metrics import Ranking, compare, mean
from rerank.protocols import Scorer

MEASURES: Mapping[str, Any] = {"nDCG@10": nDCG @ 10, "AP": AP, "RR": RR, "R@10": R @ 10, "R@50": R @ 50}
MAIN = "nDCG@10"
RESAMPLES = 9999
EXAMPLES = 5
"""How many of the best and of the worst queries are shown."""

PerQuery = Mapping[str, Mapping[str, float]]
"""Measure -> query id -> value."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Means by system, by group of queries (language or class), differences to the baseline, and telling queries.

    `systems`: system -> measure -> mean. `groups`: kind -> group -> system -> mean nDCG@10, `queries` beside them.
    `differences`: other system -> the paired comparison of the first system with it. `values`: system -> query -> nDCG.
    """

    queries: int
    systems: Mapping[str, Mapping[str, float]]
    groups: Mapping[str, Mapping[str, Mapping[str, float]]]
    differences: Mapping[str, Mapping[str, float]]
    best: Sequence[Mapping[str, Any]]
    worst: Sequence[Mapping[str, Any]]
    values: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def evaluate(
    name: str,
    scorer: Scorer,
    lists: Sequence[CandidateList],
    *,
    baseline: tuple[str, Scorer] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Rank every list with each system and compare them query by query.

    Args:
        name: of the system.
        scorer: the system.
        lists: judged candidates, best first by the retriever; the baseline Keep leaves them so.
        baseline: name and scorer of another system; None compares with Keep and Shuffle alone.
        advance: called once for each list a model has scored.

    Raises:
        JudgementError: a list has no judgements.
    """
    if any(item.grades is None for item in lists):
        raise JudgementError("an evaluation needs judgements for every query; give --qrels")
    scorers = {name: scorer} | dict([baseline] if baseline else []) | {"keep": KeepScorer(), "shuffle": ShuffleScorer()}
    runs: dict[str, PerQuery] = {}
    for system, model in scorers.items():
        ranking = {}
        for item in lists:
            order = np.argsort(-model.score(item.pairs()), kind="stable")
            ranking[item.query.query_id] = [item.doc_ids[index] for index in order]
            if system not in ("keep", "shuffle"):
                advance()
        runs[system] = _measured(ranking, lists)
    main = {system: dict(values[MAIN]) for system, values in runs.items()}
    against = baseline[0] if baseline else "keep"
    return Evaluation(
        queries=len(lists),
        systems={
            system: {measure: round(mean(v), 5) for measure, v in values.items()} for system, values in runs.items()
        },
        groups={
            "language": _groups(lists, main, lambda item: item.query.language),
            "class": _groups(lists, main, lambda item: query_class(item.query.text)),
        },
        differences={other: paired(main[name], main[other]) for other in main if other != name},
        best=_telling(lists, main, name, against, best=True),
        worst=_telling(lists, main, name, against, best=False),
        values=main,
    )


def query_class(text: str) -> str:
    """Return what a query looks like: `code` (letters with digits), or its length in words."""
    words = text.split()
    if any(any(c.isdigit() for c in word) and any(c.isalpha() for c in word) for word in words):
        return "code"
    return {0: "one word", 1: "one word", 2: "two words"}.get(len(words), "three words or more")


def paired(system: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Return the mean difference over the same queries, its 95 % bootstrap interval, p by permutation, and counts.

    Source: Efron, Tibshirani, 1993, An Introduction to the Bootstrap (percentile interval, queries resampled).
    """
    found = compare(system, baseline)
    differences = np.array([system[query] - baseline[query] for query in system])
    low = high = found.delta
    if len(differences) > 1 and np.ptp(differences) > 0:
        interval = bootstrap(
            (differences,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(20)
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return {
        "delta": round(found.delta, 5),
        "low": round(low, 5),
        "high": round(high, 5),
        "p": round(found.p_permutation, 5),
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
    }


def _measured(ranking: Ranking, lists: Sequence[CandidateList]) -> PerQuery:
    judgements = [
        Judgement(item.query.query_id, doc_id, grade) for item in lists for doc_id, grade in (item.grades or {}).items()
    ]
    qrels = [ir_measures.Qrel(item.query_id, item.doc_id, item.relevance) for item in judgements]
    run = [
        ir_measures.ScoredDoc(query_id, doc_id, float(len(doc_ids) - position))
        for query_id, doc_ids in ranking.items()
        for position, doc_id in enumerate(doc_ids)
    ]
    names = {str(measure): name for name, measure in MEASURES.items()}
    values: dict[str, dict[str, float]] = {name: {item.query.query_id: 0.0 for item in lists} for name in MEASURES}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        values[names[str(metric.measure)]][metric.query_id] = metric.value
    return values


def _groups(
    lists: Sequence[CandidateList],
    values: Mapping[str, Mapping[str, float]],
    group_of: Callable[[CandidateList], str],
) -> dict[str, dict[str, float]]:
    members: dict[str, list[str]] = defaultdict(list)
    for item in lists:
        members[group_of(item)].append(item.query.query_id)
    return {
        group: {"queries": len(ids)}
        | {
            system: round(float(np.mean([per_query[query] for query in ids])), 5)
            for system, per_query in values.items()
        }
        for group, ids in sorted(members.items())
    }


def _telling(
    lists: Sequence[CandidateList], values: Mapping[str, Mapping[str, float]], name: str, against: str, *, best: bool
) -> list[dict[str, Any]]:
    texts = {item.query.query_id: item.query.text for item in lists}
    changes = {query: values[name][query] - values[against][query] for query in texts}
    order = sorted(changes, key=lambda query: changes[query], reverse=best)[:EXAMPLES]
    return [
        {"query": texts[query], name: round(values[name][query], 4), against: round(values[against][query], 4)}
        for query in order
        if (changes[query] > 0) is best and changes[query]
    ]
