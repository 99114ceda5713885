"""Everything an ordinary client may ask of a search works through the pipeline as it does without."""

import json

import pytest

from tests.node.engine_rig import Json, Rig, ids, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}


def test_pages_follow_each_other_without_repeats_or_gaps_into_the_lexical_tail(rig: Rig) -> None:
    rig.pipeline(window=20)
    whole = ids(rig.search({"query": LAMP, "size": 100}))
    paged = [i for page in range(10) for i in ids(rig.search({"query": LAMP, "size": 10, "from": page * 10}))]
    assert paged == whole
    assert len(set(whole)) == len(whole)
    lexical = set(ids(rig.plain({"query": LAMP, "size": 100})))
    assert lexical < set(whole)
    tail = ids(rig.plain({"query": LAMP, "size": 100}))
    assert [i for i in whole[20:] if i in lexical] == [i for i in tail if i not in whole[:20]]


def test_page_that_straddles_the_window(rig: Rig) -> None:
    rig.pipeline(window=15)
    whole = ids(rig.search({"query": LAMP, "size": 60}))
    assert ids(rig.search({"query": LAMP, "size": 10, "from": 10})) == whole[10:20]
    assert [hit["final"]["rank"] for hit in told(rig.search({"query": LAMP, "size": 10, "from": 10}))["hits"]] == [
        *range(11, 21)
    ]


def test_filters_bind_every_retriever(rig: Rig) -> None:
    query = {
        "bool": {"must": [LAMP], "filter": [{"term": {"colour": "red"}}], "must_not": [{"term": {"brand": "Flos"}}]}
    }
    found = rig.search({"query": query, "size": 50})
    sources = [hit["_source"] for hit in found["hits"]["hits"]]
    assert any("lamp" not in source["title"] for source in sources), "the vector found more than the words"
    assert all(source["colour"] == "red" and source["brand"] != "Flos" for source in sources)


def test_conditions_among_must_bind_every_retriever(rig: Rig) -> None:
    query = {"function_score": {"query": {"bool": {"must": [LAMP, {"range": {"price": {"lt": 60}}}]}}}}
    found = rig.search({"query": query, "size": 50})
    assert any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])
    assert all(hit["_source"]["price"] < 60 for hit in found["hits"]["hits"])


def test_post_filter_binds_hits_and_not_aggregations(rig: Rig) -> None:
    body: Json = {
        "query": LAMP,
        "post_filter": {"term": {"colour": "blue"}},
        "aggs": {"colours": {"terms": {"field": "colour"}}},
        "size": 50,
    }
    found = rig.search(body)
    assert {hit["_source"]["colour"] for hit in found["hits"]["hits"]} == {"blue"}
    assert len(found["aggregations"]["colours"]["buckets"]) == 3


def test_aggregations_count_lexical_and_ranked_documents(rig: Rig) -> None:
    found = rig.search({"query": LAMP, "size": 100, "aggs": {"brands": {"terms": {"field": "brand"}}}})
    buckets = found["aggregations"]["brands"]["buckets"]
    assert sum(bucket["doc_count"] for bucket in buckets) == found["hits"]["total"]["value"] == len(ids(found))


@pytest.mark.parametrize("size", [5, 30])
@pytest.mark.parametrize("exact", [None, True, False, 7])
def test_total_is_the_union_whatever_the_page(rig: Rig, size: int, exact: bool | int | None) -> None:
    rig.pipeline(window=30)
    with_aggregation = rig.search({"query": LAMP, "size": 100, "aggs": {"n": {"value_count": {"field": "brand"}}}})
    union = with_aggregation["aggregations"]["n"]["value"]
    body: Json = {"query": LAMP, "size": size}
    if exact is not None:
        body["track_total_hits"] = exact
    found = rig.search(body)
    if exact is False:
        assert "total" not in found["hits"]
    elif exact == 7 and exact is not True:
        assert found["hits"]["total"] == {"value": 7, "relation": "gte"}
    else:
        assert found["hits"]["total"] == {"value": union, "relation": "eq"}


def test_highlight(rig: Rig) -> None:
    found = rig.search({"query": LAMP, "size": 30, "highlight": {"fields": {"title": {}}}})
    lit = [hit for hit in found["hits"]["hits"] if "lamp" in hit["_source"]["title"]]
    assert lit
    assert all("<em>lamp</em>" in hit["highlight"]["title"][0] for hit in lit)


def test_source_filter_doc_values_fields_and_script_fields(rig: Rig) -> None:
    body: Json = {
        "query": LAMP,
        "size": 3,
        "_source": ["brand"],
        "docvalue_fields": ["price"],
        "fields": ["colour"],
        "script_fields": {"twice": {"script": "doc['price'].value * 2"}},
        "version": True,
        "seq_no_primary_term": True,
    }
    for hit in rig.search(body)["hits"]["hits"]:
        assert hit["_source"].keys() == {"brand"}
        assert hit["fields"]["twice"] == [2 * hit["fields"]["price"][0]]
        assert hit["fields"]["colour"]
        assert hit["_version"] == 1
        assert hit["_seq_no"] >= 0


def test_vectors_come_back_only_when_asked_for(rig: Rig) -> None:
    def returned(**body: object) -> set[str]:
        hits = rig.search({"query": LAMP, **body})["hits"]["hits"]
        return set.union(*(set(hit["_source"]) for hit in hits))

    assert {"title", "brand"} <= returned()
    assert not {"embedding", "picture"} & returned(), "the pipeline searches one, the mapping declares both"
    assert {"embedding", "picture"} <= returned(_source=True)
    assert returned(_source=["embedding"]) == {"embedding"}


@pytest.mark.parametrize(
    "body", [{"_source": False}, {"stored_fields": "_none_", "_source": False}, {"stored_fields": []}]
)
def test_hits_without_source(rig: Rig, body: Json) -> None:
    found = rig.search({"query": LAMP, "size": 5, **body})
    assert len(found["hits"]["hits"]) == 5
    assert all("_source" not in hit for hit in found["hits"]["hits"])


def test_hits_without_any_body_but_the_url(rig: Rig) -> None:
    whole = ids(rig.search({"query": {"query_string": {"query": "lamp"}}, "size": 4}))
    assert ids(rig.call("GET", "/shop/_search", search_pipeline="shop", q="lamp", size=4)) == whole


def test_nested_query_with_inner_hits(rig: Rig) -> None:
    nested = {"nested": {"path": "reviews", "query": {"term": {"reviews.author": "author1"}}, "inner_hits": {}}}
    found = rig.search({"query": {"bool": {"must": [LAMP], "filter": [nested]}}, "size": 20})
    assert any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])
    for hit in found["hits"]["hits"]:
        inner = hit["inner_hits"]["reviews"]["hits"]["hits"]
        assert [i["_source"]["author"] for i in inner] == ["author1"]


def test_collapse_keeps_the_best_of_each_group(rig: Rig) -> None:
    order = rig.search({"query": LAMP, "size": 40})["hits"]["hits"]
    best = list(dict.fromkeys(hit["_source"]["family"] for hit in order))
    found = rig.search({"query": LAMP, "size": 10, "collapse": {"field": "family"}})
    assert [hit["fields"]["family"][0] for hit in found["hits"]["hits"]] == best[:10]


def test_explain_and_profile(rig: Rig) -> None:
    found = rig.search({"query": LAMP, "size": 3, "explain": True, "profile": True})
    assert "ranked document" in json.dumps(found["hits"]["hits"][0]["_explanation"])
    assert found["profile"]["shards"]
    assert told(found)["degraded"] is None


def test_named_queries(rig: Rig) -> None:
    named = {"match": {"title": {"query": "lamp", "_name": "words"}}}
    for hit in rig.search({"query": named, "size": 30})["hits"]["hits"]:
        assert ("lamp" in hit["_source"]["title"]) == (hit.get("matched_queries") == ["words"])


def test_suggest_comes_along(rig: Rig) -> None:
    suggest = {"spelling": {"text": "lampp", "term": {"field": "title"}}}
    found = rig.search({"query": LAMP, "size": 3, "suggest": suggest})
    assert found["suggest"]["spelling"][0]["options"][0]["text"] == "lamp"


def test_rescore_orders_the_lexical_ranking_and_not_the_result(rig: Rig) -> None:
    rescore = {
        "window_size": 50,
        "query": {"rescore_query": {"term": {"colour": "green"}}, "rescore_query_weight": 100},
    }
    found = rig.search({"query": LAMP, "size": 50, "rescore": rescore})
    lexical = ids(rig.plain({"query": LAMP, "size": 50, "rescore": rescore}))
    ranks = {hit["_id"]: hit["ranks"]["lexical"] for hit in told(found)["hits"] if "lexical" in hit["ranks"]}
    assert sorted(ranks, key=lambda i: ranks[i])[:10] == lexical[:10]
    assert [hit["final"]["rank"] for hit in told(found)["hits"]] == [*range(1, len(ids(found)) + 1)]


def test_default_pipeline_needs_no_change_of_the_client(rig: Rig) -> None:
    rig.call("PUT", "/shop/_settings", {"index.search.default_pipeline": "shop"})
    try:
        found = rig.call("POST", "/shop/_search", {"query": LAMP})
        assert told(found)["degraded"] is None
        assert ids(found) == ids(rig.search({"query": LAMP}))
        assert rig.service.paths().count("/understand") == 2, "the sub-searches do not run the pipeline again"
    finally:
        rig.call("PUT", "/shop/_settings", {"index.search.default_pipeline": None})


def test_scroll_reads_everything_once(rig: Rig) -> None:
    whole = ids(rig.search({"query": LAMP, "size": 100}))
    found = rig.search({"query": LAMP, "size": 25}, scroll="1m")
    seen = ids(found)
    while found["hits"]["hits"]:
        found = rig.call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": found["_scroll_id"]})
        seen += ids(found)
    rig.call("DELETE", "/_search/scroll", {"scroll_id": [found["_scroll_id"]]})
    assert seen == whole


def test_point_in_time(rig: Rig) -> None:
    pit = rig.call("POST", "/shop/_search/point_in_time", keep_alive="1m")["pit_id"]
    body: Json = {"query": LAMP, "size": 30, "pit": {"id": pit, "keep_alive": "1m"}}
    found = rig.call("POST", "/_search", body, search_pipeline="shop")
    rig.call("DELETE", "/_search/point_in_time", {"pit_id": [pit]})
    assert told(found)["degraded"] is None
    assert ids(found) == ids(rig.search({"query": LAMP, "size": 30}))


def test_msearch_names_the_pipeline_in_each_body(rig: Rig) -> None:
    body = {"query": LAMP, "size": 5}
    lines = [{"index": "shop"}, {**body, "search_pipeline": "shop"}, {"index": "shop"}, body]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    answer = rig.http.post("/_msearch", content=content, headers={"Content-Type": "application/x-ndjson"}).json()
    ranked, plain = answer["responses"]
    assert ids(ranked) == ids(rig.search(body))
    assert ids(plain) == ids(rig.plain(body))
    assert "ext" not in plain


def test_documents_updated_and_deleted_since(rig: Rig) -> None:
    rig.call("POST", "/shop/_doc/0", {"title": "lamp number0 again", "colour": "red"}, refresh="true")
    found = rig.search({"query": LAMP, "size": 100})
    assert ids(found).count("0") == 1


def test_one_shard_and_three_rank_alike(rig: Rig) -> None:
    vector = [1.0] + [0.0] * 7
    by_vector = ids(rig.plain({"query": {"knn": {"embedding": {"vector": vector, "k": 50}}}, "size": 10}))
    rig.pipeline(retrievers=[{"lexical": {"weight": 0}}, {"knn": {"field": "embedding"}}])
    assert ids(rig.search({"query": LAMP, "size": 10})) == by_vector
