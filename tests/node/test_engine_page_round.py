"""A fused page in one search less: with `polyrank_page` in the pipeline every answer is the same as without."""

import copy
import random
from collections.abc import Iterator
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
    queries,
    without_times,
)

pytestmark = pytest.mark.node
LONG_WAY = 3 * SHARDS  # the lexical search, the kNN search, the page
SHORT_WAY = 2 * SHARDS
NAMED: Json = {
    "bool": {"should": [{"match": {"title": {"query": "lamp", "_name": "l"}}}, {"match": {"title": "desk"}}]}
}
NOT_CACHEABLE: Json = {"script": {"script": "Math.random() < 2"}}
"""A shard makes such a query, and one that names the present time, only before it begins to search."""

NESTED: Json = {"nested": {"path": "reviews", "query": {"term": {"reviews.author": "author1"}}, "inner_hits": {}}}


@pytest.fixture(autouse=True)
def query_vector(rig: Rig) -> None:
    rig.service.vectors = {"lamp": VECTOR, "desk reading": VECTOR[::-1]}


@pytest.fixture
def both(rig: Rig) -> Rig:
    return install(rig)


def install(rig: Rig, **changes: Any) -> Rig:
    """Make the pipelines `long` and `short`: the same, without and with `polyrank_page`, which has been met once."""
    config: Json = {"retrievers": [{"lexical": {}}, {"knn": {"field": "embedding"}}], "window": 50, "deadline_ms": 8000}
    made_anew = {"description": str(next(COUNT))}  # the same body would leave it as it is
    body = pipeline_body(config | changes) | made_anew
    rig.call("PUT", "/_search/pipeline/long", body)
    rig.call("PUT", "/_search/pipeline/short", body | {"phase_results_processors": [{"polyrank_page": {}}]})
    rig.search({"query": LAMP}, pipeline="short")
    return rig


def same(rig: Rig, body: Json, index: str = "shop", **params: Any) -> tuple[Json, int]:
    """Search both ways, expect the same answer; return it and the query phases of the short way."""
    expected = rig.search(copy.deepcopy(body), index, "long", **params)
    found, phases = counted(rig, body, "short", index, **params)
    assert without_times(found) == without_times(expected)
    assert told(found)["degraded"] is None
    return found, phases


@pytest.mark.parametrize(
    "body",
    [
        {"query": LAMP},
        {"query": DESK, "size": 20, "from": 7},
        {"query": LAMP, "size": 10, "from": 40},
        {"query": LAMP, "size": 50},
        {"query": LAMP, "track_total_hits": False},
        {"query": LAMP, "track_total_hits": True},
        {"query": LAMP, "track_total_hits": 20},
        {"query": LAMP, "track_total_hits": 65},
        {"query": LAMP, "post_filter": {"term": {"colour": "red"}}},
        {"query": {"bool": {"must": [LAMP], "filter": [{"term": {"brand": "Ikea"}}]}}, "size": 5, "from": 3},
        {"query": {"bool": {"must": [DESK], "must_not": [{"range": {"price": {"lt": 60}}}]}}},
        {"query": {"match": {"title": {"query": "number7", "_name": "one"}}}},
        {"query": NAMED, "size": 30},
        {"query": {"bool": {"must": [LAMP], "should": [NESTED]}}},
        {"query": {"function_score": {"query": LAMP, "field_value_factor": {"field": "price"}}}},
        {"query": {"match": {"title": "nothing of the kind"}}},
        {"query": {"bool": {"must": [LAMP], "filter": [NOT_CACHEABLE]}}},
        {
            "query": LAMP,
            "_source": ["title"],
            "docvalue_fields": ["price"],
            "version": True,
            "seq_no_primary_term": True,
        },
        {"query": LAMP, "_source": False, "fields": ["brand"]},
        {"query": LAMP, "script_fields": {"twice": {"script": "doc['price'].value * 2"}}},
    ],
)
def test_the_answer_is_the_same_with_a_round_less(both: Rig, body: Json) -> None:
    found, phases = same(both, body)
    assert phases == SHORT_WAY
    assert any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])


def test_shards_fetch_the_page_without_making_the_query_again(both: Rig, node: RunningNode) -> None:
    """What they need of it they are given: names."""
    bodies = fetched_by(both, node.log, {"query": LAMP, "_source": ["title"]}, "short")
    assert bodies
    assert all("query" not in body and "sort" not in body and "title" in body for body in bodies)
    assert any('"_name":"l"' in body for body in fetched_by(both, node.log, {"query": NAMED}, "short"))


@pytest.mark.parametrize("technique", ["rrf", "min_max", "z_score", "convex"])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.9, 0.1), (0.0, 1.0), (1.0, 0.0)])
def test_each_technique(rig: Rig, technique: str, weights: tuple[float, float]) -> None:
    lexical, vector = weights
    retrievers = [{"lexical": {"weight": lexical}}, {"knn": {"field": "embedding", "weight": vector}}]
    install(rig, retrievers=retrievers, combination={"technique": technique})
    assert same(rig, {"query": LAMP, "size": 25})[1] == SHORT_WAY
    assert same(rig, {"query": DESK, "size": 5, "from": 30})[1] == SHORT_WAY


@pytest.mark.parametrize("k", [5, 20, 110])
@pytest.mark.parametrize("window", [10, 40])
def test_any_k_and_windows(rig: Rig, k: int, window: int) -> None:
    install(
        rig,
        retrievers=[{"lexical": {"window": min(30, window)}}, {"knn": {"field": "embedding", "k": k}}],
        window=window,
    )
    for query in (LAMP, DESK):
        assert same(rig, {"query": query})[1] == SHORT_WAY


@pytest.mark.parametrize(
    "body",
    [
        {"query": LAMP, "aggs": {"brands": {"terms": {"field": "brand"}}}},
        {"query": LAMP, "highlight": {"fields": {"title": {}}}},
        {"query": LAMP, "collapse": {"field": "family"}},
        {"query": LAMP, "sort": ["_score", {"price": "asc"}]},
        {"query": LAMP, "sort": []},
        {"query": LAMP, "explain": True},
        {"query": LAMP, "size": 10, "from": 45},
        {"query": LAMP, "timeout": "5s"},
        {"query": LAMP, "indices_boost": [{"shop": 2.0}]},
        {"query": LAMP, "rescore": {"query": {"rescore_query": DESK}, "window_size": 10}},
    ],
)
def test_what_needs_more_takes_the_long_way(both: Rig, body: Json) -> None:
    assert same(both, body)[1] >= LONG_WAY


def test_term_statistics_of_all_shards_take_the_long_way(both: Rig) -> None:
    same(both, {"query": LAMP}, search_type="dfs_query_then_fetch")


def test_one_shard_takes_the_long_way(both: Rig) -> None:
    both.index("single", lamps(), shards=1)
    assert same(both, {"query": LAMP}, index="single")[1] == 3
    both.http.delete("/single")


def test_a_pipeline_s_first_search_and_one_without_the_processor_take_the_long_way(both: Rig) -> None:
    assert counted(both, {"query": LAMP}, "long")[1] == LONG_WAY
    assert counted(both, {"query": LAMP}, "long")[1] == LONG_WAY
    body = both.call("GET", "/_search/pipeline/short")["short"] | {"description": "changed, so made anew"}
    both.call("PUT", "/_search/pipeline/short", body)
    first, phases = counted(both, {"query": LAMP}, "short")
    assert phases == LONG_WAY
    second, phases = counted(both, {"query": LAMP}, "short")
    assert phases == SHORT_WAY
    assert without_times(second) == without_times(first)


def test_reranking_and_policy_take_the_long_way_and_a_skipped_reranking_does_not(rig: Rig) -> None:
    rerank: Json = {"window": 10, "document_fields": {"title": ["title"]}}
    rig.service.relevance = lambda query, document: 1 / len(document["title"])
    install(rig, rerank=rerank)
    assert same(rig, {"query": LAMP})[1] == LONG_WAY  # the kNN search reads what is to be reranked
    install(rig, rerank=rerank | {"skip": {"classes": ["short"]}})
    found, phases = same(rig, {"query": LAMP})
    assert phases == SHORT_WAY
    assert told(found)["rerank_skipped"]
    install(rig, policy={"boosts": [{"name": "red", "filter": {"term": {"colour": "red"}}}]})
    assert same(rig, {"query": LAMP})[1] > LONG_WAY


def test_a_further_retriever_takes_the_long_way(rig: Rig) -> None:
    install(rig, retrievers=[{"lexical": {}}, {"knn": {"field": "embedding"}}, {"match": {"fields": ["title_de"]}}])
    assert same(rig, {"query": LAMP})[1] > LONG_WAY


def test_alias_with_a_filter_point_in_time_and_preference(both: Rig) -> None:
    alias = {"index": "shop", "alias": "reds", "filter": {"term": {"colour": "red"}}}
    both.call("POST", "/_aliases", {"actions": [{"add": alias}]})
    found, phases = same(both, {"query": LAMP}, index="reds")
    assert phases == SHORT_WAY
    assert {hit["_source"]["colour"] for hit in found["hits"]["hits"]} == {"red"}
    both.call("POST", "/_aliases", {"actions": [{"remove": {"index": "shop", "alias": "reds"}}]})
    assert same(both, {"query": LAMP}, preference="me")[1] == SHORT_WAY
    pit = both.call("POST", "/shop/_search/point_in_time", keep_alive="1m")["pit_id"]
    body = {"query": LAMP, "pit": {"id": pit, "keep_alive": "1m"}}
    answers = [both.call("POST", "/_search", body, search_pipeline=name) for name in ("long", "short")]
    assert without_times(answers[0]) == without_times(answers[1])
    both.call("DELETE", "/_search/point_in_time", {"pit_id": [pit]})


def test_several_indices_and_one_without_vectors(both: Rig) -> None:
    both.index(
        "bare",
        [{k: v for k, v in lamp.items() if k not in ("embedding", "picture")} for lamp in lamps(40)],
        vectors=False,
        shards=2,
    )
    expected = both.search({"query": LAMP, "size": 30}, "shop,bare", "long")
    found, phases = counted(both, {"query": LAMP, "size": 30}, "short", "shop,bare")
    assert without_times(found) == without_times(expected)
    assert phases == 2 * (SHARDS + 2)
    assert {hit["_index"] for hit in found["hits"]["hits"]} == {"shop", "bare"}
    both.http.delete("/bare")


def test_without_neighbours_the_caller_s_own_order_and_scores_stand(both: Rig) -> None:
    bare = [{k: v for k, v in lamp.items() if k != "embedding"} for lamp in lamps(60)]
    both.index("pictures", bare)
    for body in ({"query": LAMP, "size": 5, "from": 2}, {"query": {"match": {"title": "unheard"}}}):
        found, phases = same(both, body, index="pictures")
        assert phases == SHORT_WAY
        plain = both.plain(body, "pictures")["hits"]
        assert found["hits"]["max_score"] == plain["max_score"]
        assert [(hit["_id"], hit["_score"]) for hit in found["hits"]["hits"]] == [
            (hit["_id"], hit["_score"]) for hit in plain["hits"]
        ]
    both.http.delete("/pictures")


def test_many_queries_over_a_lived_in_index(both: Rig) -> None:
    lived_in(both)
    draw = random.Random(5)
    words = ["lamp", "desk", "reading", "chair", "item", *(f"number{i}" for i in range(200))]
    for _ in range(40):
        text = " ".join(draw.sample(words[:5], draw.randint(1, 3)) + draw.sample(words[5:], draw.randint(0, 2)))
        both.service.vectors[text] = [draw.gauss(0, 1) for _ in range(8)]
        size = draw.randint(1, 25)
        query: Json = {"match": {"title": {"query": text, "operator": draw.choice(["or", "and"])}}}
        if draw.random() < 0.5:
            query = {"bool": {"must": [query], "filter": [{"term": {"colour": draw.choice(["red", "blue"])}}]}}
        start, counted_to = draw.randint(0, 50 - size), draw.choice([True, False, 30])
        body = {"query": query, "size": size, "from": start, "track_total_hits": counted_to}
        phases = same(both, body, index="stock")[1]
        assert phases == SHORT_WAY or start > 0  # a page behind few lexical hits is not told from them
    both.http.delete("/stock")


def changed_between(rig: Rig, pipeline: str) -> Json:
    """Search a new index in which four documents change while the service understands; return the answer."""
    lived_in(rig)
    before = rig.search({"query": LAMP, "size": 50}, "stock", "long")
    ranks = {hit["_id"]: set(hit["ranks"]) for hit in told(before)["hits"]}
    gone = [next(i for i in ids(before) if ranks[i] == {only}) for only in ("lexical", "knn.embedding")]
    shared = [i for i in ids(before) if len(ranks[i]) == 2]
    gone.append(shared[0])
    changed = {**next(lamp for lamp in lamps(200, seed=3) if lamp["_id"] == shared[1])}
    del changed["_id"]

    def change() -> None:
        for document in gone:
            rig.call("DELETE", f"/stock/_doc/{document}")
        rig.call("PUT", f"/stock/_doc/{shared[1]}", changed)

    with between_lexical_and_knn(rig, change) as start:
        found = rig.search({"query": LAMP, "size": 20}, "stock", pipeline)
    assert queries(rig, "stock") - start == (SHORT_WAY if pipeline == "short" else LONG_WAY)
    assert len(ids(found)) == len(set(ids(found))) == 20
    assert not set(gone) & set(ids(found))
    return found


def test_documents_deleted_and_written_between_the_searches(both: Rig) -> None:
    expected = without_times(changed_between(both, "long"))
    found = without_times(changed_between(both, "short"))
    assert found["ext"] == expected["ext"]
    assert found["hits"]["hits"] == expected["hits"]["hits"]
    both.http.delete("/stock")


@pytest.fixture
def narrow(rig: Rig) -> Iterator[Rig]:
    """An index that refuses the round's size and takes that of every other search."""
    rig.index("narrow", lamps(), shards=2)
    rig.call("PUT", "/narrow/_settings", {"index.max_result_window": 55})
    yield install(rig)
    rig.http.delete("/narrow")


@pytest.mark.parametrize("index", ["narrow", "narrow,shop"])
def test_a_round_that_fails_is_made_good_and_not_tried_again_at_once(narrow: Rig, index: str) -> None:
    expected, usual = counted(narrow, {"query": LAMP}, "long", index)
    found, phases = counted(narrow, {"query": LAMP}, "short", index)
    assert without_times(found) == without_times(expected)
    assert found["_shards"]["failed"] == 0
    assert told(found)["degraded"] is None
    assert phases > usual
    again, phases = counted(narrow, {"query": LAMP}, "short", index)
    assert without_times(again) == without_times(expected)
    assert phases == usual


def test_errors_of_the_caller_stay_errors(both: Rig) -> None:
    broken = {"query": {"bool": {"must": [LAMP, {"range": {"price": {"gte": "much"}}}]}}}
    answers = [both.http.post(f"/shop/_search?search_pipeline={name}", json=broken) for name in ("long", "short")]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["error"]["root_cause"] == answers[1].json()["error"]["root_cause"]


def test_a_dead_service_leaves_the_caller_s_order(both: Rig) -> None:
    both.use("http://127.0.0.1:1")
    found = both.search({"query": LAMP}, pipeline="short")
    assert ids(found) == ids(both.plain({"query": LAMP}))
    assert told(found)["degraded"]


def test_unknown_keys_of_the_processor_are_refused(rig: Rig) -> None:
    body = pipeline_body({"retrievers": [{"lexical": {}}, {"knn": {"field": "embedding"}}]})
    body["phase_results_processors"] = [{"polyrank_page": {"size": 3}}]
    answer = rig.http.put("/_search/pipeline/wrong", json=body)
    assert answer.status_code == 400
    assert "size" in answer.text
