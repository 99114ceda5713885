"""The kNN search reads what is to be reranked: answers and questions to the service are the same as without."""

import random
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.node.conftest import RunningNode
from tests.node.engine_rig import Json, Rig, ids, lamps, pipeline_body, told
from tests.node.rounds import (
    COUNT,
    DESK,
    LAMP,
    SHARDS,
    VECTOR,
    between_lexical_and_knn,
    counted,
    fetched_by,
    lived_in,
    without_times,
)

pytestmark = pytest.mark.node
LONG_WAY = 4 * SHARDS  # the lexical search, the kNN search, the documents, the page
SHORT_WAY = 3 * SHARDS
RERANK: Json = {"window": 20, "weight": 0.6, "document_fields": {"title": ["title"], "brand": ["brand"]}}
WITHOUT: Json = {"pins": [{"query": "a query that nobody sends", "ids": ["1"]}]}
"""A policy that does nothing: with one the documents are read by a search of their own."""


@pytest.fixture(autouse=True)
def scripted(rig: Rig) -> None:
    rig.service.vectors = {"lamp": VECTOR, "desk reading": VECTOR[::-1]}
    rig.service.relevance = lambda query, document: (hash(str(sorted(document.items()))) % 997) / 997


def install(rig: Rig, **changes: Any) -> Rig:
    """Make the pipelines `long` and `short`: the first reads its documents by a search of their own."""
    config: Json = {
        "retrievers": [{"lexical": {}}, {"knn": {"field": "embedding"}}],
        "window": 50,
        "deadline_ms": 8000,
        "rerank": RERANK,
    }
    made_anew = {"description": str(next(COUNT))}  # the same body would leave it as it is
    rig.call("PUT", "/_search/pipeline/short", pipeline_body(config | changes) | made_anew)
    rig.call("PUT", "/_search/pipeline/long", pipeline_body(config | changes | {"policy": WITHOUT}) | made_anew)
    return rig


def asked(rig: Rig, body: Json, pipeline: str, index: str, **params: Any) -> tuple[Json, int, list[Json]]:
    """Search; return the answer, the query phases it took, and what the reranker was asked."""
    rig.service.calls.clear()
    found, phases = counted(rig, body, pipeline, index, **params)
    questions = [{**call.body, "deadline_ms": 0} for call in rig.service.calls if call.path == "/rerank"]
    return found, phases, questions


def same(rig: Rig, body: Json, index: str = "shop", **params: Any) -> tuple[Json, int]:
    """Search both ways, expect the same answer; return it and the query phases of the short way."""
    expected, usual, expected_questions = asked(rig, body, "long", index, **params)
    found, phases, questions = asked(rig, body, "short", index, **params)
    assert without_times(found) == without_times(expected)
    assert questions == expected_questions
    assert told(found)["degraded"] is None
    assert phases <= usual
    return found, phases


def test_shards_read_the_documents_without_making_the_query_again(rig: Rig, node: RunningNode) -> None:
    bodies = fetched_by(install(rig), node.log, {"query": LAMP, "_source": ["price"]}, "short")
    read = [body for body in bodies if "price" not in body]
    assert read
    assert all('"knn"' not in body and "sort" not in body and "brand" in body for body in read)


@pytest.mark.parametrize(
    "body",
    [
        {"query": LAMP},
        {"query": DESK, "size": 20, "from": 7},
        {"query": LAMP, "size": 50},
        {"query": LAMP, "track_total_hits": True},
        {"query": LAMP, "post_filter": {"term": {"colour": "red"}}},
        {"query": {"bool": {"must": [LAMP], "filter": [{"term": {"brand": "Ikea"}}]}}, "size": 5, "from": 3},
        {"query": {"bool": {"must": [DESK], "must_not": [{"range": {"price": {"lt": 60}}}]}}},
        {"query": {"function_score": {"query": LAMP, "field_value_factor": {"field": "price"}}}},
        {"query": LAMP, "rescore": {"query": {"rescore_query": DESK}, "window_size": 10}},
        {"query": {"match": {"title": "nothing of the kind"}}},
        {"query": {"match": {"title": {"query": "number7", "_name": "one"}}}},
        {"query": LAMP, "ext": {"polyrank": {"rerank_window": 5, "top_k": 3}}},
        {"query": LAMP, "ext": {"polyrank": {"explain": ["0", "2", "4"]}}},
    ],
)
def test_the_answer_is_the_same_with_a_round_less(rig: Rig, body: Json) -> None:
    found, phases = same(install(rig), body)
    assert phases == SHORT_WAY
    assert told(found)["reranked"] > 0
    assert any(hit["rerank"] for hit in told(found)["hits"])


@pytest.mark.parametrize(
    "body",
    [
        {"query": LAMP, "aggs": {"brands": {"terms": {"field": "brand"}}}},
        {"query": LAMP, "highlight": {"fields": {"title": {}}}},
        {"query": LAMP, "collapse": {"field": "family"}},
        {"query": LAMP, "size": 10, "from": 45},
    ],
)
def test_what_needs_the_caller_s_query_again_has_its_documents_early_too(rig: Rig, body: Json) -> None:
    assert same(install(rig), body)[1] == SHORT_WAY


@pytest.mark.parametrize("technique", ["rrf", "min_max", "z_score", "convex"])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.9, 0.1), (0.0, 1.0), (1.0, 0.0)])
def test_each_technique(rig: Rig, technique: str, weights: tuple[float, float]) -> None:
    lexical, vector = weights
    retrievers = [{"lexical": {"weight": lexical}}, {"knn": {"field": "embedding", "weight": vector}}]
    install(rig, retrievers=retrievers, combination={"technique": technique})
    for query in (LAMP, DESK):
        assert same(rig, {"query": query, "size": 25})[1] == SHORT_WAY


@pytest.mark.parametrize("k", [3, 20, 110])
@pytest.mark.parametrize("window", [10, 40])
@pytest.mark.parametrize("read", [4, 10])
def test_any_k_and_windows(rig: Rig, k: int, window: int, read: int) -> None:
    lexical = {"window": min(30, window)}
    retrievers = [{"lexical": lexical}, {"knn": {"field": "embedding", "k": k}}]
    install(rig, retrievers=retrievers, window=window, rerank=RERANK | {"window": read})
    for query in (LAMP, DESK):
        assert same(rig, {"query": query})[1] == SHORT_WAY


def test_chunks_and_vectors_alone(rig: Rig) -> None:
    install(rig, rerank=RERANK | {"chunk": 7})
    assert same(rig, {"query": LAMP})[1] == SHORT_WAY
    install(rig, retrievers=[{"knn": {"field": "embedding"}}])
    assert same(rig, {"query": LAMP})[1] == SHORT_WAY


def test_many_queries_over_a_lived_in_index(rig: Rig) -> None:
    install(rig)
    lived_in(rig)
    draw = random.Random(6)
    words = ["lamp", "desk", "reading", "chair", "item", *(f"number{i}" for i in range(200))]
    for _ in range(30):
        text = " ".join(draw.sample(words[:5], draw.randint(1, 3)) + draw.sample(words[5:], draw.randint(0, 2)))
        rig.service.vectors[text] = [draw.gauss(0, 1) for _ in range(8)]
        query: Json = {"match": {"title": {"query": text, "operator": draw.choice(["or", "and"])}}}
        if draw.random() < 0.5:
            query = {"bool": {"must": [query], "filter": [{"term": {"colour": draw.choice(["red", "blue"])}}]}}
        body = {"query": query, "size": draw.randint(1, 25), "from": draw.randint(0, 25)}
        assert same(rig, body, index="stock")[1] == SHORT_WAY
    rig.http.delete("/stock")


def test_alias_with_a_filter_and_several_indices(rig: Rig) -> None:
    install(rig)
    alias = {"index": "shop", "alias": "reds", "filter": {"term": {"colour": "red"}}}
    rig.call("POST", "/_aliases", {"actions": [{"add": alias}]})
    found, phases = same(rig, {"query": LAMP}, index="reds")
    assert phases == SHORT_WAY
    assert {hit["_source"]["colour"] for hit in found["hits"]["hits"]} == {"red"}
    rig.call("POST", "/_aliases", {"actions": [{"remove": {"index": "shop", "alias": "reds"}}]})
    bare = [{k: v for k, v in lamp.items() if k not in ("embedding", "picture")} for lamp in lamps(40)]
    rig.index("bare", bare, vectors=False, shards=2)
    long, short = (rig.search({"query": LAMP, "size": 30}, "shop,bare", name) for name in ("long", "short"))
    assert without_times(short) == without_times(long)
    assert {hit["_index"] for hit in short["hits"]["hits"]} == {"shop", "bare"}
    rig.http.delete("/bare")


def test_term_statistics_of_all_shards_and_one_shard_take_the_long_way(rig: Rig) -> None:
    install(rig)
    found = same(rig, {"query": LAMP}, search_type="dfs_query_then_fetch")[0]
    assert told(found)["reranked"] == 20
    rig.index("single", lamps(), shards=1)
    assert same(rig, {"query": LAMP}, index="single")[1] == 4
    rig.http.delete("/single")


def test_a_skipped_reranking_reads_nothing(rig: Rig) -> None:
    install(rig, rerank=RERANK | {"skip": {"classes": ["short"]}})
    found, phases = counted(rig, {"query": LAMP}, "short")
    assert told(found)["rerank_skipped"]
    assert phases == SHORT_WAY  # the lexical search, the kNN search, the page
    assert "fetch" not in told(found)["timings_ms"]


@pytest.mark.parametrize("index", ["narrow", "narrow,shop"])
def test_a_round_that_fails_is_made_good_and_not_tried_again_at_once(rig: Rig, index: str) -> None:
    rig.index("narrow", lamps(), shards=2)
    rig.call("PUT", "/narrow/_settings", {"index.max_result_window": 55})  # the round wants more
    install(rig)
    expected, usual = counted(rig, {"query": LAMP}, "long", index)
    refused, again = (counted(rig, {"query": LAMP}, "short", index) for _ in range(2))
    for found, _ in (refused, again):
        assert without_times(found) == without_times(expected)
        assert told(found)["degraded"] is None
        assert found["_shards"]["failed"] == 0
    assert refused[1] >= usual  # a shard that refuses a search counts none
    assert again[1] == usual
    rig.http.delete("/narrow")


@pytest.mark.parametrize("pipeline", ["short", "long", "pinned"])
def test_documents_that_are_deleted_while_the_service_understands(rig: Rig, pipeline: str) -> None:
    """What is gone when it is to be read is not shown, and harms nothing, whoever reads."""
    install(rig)
    pins = {"pins": [{"query": "lamp", "ids": ["4"]}]}
    body = rig.call("GET", "/_search/pipeline/short")["short"]
    body["request_processors"][0]["hybrid_rerank"]["policy"] = pins
    rig.call("PUT", "/_search/pipeline/pinned", body)
    lived_in(rig)
    before = rig.search({"query": LAMP, "size": 50}, "stock", "short")
    ranks = {hit["_id"]: set(hit["ranks"]) for hit in told(before)["hits"]}
    gone = [next(i for i in ids(before)[:20] if ranks[i] == {only}) for only in ("lexical", "knn.embedding")]

    def delete() -> None:
        for document in gone:
            rig.call("DELETE", f"/stock/_doc/{document}")

    with between_lexical_and_knn(rig, delete):
        found = rig.search({"query": LAMP, "size": 20}, "stock", pipeline)
    assert told(found)["degraded"] is None
    assert told(found)["reranked"] == 20
    assert len(ids(found)) == len(set(ids(found))) == 20
    assert not set(gone) & set(ids(found))
    rig.http.delete("/stock")


@pytest.mark.parametrize("merged", [False, True])
def test_documents_that_are_written_and_deleted_while_the_reranker_reads(rig: Rig, merged: bool) -> None:
    """The page shows a written one as it is now, wherever it is now, and no deleted one."""
    install(rig)
    lived_in(rig)
    first, second, third = ids(rig.search({"query": LAMP, "size": 20}, "stock", "short"))[:3]

    def meanwhile(handler: BaseHTTPRequestHandler, request: Json) -> None:
        rig.call("PUT", f"/stock/_doc/{first}", {"title": "lamp written meanwhile"})
        rig.call("DELETE", f"/stock/_doc/{second}")
        rig.call("POST", "/stock/_refresh")
        if merged:
            rig.call("POST", "/stock/_forcemerge?max_num_segments=1")
            rig.call("POST", "/stock/_refresh")
        rig.service.well(handler, request)

    rig.service.behaviours["/rerank"] = meanwhile
    found = rig.search({"query": LAMP, "size": 20, "ext": {"polyrank": {"deadline_ms": 8000}}}, "stock", "short")
    del rig.service.behaviours["/rerank"]
    titles = {hit["_id"]: hit["_source"]["title"] for hit in found["hits"]["hits"]}
    assert titles[first] == "lamp written meanwhile"
    assert second not in titles
    assert third in titles
    assert len(titles) == 20
    rig.http.delete("/stock")
