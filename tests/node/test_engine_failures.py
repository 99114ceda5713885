"""Whatever the model service does, the shopper gets a 200 with hits, and the response says what was missing and why."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from tests.node.engine_rig import Json, Rig, ids, told
from tests.node.fake_service import Behaviour, FakeService, dripping, hung_up, raw, reply, slow, truncated

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
BODY: Json = {"query": LAMP, "size": 20}
RERANK: Json = {"window": 10, "document_fields": {"title": ["title"]}}


def understood(**changes: object) -> Behaviour:
    answer: Json = {
        "language": {"code": "en", "confidence": 0.9},
        "translations": {},
        "model_query": "lamp",
        "vector": [1.0] + [0.0] * 7,
        "embedder": "sha256:test-embedder",
    }
    answer |= changes
    return raw(json.dumps(answer).encode())


def scored(*pairs: tuple[object, object]) -> Behaviour:
    return raw(json.dumps({"results": [{"index": i, "relevance_score": s} for i, s in pairs]}).encode())


BAD_UNDERSTANDING = {
    "not JSON": (raw(b"<html>oops</html>"), "understand: /understand answered something that is not a JSON object"),
    "a list": (raw(b"[1, 2]"), "not a JSON object"),
    "nothing": (raw(b""), "not a JSON object"),
    "500": (reply({"error": "boom"}, status=500), "understand: /understand answered HTTP 500"),
    "400": (reply({"error": "no"}, status=400), "HTTP 400"),
    "truncated": (truncated(b'{"vector": [1.0,'), "understand: /understand failed"),
    "no vector": (understood(vector=None), "vector is not a list of numbers"),
    "texts for a vector": (understood(vector=["a"] * 8), "vector is not a list of numbers"),
    "NaN": (understood(vector=[float("nan")] * 8), "understand: "),
    "too large": (understood(vector=[1e300] * 8), "not finite"),
    "zeros": (understood(vector=[0.0] * 8), "all zeros"),
    "no fingerprint": (understood(embedder=None), "embedder is not a text"),
    "model query of the wrong type": (understood(model_query=5), "model_query is not a text"),
    "translations of the wrong type": (understood(translations=["de"]), "translations is not an object"),
    "a translation without text": (understood(translations={"de": {}}), "translations.de.text is not a text"),
    "a share above one": (understood(read={"embedder": 1.5}), "read.embedder is not a number from 0 to 1"),
    "language of the wrong type": (understood(language="en"), "language is not an object"),
}


@pytest.mark.parametrize("case", BAD_UNDERSTANDING)
def test_garbage_from_understand_leaves_the_lexical_order(rig: Rig, case: str) -> None:
    rig.service.behaviours["/understand"], reason = BAD_UNDERSTANDING[case]
    rig.pipeline(rerank=RERANK)
    found = rig.search(BODY)
    assert reason in told(found)["degraded"]
    assert ids(found) == ids(rig.plain(BODY))
    assert found["_shards"]["failed"] == 0


BAD_RERANKING = {
    "not JSON": (raw(b"{"), "rerank: /rerank answered something that is not a JSON object"),
    "500": (reply({}, status=500), "rerank: /rerank answered HTTP 500"),
    "no results": (reply({}), "results is not a list"),
    "results of the wrong type": (reply({"results": ["a"]}), "not an object"),
    "missing": (scored((0, 0.5), (1, 0.4)), "2 of 10 documents are scored"),
    "duplicate": (scored(*[(0, 0.5)] * 10), "index [0] comes twice"),
    "out of range": (scored((10, 0.5)), "index [10] is not one of the 10 documents"),
    "negative": (scored((-1, 0.5)), "index [-1]"),
    "fractional index": (scored((0.5, 0.5)), "index [0.5]"),
    "no index": (reply({"results": [{"relevance_score": 1.0}]}), "index [null]"),
    "text for a score": (scored((0, "0.5")), "relevance_score of index [0] is not a finite number"),
    "NaN": (scored(*[(i, float("nan")) for i in range(10)]), "rerank: "),
    "infinite": (scored(*[(i, 1e400) for i in range(10)]), "rerank: "),
    "truncated": (truncated(b'{"results": [{"index": 0'), "rerank: /rerank failed"),
}


@pytest.mark.parametrize("case", BAD_RERANKING)
def test_garbage_from_rerank_leaves_the_fused_order(rig: Rig, case: str) -> None:
    fused = ids(rig.search(BODY))
    rig.service.behaviours["/rerank"], reason = BAD_RERANKING[case]
    rig.pipeline(rerank=RERANK)
    found = rig.search(BODY)
    assert reason in told(found)["degraded"]
    assert ids(found) == fused
    assert all(hit["rerank"] is None for hit in told(found)["hits"])


@pytest.mark.parametrize("case", ["hung", "dripping"])
@pytest.mark.parametrize("path", ["/understand", "/rerank"])
def test_deadline_ends_every_wait(rig: Rig, path: str, case: str) -> None:
    rig.service.behaviours[path] = slow(3, raw(b"{}")) if case == "hung" else dripping(for_s=3)
    rig.pipeline(rerank=RERANK, deadline_ms=250)
    begin = time.monotonic()
    found = rig.search(BODY)
    assert 0.2 < time.monotonic() - begin < 1.5
    assert path.strip("/") + ": " in told(found)["degraded"]
    assert "250 ms" in told(found)["degraded"] or "took longer than" in told(found)["degraded"]
    assert len(ids(found)) == 20


def test_request_may_shorten_the_deadline(rig: Rig) -> None:
    rig.service.behaviours["/understand"] = slow(3, raw(b"{}"))
    begin = time.monotonic()
    found = rig.search({**BODY, "ext": {"polyrank": {"deadline_ms": 100}}})
    assert time.monotonic() - begin < 1.0
    assert told(found)["degraded"]


def test_dead_service(rig: Rig) -> None:
    with FakeService() as dead:
        url = dead.url
    rig.use(url)
    found = rig.search(BODY)
    assert told(found)["degraded"] == "understand: /understand cannot be reached"
    assert ids(found) == ids(rig.plain(BODY))


def test_no_service_configured(rig: Rig) -> None:
    rig.use()
    assert told(rig.search(BODY))["degraded"] == (
        "understand: no model service: the node setting [polyrank.service.urls] is empty"
    )


def test_service_killed_while_it_works(rig: Rig, fake: FakeService) -> None:
    def die(handler: BaseHTTPRequestHandler, request: Json) -> None:
        handler.connection.close()
        raise ConnectionResetError

    fake.behaviours["/rerank"] = die
    rig.pipeline(rerank=RERANK)
    found = rig.search(BODY)
    assert "rerank: /rerank" in told(found)["degraded"]
    fake.behaviours.clear()
    assert told(rig.search(BODY))["degraded"] is None


def test_wrong_dimension_is_never_searched(rig: Rig) -> None:
    rig.service.vectors = {"lamp": [1.0, 0.0, 0.0]}
    found = rig.search(BODY)
    assert told(found)["degraded"] == ("knn.embedding: vector has 3 dimensions, field [embedding] of index shop has 8")
    assert ids(found) == ids(rig.plain(BODY))


def test_another_embedder_is_never_compared(rig: Rig) -> None:
    rig.service.fingerprint = "sha256:other"
    found = rig.search(BODY)
    assert told(found)["degraded"] == (
        "knn.embedding: embedder mismatch: index shop was embedded by sha256:test-embedder, the query by sha256:other"
    )
    assert ids(found) == ids(rig.plain(BODY))


def test_reranking_goes_on_without_vectors(rig: Rig) -> None:
    rig.service.fingerprint = "sha256:other"
    rig.service.relevance = lambda query, document: int(document["title"].split("number")[1]) / 150
    rig.pipeline(rerank={**RERANK, "weight": 1.0})
    top = told(rig.search(BODY))["hits"][:10]
    assert [hit["rerank"]["rank"] for hit in top] == [*range(1, 11)]


def test_unknown_vector_field(rig: Rig) -> None:
    rig.pipeline(retrievers=[{"lexical": {}}, {"knn": {"field": "picutre"}}])
    assert told(rig.search(BODY))["degraded"] == "knn.picutre: no vector field [picutre] in index shop"


def test_fields_that_no_document_has(rig: Rig) -> None:
    rig.pipeline(rerank={"document_fields": {"title": ["name"]}})
    assert told(rig.search(BODY))["degraded"] == (
        "rerank: no document has any of the paths in [rerank.document_fields]"
    )


def test_invalid_queries_stay_errors_of_the_caller(rig: Rig) -> None:
    rig.service.behaviours["/understand"] = slow(3, raw(b"{}"))
    begin = time.monotonic()
    bad = {"query_string": {"query": "lamp AND (", "default_field": "title"}}
    answer = rig.http.post("/shop/_search?search_pipeline=shop", json={"query": bad})
    assert answer.status_code == 400
    assert "parse" in answer.text.lower()
    assert time.monotonic() - begin < 2, "an invalid query does not wait for the service"


def test_a_search_that_is_over_hangs_up_on_the_service(rig: Rig) -> None:
    asked, noticed = threading.Event(), threading.Event()
    rig.service.behaviours["/understand"] = hung_up(asked, noticed)
    bad = {"query_string": {"query": "lamp AND (", "default_field": "title"}}
    for _ in range(20):  # an invalid query may be over before its question left the node: then there is no call to end
        assert rig.http.post("/shop/_search?search_pipeline=shop", json={"query": bad}).status_code == 400
        if asked.wait(0.5):
            break
    assert asked.is_set(), "no question ever reached the service"
    assert noticed.wait(3), "the deadline is 5 s away"


def test_unknown_index_stays_a_404(rig: Rig) -> None:
    answer = rig.http.post("/nowhere/_search?search_pipeline=shop", json=BODY)
    assert answer.status_code == 404


def test_failing_shards_of_the_vector_search_are_reported(rig: Rig) -> None:
    script = {"script": {"script": "if (doc['price'].value == 13) { throw new Exception('no') } return true"}}
    body = {"query": {"bool": {"must": [{"match": {"title": "number14"}}], "filter": [script]}}, "size": 20}
    found = rig.search(body)
    assert "knn.embedding: 1 of 3 shards failed" in told(found)["degraded"]
    assert found["_shards"]["failed"] == 0, "the caller's own query did not fail"
    assert len(ids(found)) > 1, "the other shards' neighbours are used"


def test_failing_shards_of_the_lexical_search_are_reported(rig: Rig) -> None:
    script = {"script": {"script": "if (doc['price'].value == 14) { throw new Exception('no') } return true"}}
    found = rig.search({"query": {"bool": {"must": [LAMP], "filter": [script]}}, "size": 20})
    assert "lexical: 1 of 3 shards failed" in told(found)["degraded"]
    assert found["_shards"]["failed"] == 1
