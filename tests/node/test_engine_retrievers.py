"""Retrievers of every kind, by name, window and filter; further fusions; and pipelines that have none and rerank."""

import statistics

import pytest

from tests.node.engine_rig import Json, Rig, ids, knn, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
VECTOR = [0.3, -0.2, 0.5, 0.1, -0.7, 0.2, 0.4, -0.1]
RERANK: Json = {"window": 20, "weight": 1.0, "document_fields": {"title": ["title"]}}


def scores(answer: Json) -> dict[str, float]:
    """Id to score."""
    return {hit["_id"]: hit["_score"] for hit in answer["hits"]["hits"]}


@pytest.fixture(autouse=True)
def query_vector(rig: Rig) -> None:
    rig.service.vectors = {"lamp": VECTOR}


@pytest.mark.parametrize("technique", ["z_score", "convex"])
def test_fusion_by_its_formula(rig: Rig, technique: str) -> None:
    rig.pipeline(
        retrievers=[{"lexical": {"weight": 1}}, {"knn": {"field": "embedding", "weight": 3}}],
        combination={"technique": technique},
    )

    def shares(found: dict[str, float]) -> dict[str, float]:
        low, high, spread = min(found.values()), max(found.values()), statistics.pstdev(found.values())
        if technique == "convex":
            return {i: s / high for i, s in found.items()}
        return {i: max(0.001, (s - low) / spread) for i, s in found.items()}

    words = shares(scores(rig.plain({"query": LAMP, "size": 50})))
    neighbours = shares(scores(rig.plain({"query": knn(VECTOR), "size": 50})))
    lexical, vector = (0.25, 0.75) if technique == "convex" else (1, 3)
    for hit in told(rig.search({"query": LAMP, "size": 50}))["hits"]:
        expected = lexical * words.get(hit["_id"], 0) + vector * neighbours.get(hit["_id"], 0)
        assert hit["fused"]["score"] == pytest.approx(expected, rel=1e-4)


def test_a_retriever_has_a_name_a_window_and_a_filter(rig: Rig) -> None:
    near = {"field": "embedding", "window": 7}
    rig.pipeline(
        retrievers=[
            {"lexical": {"window": 5}},
            {"knn": near},
            {"knn": {**near, "name": "red", "filter": {"term": {"colour": "red"}}}},
        ]
    )
    found = told(rig.search({"query": LAMP, "size": 20}))["hits"]
    ranks: dict[str, list[int]] = {}
    for hit in found:
        for name, rank in hit["ranks"].items():
            ranks.setdefault(name, []).append(rank)
    assert {name: sorted(places) for name, places in ranks.items()} == {
        "lexical": [1, 2, 3, 4, 5],
        "knn.embedding": [1, 2, 3, 4, 5, 6, 7],
        "red": [1, 2, 3, 4, 5, 6, 7],
    }
    only_red = rig.plain({"query": {"bool": {"must": [knn(VECTOR)], "filter": [{"term": {"colour": "red"}}]}}})
    assert {hit["_id"] for hit in found if "red" in hit["ranks"]} & set(ids(only_red))


def test_match_searches_other_fields_even_without_the_service(rig: Rig) -> None:
    rig.service.behaviours["/understand"] = lambda handler, request: handler.send_error(500)
    rig.pipeline(
        retrievers=[
            {"lexical": {}},
            {"match": {"fields": ["title_de"], "name": "german"}},
            {"knn": {"field": "embedding"}},
        ]
    )
    found = rig.search({"query": {"match": {"title": "leuchte"}}, "size": 10})
    german = ids(rig.plain({"query": {"match": {"title_de": "leuchte"}}, "size": 10}))
    assert ids(found) == german
    assert told(found)["hits"][0]["ranks"] == {"german": 1}
    assert "understand" in told(found)["degraded"]


def test_translations_of_one_language_alone(rig: Rig) -> None:
    rig.service.translations["lamp"] = {"de": "leuchte", "en": "chair"}
    rig.pipeline(
        retrievers=[{"lexical": {}}, {"translated": {"languages": ["de"], "fields": ["title_{lang}", "title"]}}]
    )
    found = told(rig.search({"query": LAMP, "size": 50}))["hits"]
    german = set(ids(rig.plain({"query": {"match": {"title_de": "leuchte"}}, "size": 50})))
    assert {hit["_id"] for hit in found if "translated" in hit["ranks"]} <= german


@pytest.mark.parametrize(
    "query",
    [
        LAMP,
        {"function_score": {"query": LAMP, "field_value_factor": {"field": "price"}}},
        {"bool": {"must": [LAMP], "should": [{"term": {"brand": "Flos"}}]}},
    ],
)
def test_without_retrievers_the_callers_own_query_is_reranked(rig: Rig, query: Json) -> None:
    """Its first window in the cross-encoder's order, and behind it the caller's own."""
    rig.service.relevance = lambda text, document: 1 / (1 + len(document["title"]))
    rig.pipeline(retrievers=None, rerank=RERANK)
    plain = rig.plain({"query": query, "size": 60})
    found = rig.search({"query": query, "size": 60})
    window = ids(plain)[:20]
    lengths = {hit["_id"]: len(hit["_source"]["title"]) for hit in plain["hits"]["hits"]}
    assert ids(found)[:20] == sorted(window, key=lambda i: lengths[i])
    assert ids(found)[20:] == ids(plain)[20:]
    assert [call.body.get("want") for call in rig.service.calls if call.path == "/understand"] == [["language"]]


def test_the_callers_query_through_a_pipeline_of_its_own(rig: Rig) -> None:
    """What another pipeline finds and fuses is reranked; the total is that pipeline's."""
    rig.pipeline("inner", window=30)
    rig.pipeline(retrievers=None, query_pipeline="inner", rerank=RERANK, window=30)
    rig.service.relevance = lambda text, document: 1 / (1 + len(document["title"]))
    inner = rig.search({"query": LAMP, "size": 30}, pipeline="inner")
    found = rig.search({"query": LAMP, "size": 30})
    assert sorted(ids(found)) == sorted(ids(inner))
    assert ids(found) != ids(inner)
    assert ids(found)[20:] == ids(inner)[20:]
    assert found["hits"]["total"] == inner["hits"]["total"]
    too_deep = rig.search({"query": LAMP, "from": 25, "size": 10})
    assert told(too_deep)["skipped"] == "more than a page of the window"


def test_no_retriever_and_nothing_to_do_is_refused(rig: Rig) -> None:
    answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": {"window": 5}}]})
    assert answer.status_code == 400
    assert "[retrievers] is missing" in answer.json()["error"]["reason"]
