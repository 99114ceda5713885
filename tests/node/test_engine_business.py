"""A number of the shop's own in the blend, and which of the service's models reads."""

import math
from http.server import BaseHTTPRequestHandler

import pytest

from tests.node.engine_rig import Json, Rig, index_body, told
from tests.node.fake_service import FINGERPRINT, reply

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
RERANK: Json = {"window": 20, "weight": 0.5, "document_fields": {"title": ["title"]}}
BODY: Json = {"query": LAMP, "size": 20}


@pytest.fixture(autouse=True)
def shortest_first(rig: Rig) -> None:
    rig.service.relevance = lambda query, document: 1 / (1 + len(document["title"]))


def min_max(scores: list[float]) -> list[float]:
    return [(score - min(scores)) / (max(scores) - min(scores)) for score in scores]


def reciprocal(scores: list[float]) -> list[float]:
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return [1 / (60 + 1 + order.index(place)) for place in range(len(scores))]


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("normalization", ["min_max", "rrf"])
def test_a_business_score_by_its_formula(rig: Rig, normalization: str, scale: str) -> None:
    """(1 - .3) * (.5 * N(cross-encoder) + .5 * N(fused)) + .3 * N(price), over the rerank window."""
    business = {"field": "price", "weight": 0.3, "scale": scale}
    rig.pipeline(rerank={**RERANK, "normalization": normalization, "business": business})
    found = rig.search(BODY)
    hits = sorted(told(found)["hits"], key=lambda hit: int(hit["fused"]["rank"]))
    prices = {hit["_id"]: hit["_source"]["price"] for hit in found["hits"]["hits"]}
    assert [hit["business"]["score"] for hit in hits] == [prices[hit["_id"]] for hit in hits]
    norm = min_max if normalization == "min_max" else reciprocal
    numbers = [math.log1p(prices[hit["_id"]]) if scale == "log" else prices[hit["_id"]] for hit in hits]
    parts = [[hit[key]["score"] for hit in hits] for key in ("rerank", "fused")]
    for hit, relevance, fused, number in zip(hits, *map(norm, parts), norm(numbers), strict=True):
        expected = 0.7 * (0.5 * relevance + 0.5 * fused) + 0.3 * number
        assert hit["final"]["score"] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    finals = [hit["final"]["score"] for hit in told(found)["hits"]]
    assert finals == sorted(finals, reverse=True)


def test_a_document_without_the_number_has_none_and_counts_as_the_least(rig: Rig) -> None:
    rig.pipeline(rerank={**RERANK, "business": {"field": "stock.level", "weight": 1.0}})
    found = told(rig.search(BODY))
    assert all("business" not in hit and hit["final"]["score"] == 0 for hit in found["hits"])
    assert found["degraded"] is None


@pytest.mark.parametrize(
    ("business", "says"),
    [
        ({}, "[rerank.business.field] is missing"),
        ({"field": "price", "weight": 2}, "[rerank.business.weight] is [2]"),
        ({"field": "price", "scale": "cubic"}, "[rerank.business.scale] is [cubic]"),
        ({"field": "price", "url": "http://x"}, "[rerank.business.url] is unknown here"),
    ],
)
def test_wrong_business_scores(rig: Rig, business: Json, says: str) -> None:
    body = {"retrievers": [{"lexical": {}}], "rerank": {**RERANK, "business": business}}
    answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": body}]})
    assert answer.status_code == 400
    assert says in answer.json()["error"]["reason"]


def rerank_calls(rig: Rig) -> list[Json]:
    return [call.body for call in rig.service.calls if call.path == "/rerank"]


def test_the_service_is_told_the_model_and_the_language_that_is_read(rig: Rig) -> None:
    rig.pipeline(rerank={**RERANK, "model": "shop-reranker-2"})
    rig.service.language = {"code": "de", "confidence": 0.9}
    rig.search(BODY)
    rig.service.model_queries = {"lamp": "leuchte"}
    rig.search(BODY)
    typed, translated = rerank_calls(rig)
    assert (typed["model"], typed["language"]) == ("shop-reranker-2", "de")
    assert (translated["query"], translated.get("language")) == ("leuchte", None), "in what language, it knows itself"


@pytest.mark.parametrize(
    ("wanted", "degraded"),
    [(None, None), ("a", None), ("sha256:1", None), ("b", "rerank: the service has no model [b]: a has read")],
)
def test_the_response_names_the_model_that_has_read(rig: Rig, wanted: str | None, degraded: str | None) -> None:
    rig.pipeline(rerank=RERANK if wanted is None else {**RERANK, "model": wanted})

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        answer = {**rig.service.rerank(request), "meta": {"model": "a", "fingerprint": "sha256:1"}}
        reply(answer)(handler, request)

    rig.service.behaviours["/rerank"] = behave
    found = told(rig.search(BODY))
    assert (found["reranker"], found["degraded"], found["reranked"]) == ("a", degraded, 20)


def test_the_embedder_of_the_index_is_asked_for(rig: Rig) -> None:
    """A service that has two, while an index is embedded anew, answers with the one that made its vectors."""
    rig.call("PUT", "/newer", index_body(fingerprint="sha256:newer"))
    try:
        rig.search(BODY)
        rig.search(BODY, index="newer")
        rig.search(BODY, index="shop,newer")
        asked = [call.body.get("model") for call in rig.service.calls if call.path == "/understand"]
        assert asked == [FINGERPRINT, "sha256:newer", None]
    finally:
        rig.http.delete("/newer")
