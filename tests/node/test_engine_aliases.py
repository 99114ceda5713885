"""One alias over several indices: the same id in both, filters of an alias, indices with other vectors or none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.node.engine_rig import Json, Rig, ids, knn, lamps, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}


@pytest.fixture(scope="module")
def indices(shop: Rig) -> Iterator[Rig]:
    shop.index("left", lamps(40), shards=1)
    shop.index("right", lamps(40, seed=8), shards=2)
    shop.index("foreign", lamps(40, seed=9), fingerprint="sha256:other")
    shop.index("nameless", lamps(40, seed=10), fingerprint=None)
    plain = [{k: v for k, v in lamp.items() if k not in ("embedding", "picture")} for lamp in lamps(40)]
    shop.index("plain", plain, vectors=False)
    narrow = [{**lamp, "embedding": lamp["embedding"][:4]} for lamp in lamps(40)]
    shop.index("narrow", narrow, dimension=4)
    yield shop
    shop.http.delete("/left,right,foreign,nameless,plain,narrow")


def alias(rig: Rig, name: str, *indices: str, condition: Json | None = None) -> None:
    actions = []
    for index in indices:
        add: Json = {"index": index, "alias": name}
        if condition:
            add["filter"] = condition
        actions.append({"add": add})
    rig.call("POST", "/_aliases", {"actions": actions})


def test_same_id_in_two_indices(indices: Rig, rig: Rig) -> None:
    alias(rig, "both", "left", "right")
    found = rig.search({"query": LAMP, "size": 80}, index="both")
    keys = [(hit["_index"], hit["_id"]) for hit in found["hits"]["hits"]]
    assert len(keys) == len(set(keys))
    assert {("left", "0"), ("right", "0")} <= set(keys)
    section = told(found)
    assert section["degraded"] is None
    assert [(hit["_index"], hit["_id"]) for hit in section["hits"]] == keys
    places = [hit["final"]["rank"] for hit in section["hits"]]
    assert places == [*range(1, len(keys) + 1)]


def test_filter_of_an_alias_binds_every_retriever(indices: Rig, rig: Rig) -> None:
    alias(rig, "reds", "left", "foreign", condition={"term": {"colour": "red"}})
    found = rig.search({"query": LAMP, "size": 80}, index="reds")
    assert {hit["_source"]["colour"] for hit in found["hits"]["hits"]} == {"red"}
    assert any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])


def neighbours(rig: Rig, index: str, **extra: Any) -> set[tuple[str, str]]:
    body: Json = {"query": {"match": {"title": "nothing of the kind"}}, "size": 100, **extra}
    found = rig.search(body, index=index) if index else rig.call("POST", "/_search", body, search_pipeline="shop")
    assert told(found)["degraded"] is None
    return {(hit["_index"], hit["_id"]) for hit in told(found)["hits"] if "knn.embedding" in hit["ranks"]}


def test_who_sees_a_part_has_its_nearest_neighbours_and_not_what_is_left_of_those_of_all(
    indices: Rig, rig: Rig
) -> None:
    rig.pipeline(retrievers=[{"lexical": {}}, {"knn": {"field": "embedding", "k": 2}}])
    few: Json = {"terms": {"family": ["family2", "family7"]}}  # eight products of forty
    parts = {str(lamp["_id"]) for lamp in lamps(40) if lamp["family"] in ("family2", "family7")}
    assert len(parts) == 8
    alias(rig, "few", "left", condition=few)
    assert {key for _, key in neighbours(rig, "few")} <= parts
    rig.service.vectors["nothing of the kind"] = lamps(40)[0]["embedding"]
    assert ids(rig.plain({"query": knn(lamps(40)[0]["embedding"], 2)}, index="few")) == [], (
        "it sees none of those of all"
    )
    assert len(neighbours(rig, "few")) == 2
    alias(rig, "some", "left", condition={"term": {"family": "family5"}})
    assert len(neighbours(rig, "few,some")) == 2
    alias(rig, "mixed", "left", condition=few)
    alias(rig, "mixed", "right")
    found = neighbours(rig, "mixed")
    assert {key for index, key in found if index == "left"} <= parts
    assert len([index for index, _ in found if index == "left"]) == 2
    assert len([index for index, _ in found if index == "right"]) == 2 * 2  # on each of its two shards
    pit = rig.call("POST", "/few/_search/point_in_time", keep_alive="1m")["pit_id"]
    assert neighbours(rig, "", pit={"id": pit}) == neighbours(rig, "few")
    rig.call("DELETE", "/_search/point_in_time", {"pit_id": [pit]})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("foreign", "embedder mismatch: index foreign was embedded by sha256:other"),
        ("nameless", "embedder unknown: index nameless has no _meta.polyrank.vectors.embedding.fingerprint"),
        ("plain", "no vector field [embedding] in index plain"),
        ("narrow", "field [embedding] of index narrow has 4"),
    ],
)
def test_vectors_are_searched_where_they_fit(indices: Rig, rig: Rig, other: str, says: str) -> None:
    alias(rig, f"with-{other}", "left", other)
    found = rig.search({"query": LAMP, "size": 80}, index=f"with-{other}")
    section = told(found)
    assert says in section["degraded"]
    assert "shards failed" not in section["degraded"]
    assert {hit["_index"] for hit in section["hits"] if "knn.embedding" in hit["ranks"]} == {"left"}
    assert {hit["_index"] for hit in found["hits"]["hits"]} == {"left", other}


def test_fingerprint_is_read_again_when_the_mapping_changes(indices: Rig, rig: Rig) -> None:
    assert "embedder mismatch" in told(rig.search({"query": LAMP}, index="foreign"))["degraded"]
    meta = {"polyrank": {"vectors": {"embedding": {"fingerprint": rig.service.fingerprint}}}}
    rig.call("PUT", "/foreign/_mapping", {"_meta": meta})
    assert told(rig.search({"query": LAMP}, index="foreign"))["degraded"] is None


def test_index_boosts_shape_the_lexical_ranking_and_not_the_result(indices: Rig, rig: Rig) -> None:
    body: Json = {"query": LAMP, "size": 60, "indices_boost": [{"right": 100.0}]}
    found = rig.search(body, index="left,right")
    ranks = {(h["_index"], h["_id"]): h["ranks"]["lexical"] for h in told(found)["hits"] if "lexical" in h["ranks"]}
    assert min(rank for (index, _), rank in ranks.items() if index == "left") > 15
    assert [hit["final"]["rank"] for hit in told(found)["hits"]] == [*range(1, len(found["hits"]["hits"]) + 1)]


def test_missing_indices_that_the_request_tolerates(indices: Rig, rig: Rig) -> None:
    found = rig.search({"query": LAMP}, index="left,nowhere", ignore_unavailable="true")
    assert told(found)["degraded"] is None
    empty = rig.search({"query": LAMP}, index="nowhere*")
    assert empty["hits"]["hits"] == []
