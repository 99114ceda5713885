"""Requests with an order of their own, or no text, are answered as without the pipeline, and the response says why."""

import pytest

from tests.node.engine_rig import Json, Rig, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"query": LAMP, "sort": [{"price": "asc"}]}, "sort"),
        ({"query": LAMP, "sort": [{"_score": "asc"}]}, "sort"),
        ({"query": LAMP, "sort": ["_score", "price"], "search_after": [1.0, 20]}, "search_after"),
        ({"query": LAMP, "size": 0, "aggs": {"brands": {"terms": {"field": "brand"}}}}, "size 0"),
        ({"query": LAMP, "min_score": 0.1}, "min_score"),
        ({"query": {"term": {"brand": "Flos"}}}, "no query text"),
        ({"query": {"match_all": {}}}, "no query text"),
        ({"size": 3}, "no query"),
    ],
)
def test_pass_through(rig: Rig, body: Json, reason: str) -> None:
    found = rig.search(body)
    plain = rig.plain(body)
    assert told(found)["skipped"] == reason
    assert told(found)["degraded"] is None
    assert found["hits"] == plain["hits"]
    assert found.get("aggregations") == plain.get("aggregations")
    assert rig.service.calls == []


def test_slices_of_a_scroll(rig: Rig) -> None:
    body: Json = {"query": LAMP, "slice": {"id": 0, "max": 2}, "size": 100}
    assert told(rig.search(body, scroll="1m"))["skipped"] == "slice"


def test_no_body_at_all(rig: Rig) -> None:
    assert told(rig.call("POST", "/shop/_search", search_pipeline="shop"))["skipped"] == "no query"


def test_sort_by_score_is_reranked(rig: Rig) -> None:
    assert told(rig.search({"query": LAMP, "sort": ["_score"]}))["skipped"] is None


@pytest.mark.parametrize(
    "query",
    [
        LAMP,
        {"multi_match": {"query": "lamp", "fields": ["title"]}},
        {"match_phrase": {"title": "lamp"}},
        {"match_phrase_prefix": {"title": "lamp"}},
        {"match_bool_prefix": {"title": "lamp"}},
        {"query_string": {"query": "lamp"}},
        {"simple_query_string": {"query": "lamp"}},
        {"bool": {"should": [{"term": {"brand": "Flos"}}, LAMP]}},
        {"dis_max": {"queries": [LAMP]}},
        {"constant_score": {"filter": LAMP}},
        {"boosting": {"positive": LAMP, "negative": {"term": {"brand": "Flos"}}, "negative_boost": 0.5}},
        {"function_score": {"query": LAMP}},
        {"script_score": {"query": LAMP, "script": {"source": "_score * 2"}}},
    ],
)
def test_query_text_is_found(rig: Rig, query: Json) -> None:
    section = told(rig.search({"query": query}))
    assert section["query"] == "lamp"
    assert section["skipped"] is None
    assert section["degraded"] is None


def test_request_may_name_its_text(rig: Rig) -> None:
    ext = {"polyrank": {"query": "desk lamp"}}
    section = told(rig.search({"query": {"term": {"brand": "Flos"}}, "ext": ext}))
    assert section["query"] == "desk lamp"
    assert rig.service.calls[0].body["query"] == "desk lamp"
    assert any("knn.embedding" in hit["ranks"] for hit in section["hits"])


@pytest.mark.parametrize(
    ("ext", "names"),
    [
        ({"query": 5}, "ext.polyrank.query"),
        ({"deadline_ms": 0}, "ext.polyrank.deadline_ms"),
        ({"url": "http://x"}, "ext.polyrank.url"),
    ],
)
def test_wrong_ext_is_an_error_of_the_caller(rig: Rig, ext: Json, names: str) -> None:
    answer = rig.http.post("/shop/_search?search_pipeline=shop", json={"query": LAMP, "ext": {"polyrank": ext}})
    assert answer.status_code == 400
    assert names in answer.text
