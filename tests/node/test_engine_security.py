"""What a caller may not see stays unseen, no pipeline names an address, and hostile input is a clear 4xx."""

import json
from typing import Any

import pytest

from tests.node.engine_rig import Json, Rig, ids, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}


@pytest.fixture
def red_only(rig: Rig) -> Rig:
    """A caller's view of the shop: an alias that holds the red products alone."""
    rig.call(
        "POST",
        "/_aliases",
        {"actions": [{"add": {"index": "shop", "alias": "red", "filter": {"term": {"colour": "red"}}}}]},
    )
    rig.service.translations["lamp"] = {"en": "chair"}
    rig.pipeline(
        retrievers=[
            {"lexical": {}},
            {"knn": {"field": "embedding"}},
            {"match": {"fields": ["title"], "name": "again"}},
            {"translated": {"fields": ["title"]}},
        ],
        rerank={"window": 50, "document_fields": {"title": ["title"], "colour": ["colour"]}},
        policy={
            "pins": [{"query": "lamp", "ids": ["1", "2", "3"]}],
            "caps": [{"field": "brand"}],
            "personal": {"vector_field": "embedding"},
        },
    )
    return rig


def test_an_alias_filter_binds_every_stage(red_only: Rig) -> None:
    """Hits, explanation, totals, aggregations, and what is sent to the model service."""
    reds = red_only.plain({"query": {"match_all": {}}, "size": 200}, index="red")
    allowed = set(ids(reds))
    aggs = {"colours": {"terms": {"field": "colour"}}}
    for extra in ({}, {"aggs": aggs}, {"from": 20}, {"ext": {"polyrank": {"profile": {"liked": ["1", "2"]}}}}):
        found = red_only.search({"query": LAMP, "size": 60, **extra}, index="red")
        assert set(ids(found)) <= allowed
        assert {hit["_id"] for hit in told(found)["hits"]} <= allowed
        assert found["hits"]["total"]["value"] <= len(allowed)
        if "aggs" in extra:
            assert [bucket["key"] for bucket in found["aggregations"]["colours"]["buckets"]] == ["red"]
    sent = [
        document for call in red_only.service.calls if call.path == "/rerank" for document in call.body["documents"]
    ]
    assert sent
    assert {document["colour"] for document in sent} == {"red"}


ATTRIBUTES: Json = {
    "retrievers": [{"lexical": {}}, {"expanded": {"fields": ["title"]}}],
    "attributes": {"use": "boost"},
    "vocabulary": "products",
}


@pytest.mark.parametrize("point_in_time", [False, True])
def test_what_the_whole_catalogue_knows_is_not_asked_for_who_sees_a_part(red_only: Rig, point_in_time: bool) -> None:
    """Else its values and words would be told as attributes and expansions, with those of products that are hidden."""

    def asked(index: str) -> Json:
        body: Json = {"query": LAMP}
        if point_in_time:
            pit = red_only.call("POST", f"/{index}/_search/point_in_time", keep_alive="1m")["pit_id"]
            red_only.call("POST", "/_search", {**body, "pit": {"id": pit}}, search_pipeline="shop")
            red_only.call("DELETE", "/_search/point_in_time", {"pit_id": [pit]})
        else:
            red_only.search(body, index=index)
        return red_only.service.calls[-1].body

    red_only.pipeline(**ATTRIBUTES)
    assert "vocabulary" not in asked("red")
    assert asked("shop")["vocabulary"] == "products"
    red_only.pipeline(
        **ATTRIBUTES | {"attributes": None, "retrievers": [{"lexical": {}}, {"knn": {"field": "embedding"}}]}
    )
    assert asked("red")["vocabulary"] == "products", "translations tell nothing of it"


def test_a_filtered_alias_binds_attributes_and_expansions(red_only: Rig) -> None:
    """Boosts and filters of hidden products, and words that only they have, show nothing of them."""
    blue = {"term": {"colour": "blue"}}
    named = {"name": "color", "text": "blue", "confidence": 0.95, "clause": blue, "reason": None}
    red_only.service.expansions = [
        {"text": "chair", "of": "lamp", "language": "en", "source": "synonyms", "weight": 0.5}
    ]
    allowed = set(ids(red_only.plain({"query": {"match_all": {}}, "size": 200}, index="red")))
    for use in ("filter", "boost"):
        red_only.service.attributes = [{**named, "use": use}]
        red_only.pipeline(**ATTRIBUTES | {"attributes": {"use": "filter"}})
        found = red_only.search({"query": LAMP, "size": 100}, index="red")
        assert ids(found)
        assert set(ids(found)) <= allowed
        assert {hit["_id"] for hit in told(found)["hits"]} <= allowed
        assert found["hits"]["total"]["value"] <= len(allowed)
        assert told(found)["understanding"]["applied"][0]["use"] == "boost", "a filter would leave nothing"


PLACES: list[tuple[str | int, ...]] = [
    (),
    ("rerank",),
    ("retrievers", 0, "lexical"),
    ("policy",),
    ("rerank", "skip"),
    ("combination",),
    ("attributes",),
    ("unread",),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", ["url", "urls", "endpoint", "service"])
def test_no_pipeline_names_an_address(rig: Rig, place: tuple[str | int, ...], key: str) -> None:
    body: Json = {
        "retrievers": [{"lexical": {}}],
        "rerank": {"document_fields": {"title": ["title"]}, "skip": {"languages": ["fr"]}},
        "policy": {},
        "combination": {},
        "attributes": {},
        "unread": {},
    }
    spot: Any = body
    for step in place:
        spot = spot[step]
    spot[key] = "http://169.254.169.254/latest/meta-data"
    for answer in (
        rig.http.put("/_search/pipeline/evil", json={"request_processors": [{"hybrid_rerank": body}]}),
        rig.http.post(
            "/shop/_search", json={"query": LAMP, "search_pipeline": {"request_processors": [{"hybrid_rerank": body}]}}
        ),
    ):
        assert answer.status_code == 400
        assert "is unknown here" in answer.text
    answer = rig.http.post(
        "/shop/_search?search_pipeline=shop", json={"query": LAMP, "ext": {"polyrank": {key: "http://h"}}}
    )
    assert answer.status_code == 400


def test_the_processors_and_queries_of_our_own_searches_are_not_for_others(rig: Rig) -> None:
    early: Json = {"phase_results_processors": [{"polyrank_early_hits": {}}]}
    answer = rig.http.post("/shop/_search", json={"query": LAMP, "search_pipeline": early})
    assert answer.status_code == 400
    assert "serves polyrank's own searches alone" in answer.text
    answer = rig.http.post("/shop/_search", json={"query": {"polyrank_unlogged_ids": {"count": 1}}})
    assert answer.status_code == 400


HOSTILE: dict[str, bytes] = {
    "not JSON": b"{",
    "a lone surrogate": b'{"query": {"match": {"title": "lamp \\ud800"}}}',
    "deep JSON": b'{"query": ' + b'{"bool": {"must": ' * 5000 + b'{"match_all": {}}' + b"}}" * 5000 + b"}",
    "deep JSON of our own": b'{"query": {"match": {"title": "lamp"}}, "ext": {"polyrank": {"profile": '
    + b'{"a": ' * 5000
    + b"1"
    + b"}" * 5000
    + b"}}}",
    "a query of a megabyte of our own": json.dumps(
        {"query": LAMP, "ext": {"polyrank": {"query": "lamp " * 200_000}}}
    ).encode(),
    "a locale that is none": json.dumps({"query": LAMP, "ext": {"polyrank": {"locale": "\x00" * 1000}}}).encode(),
    "a million clauses' worth of text": json.dumps({"query": {"match": {"title": "lamp " * 200_000}}}).encode(),
    "a NUL byte": json.dumps({"query": {"match": {"title": "lamp\x00"}}}).encode(),
    "bytes that are no UTF-8": b'{"query": {"match": {"title": "\xff\xfe"}}}',
    "a profile of ten thousand": json.dumps(
        {"query": LAMP, "ext": {"polyrank": {"profile": {"liked": [str(n) for n in range(10_000)]}}}}
    ).encode(),
    "an endless number": b'{"query": {"match": {"title": "lamp"}}, "ext": {"polyrank": {"deadline_ms": 1e400}}}',
    "ten thousand texts to do without": json.dumps(
        {"query": LAMP, "ext": {"polyrank": {"without": ["lamp"] * 10_000}}}
    ).encode(),
    "ten thousand ids to explain": json.dumps(
        {"query": LAMP, "ext": {"polyrank": {"explain": [str(n) for n in range(10_000)]}}}
    ).encode(),
    "a huge page": json.dumps({"query": LAMP, "size": 1_000_000_000}).encode(),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_input_is_answered_with_hits_or_a_clear_4xx(rig: Rig, case: str) -> None:
    """Never a 5xx, and the node goes on answering."""
    headers = {"Content-Type": "application/json"}
    answer = rig.http.post("/shop/_search?search_pipeline=shop", content=HOSTILE[case], headers=headers)
    assert answer.status_code in (200, 400, 413), answer.text[:500]
    if answer.status_code != 200:
        assert answer.json()["error"]["reason"]
    assert ids(rig.search({"query": LAMP}))


def test_one_spoilt_product_does_not_cost_the_reranking_of_all(rig: Rig) -> None:
    """A service refuses a call for one text with a NUL or half a surrogate pair, or for too many characters."""
    spoilt = {
        "nul": {"title": "lamp \x00 with a NUL"},
        "half": {"title": "lamp \ud83d half"},
        "end": {"title": "lamp " + "\U0001f4a1" * 4},
        "long": {"title": "lamp " + "\U0001f4a1" * 500_000},
    }
    for name, document in spoilt.items():
        content = json.dumps(document)
        headers = {"Content-Type": "application/json"}
        answer = rig.http.put(f"/spoilt/_doc/{name}?refresh=true", content=content, headers=headers)
        assert answer.status_code < 300, answer.text
    rig.pipeline(retrievers=[{"lexical": {}}], rerank={"window": 10, "document_fields": {"title": ["title"]}})
    found = rig.search({"query": LAMP}, index="spoilt")
    assert told(found)["degraded"] is None
    assert told(found)["reranked"] == 4
    sent = {document["title"] for document in rig.service.calls[-1].body["documents"]}
    long = "lamp " + "\U0001f4a1" * 3997  # 8,000 units less half a pair
    assert sent == {"lamp   with a NUL", "lamp \ufffd half", "lamp " + "\U0001f4a1" * 4, long}
    assert {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]} == spoilt, "the hits are as they were"
    rig.http.delete("/spoilt")
