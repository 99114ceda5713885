"""The gate before a swap: the new index compared with the old one by counts, mapping, sampled documents, searches
through the alias' own pipeline, and judged queries where there are any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.document import TRANSLATED_FIELDS
from ingest.reindex.generations import candidate, find_generations, read_note, write_note
from ingest.reindex.searches import compare_searches, search_check, speed_check
from ingest.reindex.stored import stored_document
from ingest.reindex.verdict import Check, Verdict
from plugin.client import OpenSearch, cluster_errors
from plugin.evaluate import MAIN_MEASURE, EvaluationOptions, evaluate
from plugin.index import SCHEMA_VERSION, VECTOR_FIELD, read_meta
from plugin.pipelines import find_pipeline
from rerank.evaluation.judgements import JudgedQuery, Judgement

FACTS = ("language", "brand", "category", "price", "currency", "gtin")
SEED = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate lets through. Shares are 0..1 of the old index; `ndcg_loss` is absolute; `slowdown` is a ratio of
    median latencies; `sample` counts documents, `searches` searches of each index."""

    count_change: float = 0.05
    missing: float = 0.02
    changed: float = 0.1
    ndcg_loss: float = 0.01
    slowdown: float = 1.5
    sample: int = 200
    searches: int = 100


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries and their judgements; the documents' ids are those of both indices."""

    queries: Sequence[JudgedQuery]
    judgements: Sequence[Judgement]


def verify(
    client: OpenSearch,
    alias: str,
    *,
    index: str | None = None,
    limits: Limits | None = None,
    judged: Judged | None = None,
) -> Verdict:
    """Compare a built index with the one searched, and note the verdict in it, for `swap` to read.

    Args:
        client: as `plugin.client.connect` returns.
        alias: the name that clients search.
        index: the built index; None: the newest.
        limits: what is let through.
        judged: with them, the gate compares nDCG@10 of the alias' whole pipeline.

    Raises:
        ReindexError: there is nothing to compare.
        ClusterError: the cluster cannot be reached or refuses a search.
    """
    limits = limits or Limits()
    generations = find_generations(client, alias)
    old, new = generations.searched, candidate(client, generations, index)
    pipeline = alias if find_pipeline(client, alias) is not None else None
    sample = _sample(client, old, limits.sample)
    texts = [query.text for query in judged.queries] if judged else [text for _, text in _titles(sample)]
    searches = compare_searches(client, (old, new), texts, limits.searches, pipeline)
    checks = [
        _complete(client, new),
        _counts(client, old, new, limits),
        _mapping(client, old, new),
        _vectors(client, new),
        _documents(client, new, sample, limits),
        search_check(searches),
        speed_check(searches, limits.slowdown),
    ]
    if judged is not None:
        checks.append(_relevance(client, (old, new), pipeline, judged, limits))
    verdict = Verdict(alias, old, new, checks)
    note = {"against": old, "passed": verdict.passed, "failed": list(verdict.failed)}
    write_note(client, new, verified={**note, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    return verdict


def _complete(client: OpenSearch, new: str) -> Check:
    done = bool(read_note(client, new).get("complete"))
    return Check("complete", done, "the build came to its end" if done else "the build broke off; go on with --resume")


def _counts(client: OpenSearch, old: str, new: str, limits: Limits) -> Check:
    before, after = _count(client, old), _count(client, new)
    change = abs(after - before) / before if before else float(after > 0)
    detail = f"{before} documents before, {after} after; a change of {change:.1%}, {limits.count_change:.0%} is allowed"
    return Check("counts", change <= limits.count_change and after > 0, detail, {"old": before, "new": after})


def _mapping(client: OpenSearch, old: str, new: str) -> Check:
    metas = {index: read_meta(client, index) for index in (old, new)}
    lost = [code for code in metas[old]["languages"] if code not in metas[new]["languages"]]
    unsearched = [name for name in metas[old].get("vectors", {}) if name not in metas[new].get("vectors", {})]
    problems = []
    if metas[new].get("schema_version") != SCHEMA_VERSION:
        problems.append(f"schema {metas[new].get('schema_version')}, not {SCHEMA_VERSION}")
    if lost:
        problems.append(f"languages no longer served: {', '.join(lost)}")
    if unsearched:
        problems.append(f"vector fields no longer there: {', '.join(unsearched)}")
    bundles = [meta.get("vectors", {}).get(VECTOR_FIELD, {}).get("bundle", "no vectors") for meta in metas.values()]
    kept = f"{len(metas[new]['languages'])} languages, vectors of {bundles[1]}"
    changed = f" (before: {bundles[0]})" if bundles[0] != bundles[1] else ""
    return Check("mapping", not problems, "; ".join(problems) or kept + changed)


def _vectors(client: OpenSearch, new: str) -> Check:
    if VECTOR_FIELD not in read_meta(client, new).get("vectors", {}):
        return Check("vectors", True, "the index is to have none")
    without = _count(client, new, {"bool": {"must_not": [{"exists": {"field": VECTOR_FIELD}}]}})
    detail = f"{without} documents have no vector" if without else "every document has one"
    return Check("vectors", without == 0, detail, {"without": without})


def _sample(client: OpenSearch, old: str, size: int) -> dict[str, dict[str, Any]]:
    """Draw documents of an index at random, the same ones each time: id -> source without vectors."""
    query = {"function_score": {"random_score": {"seed": SEED, "field": "_seq_no"}}}
    body = {"query": query, "size": min(size, 10_000), "_source": {"excludes": [VECTOR_FIELD]}}
    with cluster_errors(f"sample {old}"):
        found = client.search(index=old, body=body, params={"search_pipeline": "_none"})
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


def _titles(sample: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    found = [(doc_id, stored_document(doc_id, source, "").title) for doc_id, source in sample.items()]
    return [(doc_id, title) for doc_id, title in found if title]


def _documents(client: OpenSearch, new: str, sample: Mapping[str, Mapping[str, Any]], limits: Limits) -> Check:
    found: dict[str, Mapping[str, Any]] = {}
    if sample:
        with cluster_errors(f"read documents of {new}"):
            body = {"ids": list(sample)}
            answer = client.mget(index=new, body=body, params={"_source_excludes": VECTOR_FIELD})
        found = {doc["_id"]: doc["_source"] for doc in answer["docs"] if doc.get("found")}
    missing = [doc_id for doc_id in sample if doc_id not in found]
    changed = {doc_id: names for doc_id in found if (names := _differing(sample[doc_id], found[doc_id]))}
    total = max(len(sample), 1)
    passed = len(missing) / total <= limits.missing and len(changed) / total <= limits.changed
    examples = [f"{doc_id} is missing" for doc_id in missing[:2]]
    examples += [f"{doc_id} differs in {', '.join(names)}" for doc_id, names in list(changed.items())[:2]]
    detail = f"of {len(sample)} sampled, {len(missing)} are missing and {len(changed)} differ"
    figures = {"sampled": len(sample), "missing": len(missing), "changed": len(changed)}
    return Check("documents", passed, detail + (f" ({'; '.join(examples)})" if examples else ""), figures)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name the fields that differ: facts, and texts in the language of the source; translations may differ."""
    left, right = (stored_document("", source, "") for source in (before, after))
    texts = [name for name in TRANSLATED_FIELDS if getattr(left, name) != getattr(right, name)]
    return texts + [name for name in FACTS if before.get(name) != after.get(name)]


def _relevance(
    client: OpenSearch, pair: tuple[str, str], pipeline: str | None, judged: Judged, limits: Limits
) -> Check:
    system = "reranked" if pipeline else "bm25"
    options = EvaluationOptions(systems=(system,), pipeline=pipeline)
    results = [evaluate(client, index, judged.queries, judged.judgements, options).results[system] for index in pair]
    before, after = (result.means()[MAIN_MEASURE] for result in results)
    detail = (
        f"{MAIN_MEASURE} of {system} {before:.4f} before, {after:.4f} after; a loss of {limits.ndcg_loss} is allowed"
    )
    return Check("relevance", after >= before - limits.ndcg_loss, detail, {"old": before, "new": after})


def _count(client: OpenSearch, index: str, query: Mapping[str, Any] | None = None) -> int:
    with cluster_errors(f"count {index}"):
        client.indices.refresh(index=index)
        return int(client.count(index=index, body={"query": dict(query or {"match_all": {}})})["count"])
