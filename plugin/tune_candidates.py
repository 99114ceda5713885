"""What tuning works on: for each judged query every candidate with each retriever's score and the cross-encoder's."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plugin.client import OpenSearch, cluster_errors
from plugin.errors import BusyError
from plugin.patience import Patience
from plugin.pipelines import Unread, processor_of
from plugin.search import plain_query
from rerank.evaluation.judgements import JudgedQuery, Judgement

Floats = NDArray[np.float64]
ALL = 1000
"""The largest window a pipeline may have: nothing that a retriever found is cut off."""


@dataclass(frozen=True, slots=True)
class QueryCandidates:
    """One query's candidates, those that some retriever ranks best first: so the engine orders equal fused scores.

    `scores` is (candidates, retrievers) with NaN where a retriever did not find it; `relevance` (candidates,) is the
    cross-encoder's score, NaN where it read nothing; `gains` (candidates,) are grades, 0 when unjudged; `judged` holds
    the grades of all judged documents, found or not. `need` is the same for one query in several languages. Of a query
    that the embedder does not read, `vectors` (retrievers,) tells which weights are multiplied by the `knn_factor`, and
    of one that the reranker does not read, `reranked` is false: see `plugin.pipelines.Unread`.
    """

    query_id: str
    language: str
    query_class: str
    scores: Floats
    relevance: Floats
    gains: Floats
    judged: Floats
    need: str
    vectors: tuple[bool, ...] = ()
    reranked: bool = True


def gather(
    client: OpenSearch,
    index: str,
    pipeline: Mapping[str, Any],
    queries: Sequence[JudgedQuery],
    judgements: Sequence[Judgement],
    *,
    depth: int,
    patience: Patience | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[QueryCandidates]:
    """Ask the node once for each query, with everything that retrievers find and the first `depth` of them reranked.

    Queries without a relevant document are left out. An answer that lost a stage is asked for again as long as
    `patience` lasts (None: not at all), for what is missing would be tuned away.

    Raises:
        ClusterError: the cluster cannot be reached, or an answer stays degraded.
    """
    patience = patience or Patience(0)
    grades: dict[str, dict[str, int]] = {}
    for judgement in judgements:
        grades.setdefault(judgement.query_id, {})[judgement.doc_id] = judgement.relevance
    body = wide_open(pipeline, depth)
    names = retriever_names(pipeline)
    vectors = tuple("knn" in one for one in processor_of(body)["retrievers"])
    found = []
    for query in queries:
        judged = grades.get(query.query_id, {})
        if any(grade > 0 for grade in judged.values()):
            section = patience.call(partial(_ask, client, index, body, query))
            found.append(_candidates(section, query, names, judged, vectors if section.get("unread") else ()))
        advance()
    return found


def wide_open(pipeline: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return the pipeline without policy, skips and overrides; fusion cuts nothing off, the reranker reads `depth`."""
    body = copy.deepcopy(dict(pipeline))
    processor = processor_of(body)
    window = processor.get("window", 100)
    processor.pop("policy", None)
    processor["window"] = ALL
    processor.get("combination", {}).pop("overrides", None)
    if processor.get("unread", {}).get("knn_factor") == 0:  # vectors are not even asked then
        processor["unread"]["knn_factor"] = Unread().knn_factor
    processor["retrievers"] = processor.get("retrievers") or [{"lexical": {}}]
    for retriever in processor["retrievers"]:
        for options in retriever.values():
            options.setdefault("window", window)
    if rerank := processor.get("rerank"):
        for key in ("skip", "chunk", "adaptive", "top_k", "calibration", "business"):
            rerank.pop(key, None)
        rerank["window"] = depth
    return body


def retriever_names(pipeline: Mapping[str, Any]) -> list[str]:
    """Return the retrievers' keys in the response, in the pipeline's order."""
    names = []
    for retriever in processor_of(pipeline).get("retrievers") or [{"lexical": {}}]:
        ((kind, options),) = retriever.items()
        names.append(options.get("name") or (f"knn.{options['field']}" if kind == "knn" else kind))
    return names


def _ask(client: OpenSearch, index: str, body: Mapping[str, Any], query: JudgedQuery) -> dict[str, Any]:
    search = {
        "query": plain_query(query.text),
        "size": ALL,
        "_source": False,
        "search_pipeline": body,
        "ext": {"polyrank": {"deadline_ms": 60_000}},
    }
    with cluster_errors(f"search {index}"):
        section: dict[str, Any] = client.search(index=index, body=search)["ext"]["polyrank"]
    if section["degraded"]:
        raise BusyError(
            f"query {query.query_id} was answered without a stage: {section['degraded']}; tune when all answer"
        )
    return section


def _candidates(
    section: Mapping[str, Any],
    query: JudgedQuery,
    names: Sequence[str],
    judged: Mapping[str, int],
    vectors: tuple[bool, ...],
) -> QueryCandidates:
    # Not in the answer's order, which is the reranker's: weights under which all scores are equal would inherit it.
    found = (hit for hit in section["hits"] if hit["ranks"])
    hits = sorted(found, key=lambda hit: (min(hit["ranks"].values()), hit["fused"]["rank"]))
    language = (section["language"] or {}).get("code") or query.language
    return QueryCandidates(
        query_id=query.query_id,
        language=language,
        query_class=section["query_class"],
        scores=np.array([[hit["scores"].get(name, np.nan) for name in names] for hit in hits]).reshape(-1, len(names)),
        relevance=np.array([hit["rerank"]["score"] if hit["rerank"] else np.nan for hit in hits]),
        gains=np.array([float(judged.get(hit["_id"], 0)) for hit in hits]),
        judged=np.array([float(grade) for grade in judged.values()]),
        need=query.base or query.query_id,
        vectors=vectors,
        reranked=not section.get("rerank_skipped"),
    )
