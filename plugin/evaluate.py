"""Four systems over one index and one set of judgements: BM25, kNN, their fusion, and the reranked pipeline.

Every ranking comes from the node through the search pipeline, as users get it; the three partial systems are the
installed pipeline with stages left out, sent inline with the request.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from plugin.client import OpenSearch, cluster_errors
from plugin.pipelines import System, read_pipeline, variant
from plugin.search import plain_query
from rerank.evaluation.judgements import JudgedQuery, Judgement, JudgementError, write_run
from rerank.evaluation.metrics import MEASURES, Significance, compare, mean, per_query

SYSTEMS = ("bm25", "knn", "hybrid", "reranked")
COMPARISONS = (("reranked", "hybrid"), ("hybrid", "bm25"))
DEPTH = 100
MAIN_MEASURE = "nDCG@10"


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """How to evaluate. `deadline_ms` is generous by default: quality is measured here, not this machine's haste."""

    systems: Sequence[str] = SYSTEMS
    pipeline: str | None = None
    deadline_ms: int = 20_000
    runs: Path | None = None


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One system's ranking and its value per measure and query; `degraded` counts answers that lost a stage."""

    ranking: Mapping[str, Sequence[tuple[str, float]]]
    values: Mapping[str, Mapping[str, float]]
    degraded: Mapping[str, str] = field(default_factory=dict)

    def means(self) -> dict[str, float]:
        """Return measure -> mean over the judged queries."""
        return {name: mean(self.values[name]) for name in MEASURES}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` measured; `as_json` is the shape that `plugin evaluate --json` prints."""

    index: str
    queries: Sequence[JudgedQuery]
    results: Mapping[str, SystemResult]
    significance: Mapping[str, Significance]

    def by_language(self) -> dict[str, dict[str, float]]:
        """Return language -> system -> mean nDCG@10 over the queries of that language."""
        table: dict[str, dict[str, float]] = {}
        for language in sorted({query.language for query in self.queries}):
            ids = [query.query_id for query in self.queries if query.language == language]
            table[language] = {
                system: mean({query_id: result.values[MAIN_MEASURE][query_id] for query_id in ids})
                for system, result in self.results.items()
            }
        return table

    def hurt(self) -> list[dict[str, Any]]:
        """Return the queries that reranking made worse than fusion, the worst first."""
        if not {"reranked", "hybrid"} <= self.results.keys():
            return []
        before, after = (self.results[system].values[MAIN_MEASURE] for system in ("hybrid", "reranked"))
        rows = [
            {
                "query_id": query.query_id,
                "query": query.text,
                "hybrid": before[query.query_id],
                "reranked": after[query.query_id],
            }
            for query in self.queries
            if after[query.query_id] < before[query.query_id] - 1e-9
        ]
        return sorted(rows, key=lambda row: row["reranked"] - row["hybrid"])

    def as_json(self) -> dict[str, Any]:
        """Return each system's measures under its own key, then counts, significance and losses."""
        return {
            **{system: result.means() for system, result in self.results.items()},
            "index": self.index,
            "queries": len(self.queries),
            "significance": {name: asdict(result) for name, result in self.significance.items()},
            "by_language": self.by_language(),
            "degraded": {system: dict(result.degraded) for system, result in self.results.items()},
            "hurt": self.hurt(),
        }


def evaluate(
    client: OpenSearch,
    index: str,
    queries: Sequence[JudgedQuery],
    judgements: Sequence[Judgement],
    options: EvaluationOptions | None = None,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Rank every judged query with every system and measure the rankings.

    Queries without a relevant document among the judgements are left out: every order of theirs is worth 0.

    Args:
        client: as `plugin.client.connect` returns.
        index: index or alias; its pipeline has the same name unless `options.pipeline` says otherwise.
        queries: queries with ids.
        judgements: graded relevance; ids are the documents' `_id`.
        options: systems, pipeline, deadline, folder for TREC runs.
        advance: called after each answered query, for a progress bar.

    Raises:
        JudgementError: no query has a relevant document.
        ClusterError: the cluster refuses a search.
    """
    options = options or EvaluationOptions()
    answerable = {judgement.query_id for judgement in judgements if judgement.relevance > 0}
    judged = [query for query in queries if query.query_id in answerable]
    if not judged:
        raise JudgementError("no query has a relevant document; do queries and qrels belong together?")
    kept = {query.query_id for query in judged}
    relevant = [judgement for judgement in judgements if judgement.query_id in kept]
    results: dict[str, SystemResult] = {}
    for system, extra in _system_bodies(client, index, options).items():
        answers = {}
        for query in judged:
            answers[query.query_id] = _rank(client, index, query.text, extra)
            advance()
        results[system] = _measured(answers, relevant)
        if options.runs is not None:
            options.runs.mkdir(parents=True, exist_ok=True)
            write_run(options.runs / f"{system}.run", system, results[system].ranking)
    significance = {
        f"{left} vs {right}": compare(results[left].values[MAIN_MEASURE], results[right].values[MAIN_MEASURE])
        for left, right in COMPARISONS
        if left in results and right in results
    }
    return Evaluation(index, judged, results, significance)


def _system_bodies(client: OpenSearch, index: str, options: EvaluationOptions) -> dict[str, dict[str, Any]]:
    """Return system -> what its search body adds to the plain query."""
    installed = read_pipeline(client, options.pipeline or index)
    deadline = {"ext": {"polyrank": {"deadline_ms": options.deadline_ms}}}
    bodies: dict[str, dict[str, Any]] = {"bm25": {}}
    for system in (name for name in get_args(System) if name in options.systems):
        bodies[system] = {"search_pipeline": variant(installed, system), **deadline}
    return {system: bodies[system] for system in options.systems}


def _measured(
    answers: Mapping[str, tuple[list[tuple[str, float]], str | None]], judgements: Sequence[Judgement]
) -> SystemResult:
    ranking = {query_id: hits for query_id, (hits, _) in answers.items()}
    order = {query_id: [doc_id for doc_id, _ in hits] for query_id, hits in ranking.items()}
    degraded = {query_id: reason for query_id, (_, reason) in answers.items() if reason}
    return SystemResult(ranking, per_query(order, judgements), degraded)


def _rank(
    client: OpenSearch, index: str, text: str, extra: Mapping[str, Any]
) -> tuple[list[tuple[str, float]], str | None]:
    """Return the ids and scores of one ranking, and why the answer is degraded, if it is."""
    body = {"query": plain_query(text), "size": DEPTH, "_source": False, **extra}
    params = {} if "search_pipeline" in extra else {"search_pipeline": "_none"}
    with cluster_errors(f"search {index}"):
        answer = client.search(index=index, body=body, params=params)
    section = answer.get("ext", {}).get("polyrank", {})
    hits = [(hit["_id"], float(hit["_score"])) for hit in answer["hits"]["hits"]]
    return hits, section.get("degraded")
