"""What a query names beside the thing: filters and boosts from the service's proposals, and other words for it."""

from typing import Any

import pytest

from tests.node.engine_rig import Json, Rig, ids, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
KNN: Json = {"knn": {"field": "embedding"}}
ALL: Json = {"query": LAMP, "size": 120}


def attribute(clause: Json, use: str = "filter", **more: Any) -> Json:
    """An item of the service's answer."""
    named = {"name": "price", "text": "under 60", "value": "-60", "confidence": 0.95, "field": "price"}
    return named | {"use": use, "clause": clause, "reason": None} | more


CHEAP: Json = attribute({"range": {"price": {"lte": 60}}})
RED: Json = attribute({"term": {"colour": "red"}}, "boost", name="color", text="red", field="colour", confidence=0.8)


@pytest.fixture
def filtering(rig: Rig) -> Rig:
    """A pipeline that filters, over every kind of retriever."""
    rig.service.attributes = [CHEAP]
    rig.service.translations = {"lamp": {"en": "desk"}}
    retrievers = [
        {"lexical": {}},
        KNN,
        {"translated": {"fields": ["title"]}},
        {"match": {"fields": ["title"]}},
    ]
    rig.pipeline(retrievers=retrievers, attributes={"use": "filter"})
    return rig


def prices(answer: Json) -> list[float]:
    return [hit["_source"]["price"] for hit in answer["hits"]["hits"]]


def test_a_filter_binds_every_retriever_and_the_tail(filtering: Rig) -> None:
    """Hits, total and aggregations; and the service was told the index's fields."""
    found = filtering.search({**ALL, "aggs": {"dearest": {"max": {"field": "price"}}}})
    assert found["hits"]["hits"]
    assert max(prices(found)) <= 60
    assert found["aggregations"]["dearest"]["value"] <= 60
    assert found["hits"]["total"]["value"] == len(prices(found))
    (used,) = told(found)["understanding"]["applied"]
    assert (used["use"], used["field"], used["text"]) == ("filter", "price", "under 60")
    asked = filtering.service.calls[0].body
    assert asked["schema"]["price"] == "double"
    assert asked["schema"]["colour"] == "keyword"
    assert not any(name.startswith(("reviews", "embedding")) for name in asked["schema"])


def test_a_page_within_the_window_has_the_same_total(filtering: Rig) -> None:
    whole = filtering.search(ALL)
    page = filtering.search({"query": LAMP, "size": 5})
    assert page["hits"]["total"] == whole["hits"]["total"]
    assert ids(page) == ids(whole)[:5]


def test_it_is_off_unless_the_pipeline_says_otherwise(rig: Rig) -> None:
    rig.service.attributes = [CHEAP]
    found = rig.search(ALL)
    assert max(prices(found)) > 60
    assert "understanding" not in told(found)
    assert "schema" not in rig.service.calls[0].body


def test_a_request_may_ask_for_less_and_not_for_more(filtering: Rig) -> None:
    boosted = filtering.search({**ALL, "ext": {"polyrank": {"attributes": "boost"}}})
    assert max(prices(boosted)) > 60
    assert [one["use"] for one in told(boosted)["understanding"]["applied"]] == ["boost"]
    assert "understanding" not in told(filtering.search({**ALL, "ext": {"polyrank": {"attributes": "off"}}}))
    filtering.pipeline(attributes={"use": "boost"})
    found = filtering.search({**ALL, "ext": {"polyrank": {"attributes": "filter"}}})
    assert [one["use"] for one in told(found)["understanding"]["applied"]] == ["boost"]
    answer = filtering.http.post(
        "/shop/_search?search_pipeline=shop", json={"ext": {"polyrank": {"attributes": "all"}}}
    )
    assert answer.status_code == 400


def test_a_request_leaves_one_attribute_out(filtering: Rig) -> None:
    found = filtering.search({**ALL, "ext": {"polyrank": {"without": ["under 60"]}}})
    assert max(prices(found)) > 60
    assert [one["reason"] for one in told(found)["understanding"]["left"]] == ["the request leaves it out"]


def test_a_boost_multiplies_the_text_score(rig: Rig) -> None:
    """By 1 + weight * confidence, and no document is lost."""
    rig.service.attributes = [RED]
    rig.pipeline(retrievers=[{"lexical": {}}], attributes={"use": "filter", "weight": 0.5}, window=100)
    plain = {hit["_id"]: hit["_score"] for hit in rig.plain(ALL)["hits"]["hits"]}
    red = set(ids(rig.plain({"query": {"term": {"colour": "red"}}, "size": 120})))
    found = rig.search(ALL)
    scores = {hit["_id"]: hit["scores"]["lexical"] for hit in told(found)["hits"]}
    assert scores.keys() == plain.keys()
    for document, score in scores.items():
        assert score == pytest.approx(plain[document] * (1 + 0.5 * 0.8 if document in red else 1), rel=1e-4)
    assert found["hits"]["total"] == rig.plain(ALL)["hits"]["total"]


def test_a_filter_that_leaves_nothing_becomes_a_boost(filtering: Rig) -> None:
    filtering.service.attributes = [attribute({"range": {"price": {"lte": 1}}})]
    found = filtering.search(ALL)
    filtering.service.attributes = []
    assert set(ids(found)) == set(ids(filtering.search(ALL)))
    (used,) = told(found)["understanding"]["applied"]
    assert (used["use"], used["reason"]) == ("boost", "as a filter it leaves nothing")


def test_neighbours_alone_do_not_count_as_something_left(rig: Rig) -> None:
    """Vectors always have neighbours: without any text hit, the filter is given up for what the text finds."""
    odd = {
        "bool": {"filter": [{"term": {"colour": "blue"}}, {"range": {"price": {"lte": 11}}}]}
    }  # one product, a chair
    rig.service.attributes = [attribute(odd)]
    rig.pipeline(retrievers=[{"lexical": {}}, KNN], attributes={"use": "filter"})
    found = rig.search(ALL)
    assert told(found)["understanding"]["applied"][0]["use"] == "boost"
    assert len(ids(found)) > 50


def test_without_lexical_retriever_an_empty_filter_is_relaxed(rig: Rig) -> None:
    rig.service.attributes = [attribute({"range": {"price": {"lte": 1}}})]
    rig.pipeline(retrievers=[KNN], attributes={"use": "filter"})
    assert ids(rig.search(ALL))


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (attribute({"range": {"price": {"lte": 60}}}, confidence=0.5), "its confidence is under 0.7"),
        (attribute({}, "ignored", reason="the index has no field for a color"), "the index has no field for a color"),
        (attribute({"script": {"script": "1"}}), "[script], not term, match, range, exists or bool"),
        (attribute({"exists": {"field": "_id"}}), "the index has no field [_id]"),
        (attribute({"term": {"reviews.author": "author1"}}), "the index has no field [reviews.author]"),
        (attribute({"term": {"_id": "1"}}), "the index has no field [_id]"),
        (attribute({"term": {"price": "xl"}}), "[xl] is no number"),
        (attribute({"range": {"colour": {"lte": 3}}}), "[colour] is no number"),
        (attribute({"range": {"price": {"lte": "now"}}}), "range.lte is no number"),
        (attribute({"bool": {"filter": []}}), "bool is empty"),
        (attribute({"bool": {"must_not": [{"script": {"script": "1"}}]}}), "[script], not term"),
        (attribute({"bool": {"boost": 2}}), "bool has the key [boost]"),
    ],
)
def test_what_cannot_be_used_is_left_and_the_reason_told(rig: Rig, proposal: Json, reason: str) -> None:
    rig.pipeline(attributes={"use": "filter"})
    plain = rig.search(ALL)
    rig.service.attributes = [proposal]
    found = rig.search(ALL)
    assert ids(found) == ids(plain)
    assert told(found)["degraded"] is None
    (left,) = told(found)["understanding"]["left"]
    assert reason in left["reason"]
    assert told(found)["understanding"]["applied"] == []


def test_less_sure_conditions_are_boosts(rig: Rig) -> None:
    rig.service.attributes = [attribute({"range": {"price": {"lte": 60}}}, confidence=0.8)]
    rig.pipeline(attributes={"use": "filter"})
    found = rig.search(ALL)
    assert max(prices(found)) > 60
    assert told(found)["understanding"]["applied"][0]["use"] == "boost"


def test_a_field_of_one_index_alone_is_no_field(rig: Rig) -> None:
    """A filter on it would hide the other index."""
    rig.call("PUT", "/shop2", {"mappings": {"properties": {"title": {"type": "text"}, "price": {"type": "keyword"}}}})
    try:
        rig.pipeline(attributes={"use": "filter"})
        rig.search(ALL, index="shop,shop2")
        assert rig.service.calls[-1].body["schema"] == {"title": "text"}
    finally:
        rig.http.delete("/shop2")


def test_a_new_field_is_known_at_once(rig: Rig) -> None:
    rig.pipeline(attributes={"use": "filter"})
    rig.search(ALL)
    assert "weight" not in rig.service.calls[-1].body["schema"]
    rig.call("PUT", "/shop/_mapping", {"properties": {"weight": {"type": "float"}}})
    rig.search(ALL)
    assert rig.service.calls[-1].body["schema"]["weight"] == "float"


def test_when_the_service_is_lost_nothing_is_applied(filtering: Rig) -> None:
    filtering.service.behaviours["/understand"] = lambda handler, request: handler.send_error(500)
    found = filtering.search(ALL)
    assert "understanding" not in told(found)
    assert max(prices(found)) > 60


def test_refused_bodies(rig: Rig) -> None:
    for attributes, words in (
        ({"use": "always"}, "write one of"),
        ({"min_confidence": 2}, "from 0.0 to 1.0"),
        ({"url": "http://h"}, "unknown"),
    ):
        body: Json = {"request_processors": [{"hybrid_rerank": {"retrievers": [KNN], "attributes": attributes}}]}
        answer = rig.http.put("/_search/pipeline/wrong", json=body)
        assert answer.status_code == 400
        assert words in answer.text


SEAT: Json = {"text": "chair", "of": "lamp", "language": "en", "source": "synonyms", "weight": 0.5}
DESK: Json = {"text": "desk", "of": "lamp", "language": "en", "source": "catalogue", "weight": 0.1}


@pytest.fixture
def expanding(rig: Rig) -> Rig:
    rig.service.expansions = [SEAT, DESK]
    rig.pipeline(retrievers=[{"lexical": {}}, {"expanded": {"weight": 0.5, "fields": ["title"]}}], window=100)
    return rig


def found_by(answer: Json, retriever: str) -> set[str]:
    return {hit["_id"] for hit in told(answer)["hits"] if retriever in hit["ranks"]}


def titled(rig: Rig, words: str) -> set[str]:
    return set(ids(rig.plain({"query": {"match": {"title": words}}, "size": 120})))


def test_expansions_find_what_the_words_do_not(expanding: Rig) -> None:
    """By their own key in the ranks, with the words that did it told."""
    found = expanding.search(ALL)
    assert expanding.service.calls[0].body["expand"] == ["synonyms", "catalogue"]
    assert found_by(found, "lexical") == titled(expanding, "lamp")
    assert found_by(found, "expanded") <= titled(expanding, "lamp chair desk")
    assert found_by(found, "expanded") & titled(expanding, "chair")
    told_of = told(found)["understanding"]["applied"]
    assert [(one["kind"], one["text"], one["of"], one["weight"]) for one in told_of] == [
        ("expansion", "chair", "lamp", 0.5),
        ("expansion", "desk", "lamp", 0.1),
    ]


def test_each_expansion_can_be_left_out(expanding: Rig) -> None:
    found = expanding.search({**ALL, "ext": {"polyrank": {"without": ["chair"]}}})
    assert found_by(found, "expanded") <= titled(expanding, "lamp desk")
    assert [one["text"] for one in told(found)["understanding"]["left"]] == ["chair"]
    found = expanding.search({**ALL, "ext": {"polyrank": {"without": ["chair", "desk"]}}})
    assert found_by(found, "expanded") == set()
    assert ids(found) == ids(expanding.plain(ALL))


def test_kinds_of_expansion(expanding: Rig) -> None:
    expanding.pipeline(retrievers=[{"lexical": {}}, {"expanded": {"fields": ["title"], "kinds": ["catalogue"]}}])
    found = expanding.search(ALL)
    assert [one["text"] for one in told(found)["understanding"]["applied"]] == ["desk"]
    expanding.pipeline()
    assert "understanding" not in told(expanding.search(ALL))
    assert "expand" not in expanding.service.calls[-1].body


def test_expansions_stay_within_the_callers_conditions(expanding: Rig) -> None:
    query: Json = {"bool": {"must": [LAMP], "filter": [{"term": {"colour": "red"}}]}}
    found = expanding.search({"query": query, "size": 120})
    assert found_by(found, "expanded")
    assert {hit["_source"]["colour"] for hit in found["hits"]["hits"]} == {"red"}
