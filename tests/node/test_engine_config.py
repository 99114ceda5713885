"""A wrong pipeline is refused when it is installed, in one sentence that names the key and what to write."""

import pytest

from tests.node.engine_rig import Json, Rig, pipeline_body, told

pytestmark = pytest.mark.node
LEXICAL: Json = {"lexical": {}}
FIELDS: Json = {"title": ["title"]}

WRONG: dict[str, tuple[Json, str]] = {
    "no retrievers": ({}, "[retrievers] is missing"),
    "an address": ({"retrievers": [LEXICAL], "url": "http://169.254.169.254"}, "url"),
    "an address inside": ({"retrievers": [{"lexical": {"url": "http://x"}}]}, "[retrievers[0].lexical.url] is unknown"),
    "unknown retriever": ({"retrievers": [{"bm25": {}}]}, "[retrievers[0].bm25] is unknown here"),
    "two in one": ({"retrievers": [{"lexical": {}, "knn": {"field": "e"}}]}, "exactly one of lexical, translated, knn"),
    "none in one": ({"retrievers": [{}]}, "exactly one of lexical, translated, knn"),
    "twice": ({"retrievers": [LEXICAL, LEXICAL]}, "repeats [lexical]"),
    "no weight at all": ({"retrievers": [{"lexical": {"weight": 0}}]}, "all have weight 0"),
    "negative weight": ({"retrievers": [{"lexical": {"weight": -1}}]}, "[retrievers[0].lexical.weight] is [-1]"),
    "no field": ({"retrievers": [LEXICAL, {"knn": {}}]}, "[retrievers[1].knn.field] is missing"),
    "no fields": ({"retrievers": [LEXICAL, {"translated": {}}]}, "[retrievers[1].translated.fields] is missing"),
    "bad boost": ({"retrievers": [LEXICAL, {"translated": {"fields": ["a^b"]}}]}, "holds [a^b]"),
    "window": ({"retrievers": [LEXICAL], "window": 5000}, "[window] is [5000]: write a whole number from 1 to 1000"),
    "window of text": ({"retrievers": [LEXICAL], "window": "many"}, "[window] is [many]"),
    "deadline": ({"retrievers": [LEXICAL], "deadline_ms": 0}, "[deadline_ms] is [0]"),
    "technique": (
        {"retrievers": [LEXICAL], "combination": {"technique": "sum"}},
        "[combination.technique] is [sum]: write one of [rrf, min_max, z_score, convex]",
    ),
    "rank constant": ({"retrievers": [LEXICAL], "combination": {"rank_constant": 0}}, "[combination.rank_constant]"),
    "unread share": ({"retrievers": [LEXICAL], "unread": {"min_read": 2}}, "[unread.min_read] is [2]: write a number"),
    "unread weight": ({"retrievers": [LEXICAL], "unread": {"knn_factor": 2}}, "[unread.knn_factor] is [2]"),
    "unread rerank": ({"retrievers": [LEXICAL], "unread": {"rerank": "no"}}, "[unread.rerank] is [no]: write true"),
    "languages": ({"retrievers": [LEXICAL], "languages": "en"}, "[languages] must be a list of texts"),
    "rerank without fields": ({"retrievers": [LEXICAL], "rerank": {}}, "[rerank.document_fields] is missing"),
    "rerank window": (
        {"retrievers": [LEXICAL], "window": 10, "rerank": {"window": 11, "document_fields": FIELDS}},
        "[rerank.window] is [11]: write a whole number from 1 to 10",
    ),
    "rerank weight": ({"retrievers": [LEXICAL], "rerank": {"weight": 2, "document_fields": FIELDS}}, "[rerank.weight]"),
    "normalization": (
        {"retrievers": [LEXICAL], "rerank": {"normalization": "l2", "document_fields": FIELDS}},
        "write one of [min_max, none, rrf]",
    ),
    "a path that is no list": (
        {"retrievers": [LEXICAL], "rerank": {"document_fields": {"title": "title"}}},
        "[rerank.document_fields.title] must be a list of texts",
    ),
    "unknown key of rerank": (
        {"retrievers": [LEXICAL], "rerank": {"document_fields": FIELDS, "modell": "x"}},
        "[rerank.modell] is unknown here: known keys are [adaptive, business, cache, calibration, chunk,",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_pipelines(rig: Rig, case: str) -> None:
    config, says = WRONG[case]
    complete = {"languages": ["en"], **config}
    answer = rig.http.put("/_search/pipeline/wrong", json=pipeline_body(complete))
    assert answer.status_code == 400
    assert says in answer.json()["error"]["reason"]


def test_translated_needs_languages(rig: Rig) -> None:
    body = pipeline_body({"retrievers": [{"translated": {"fields": ["title.{lang}"]}}]})
    answer = rig.http.put("/_search/pipeline/wrong", json=body)
    assert answer.status_code == 400
    assert "[languages] is missing" in answer.text


def test_shortest_pipeline(rig: Rig) -> None:
    rig.call("PUT", "/_search/pipeline/short", pipeline_body({"retrievers": [LEXICAL]}))
    section = told(rig.search({"query": {"match": {"title": "lamp"}}}, pipeline="short"))
    assert section["degraded"] is None
    assert section["window"] == 100
    assert rig.service.calls == [], "nothing to ask the service for"


def test_pipeline_in_the_search_itself(rig: Rig) -> None:
    inline = pipeline_body({"retrievers": [LEXICAL, {"knn": {"field": "embedding"}}]})
    found = rig.call("POST", "/shop/_search", {"query": {"match": {"title": "lamp"}}, "search_pipeline": inline})
    assert told(found)["degraded"] is None
    assert any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])


def test_without_the_response_processor_the_response_is_an_ordinary_one(rig: Rig) -> None:
    body = pipeline_body({"retrievers": [LEXICAL, {"knn": {"field": "embedding"}}]})
    del body["response_processors"]
    rig.call("PUT", "/_search/pipeline/silent", body)
    found = rig.search({"query": {"match": {"title": "lamp"}}}, pipeline="silent")
    assert "ext" not in found
    assert len(found["hits"]["hits"]) == 10
