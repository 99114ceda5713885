"""One shopper's search, before and after: the plain query by BM25 alone, then through the search pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.client import OpenSearch, cluster_errors

PLAIN_FIELDS = ("title.*^1.5", "attributes.*", "text.*^1.5", "brand")
"""What an ordinary client of a shop would list: every language's sub-field, the title first."""

BEFORE_WINDOW = 100
"""How deep the plain ranking is read to say where a hit stood before."""


@dataclass(frozen=True, slots=True)
class ScoredHit:
    """A hit of the page with where each stage put it. Ranks start at 1; None: the stage did not see it."""

    doc_id: str
    title: str
    language: str
    final_rank: int
    final_score: float
    bm25_rank: int | None = None
    knn_rank: int | None = None
    translated_rank: int | None = None
    fused_rank: int | None = None
    cross_encoder_score: float | None = None


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """The page before (BM25 alone) and after (the pipeline), and what the pipeline says of itself."""

    query: str
    before: list[ScoredHit]
    after: list[ScoredHit]
    polyrank: Mapping[str, Any]


def plain_query(text: str, fields: Sequence[str] = PLAIN_FIELDS) -> dict[str, Any]:
    """Return the query an ordinary client would send: nothing in it knows of polyrank."""
    return {"multi_match": {"query": text, "fields": list(fields), "type": "cross_fields", "tie_breaker": 0.3}}


def search(client: OpenSearch, index: str, text: str, *, size: int = 10, pipeline: str | None = None) -> SearchOutcome:
    """Search an index twice: with `search_pipeline=_none` and through its pipeline.

    Args:
        client: as `plugin.client.connect` returns.
        index: index or alias.
        text: the shopper's words.
        size: hits a page, 1 to 100.
        pipeline: the search pipeline; the one named like the index when None.

    Raises:
        ClusterError: the cluster cannot be reached, or has no such index or pipeline.
    """
    body = {"query": plain_query(text), "_source": ["title", "language"]}
    with cluster_errors(f"search {index}"):
        plain = client.search(index=index, body={**body, "size": BEFORE_WINDOW}, params={"search_pipeline": "_none"})
        piped = client.search(index=index, body={**body, "size": size}, params={"search_pipeline": pipeline or index})
    plain_hits, piped_hits = plain["hits"]["hits"], piped["hits"]["hits"]
    section = piped.get("ext", {}).get("polyrank", {})
    bm25_rank = {hit["_id"]: rank for rank, hit in enumerate(plain_hits, start=1)}
    trail = {(entry["_index"], entry["_id"]): entry for entry in section.get("hits", [])}
    before = [
        ScoredHit(hit["_id"], _title(hit), _language(hit), rank, hit["_score"], bm25_rank=rank)
        for rank, hit in enumerate(plain_hits[:size], start=1)
    ]
    after = [
        _followed(hit, rank, bm25_rank.get(hit["_id"]), trail.get((hit["_index"], hit["_id"]), {}))
        for rank, hit in enumerate(piped_hits, start=1)
    ]
    return SearchOutcome(text, before, after, section)


def _followed(hit: Mapping[str, Any], rank: int, bm25_rank: int | None, trail: Mapping[str, Any]) -> ScoredHit:
    ranks = trail.get("ranks") or {}
    return ScoredHit(
        doc_id=hit["_id"],
        title=_title(hit),
        language=_language(hit),
        final_rank=rank,
        final_score=hit["_score"],
        bm25_rank=bm25_rank,
        knn_rank=min((r for name, r in ranks.items() if name.startswith("knn")), default=None),
        translated_rank=ranks.get("translated"),
        fused_rank=(trail.get("fused") or {}).get("rank"),
        cross_encoder_score=(trail.get("rerank") or {}).get("score"),
    )


def _language(hit: Mapping[str, Any]) -> str:
    return str(hit.get("_source", {}).get("language", "und"))


def _title(hit: Mapping[str, Any]) -> str:
    """Return the title in the product's own language, else in whichever comes first."""
    titles = hit.get("_source", {}).get("title") or {}
    return str(titles.get(_language(hit)) or next(iter(titles.values()), hit["_id"]))
