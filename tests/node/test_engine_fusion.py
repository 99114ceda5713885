"""The order is what the formulas say about what each retriever finds alone."""

import pytest

from tests.node.engine_rig import Json, Rig, fuse, ids, knn, lamps, told
from tests.node.fake_service import FINGERPRINT

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
VECTOR = [0.3, -0.2, 0.5, 0.1, -0.7, 0.2, 0.4, -0.1]


def scores(answer: Json) -> dict[str, float]:
    return {hit["_id"]: hit["_score"] for hit in answer["hits"]["hits"]}


def shares(found: dict[str, float]) -> dict[str, float]:
    low, high = min(found.values()), max(found.values())
    return {i: max(0.001, (s - low) / (high - low)) for i, s in found.items()}


@pytest.fixture(autouse=True)
def query_vector(rig: Rig) -> None:
    rig.service.vectors = {"lamp": VECTOR}


@pytest.mark.parametrize(("lexical", "vector", "constant"), [(1.0, 1.0, 60), (0.2, 0.8, 60), (1.0, 3.0, 5)])
def test_reciprocal_rank_fusion(rig: Rig, lexical: float, vector: float, constant: int) -> None:
    rig.pipeline(
        retrievers=[{"lexical": {"weight": lexical}}, {"knn": {"field": "embedding", "weight": vector}}],
        combination={"technique": "rrf", "rank_constant": constant},
    )
    words = ids(rig.plain({"query": LAMP, "size": 50}))
    neighbours = ids(rig.plain({"query": knn(VECTOR), "size": 50}))
    expected = fuse([(lexical, words), (vector, neighbours)], constant)
    found = told(rig.search({"query": LAMP, "size": 50}))["hits"]
    assert [hit["fused"]["score"] for hit in found] == pytest.approx([*expected.values()][:50])
    for hit in found:
        assert hit["ranks"].get("lexical") == (words.index(hit["_id"]) + 1 if hit["_id"] in words else None)
        assert hit["fused"]["score"] == pytest.approx(expected[hit["_id"]])


def test_min_max_over_the_global_window(rig: Rig) -> None:
    rig.pipeline(
        retrievers=[{"lexical": {"weight": 0.4}}, {"knn": {"field": "embedding", "weight": 0.6}}],
        combination={"technique": "min_max"},
    )
    words = shares(scores(rig.plain({"query": LAMP, "size": 50})))
    neighbours = shares(scores(rig.plain({"query": knn(VECTOR), "size": 50})))
    found = told(rig.search({"query": LAMP, "size": 50}))["hits"]
    assert len(found) == 50
    for hit in found:
        expected = 0.4 * words.get(hit["_id"], 0) + 0.6 * neighbours.get(hit["_id"], 0)
        assert hit["fused"]["score"] == pytest.approx(expected, abs=1e-5)


def test_several_vector_fields(rig: Rig) -> None:
    rig.index("pictures", [{**lamp, "picture": lamp["embedding"]} for lamp in lamps()], picture_dimension=8)
    rig.pipeline(
        retrievers=[{"lexical": {}}, {"knn": {"field": "embedding"}}, {"knn": {"field": "picture", "weight": 0.5}}]
    )
    found = told(rig.search({"query": LAMP, "size": 50}, index="pictures"))
    assert found["degraded"] is None
    for hit in found["hits"]:
        assert hit["ranks"].get("knn.embedding") == hit["ranks"].get("knn.picture")
    rig.http.delete("/pictures")


def test_translations_are_searched_in_their_own_fields(rig: Rig) -> None:
    rig.service.translations = {"lamp": {"de": "leuchte"}}
    rig.pipeline(retrievers=[{"lexical": {}}, {"translated": {"fields": ["title_{lang}^2", "title_{lang}"]}}])
    section = told(rig.search({"query": LAMP, "size": 50}))
    assert section["translations"]["de"]["text"] == "leuchte"
    assert section["degraded"] is None
    by_translation = set(ids(rig.plain({"query": {"match": {"title_de": "leuchte"}}, "size": 100})))
    assert by_translation
    assert {hit["_id"] for hit in section["hits"] if "translated" in hit["ranks"]} <= by_translation
    assert any("translated" in hit["ranks"] for hit in section["hits"])
    assert rig.service.calls[0].body["want"] == ["language", "translations"]


def test_vectors_alone(rig: Rig) -> None:
    rig.pipeline(retrievers=[{"knn": {"field": "embedding"}}], window=20)
    found = ids(rig.search({"query": LAMP, "size": 40}))
    assert found[:20] == ids(rig.plain({"query": knn(VECTOR), "size": 20}))
    tail = [i for i in ids(rig.plain({"query": LAMP, "size": 100})) if i not in found[:20]]
    assert found[20:] == tail[:20]


@pytest.mark.parametrize("normalization", ["min_max", "none", "rrf"])
def test_rerank_blends_relevance_and_fusion(rig: Rig, normalization: str) -> None:
    rig.service.relevance = lambda query, document: int(document["title"].split("number")[1]) / 150
    rerank = {
        "window": 20,
        "weight": 0.7,
        "normalization": normalization,
        "document_fields": {"title": ["none", "title"]},
    }
    rig.pipeline(rerank=rerank)
    hits = told(rig.search({"query": LAMP, "size": 40}))["hits"]
    top, rest = hits[:20], hits[20:]
    relevance = {hit["_id"]: int(hit["_id"]) / 150 for hit in top}
    fused = {hit["_id"]: hit["fused"]["score"] for hit in top}
    by_relevance = sorted(relevance, key=lambda i: -relevance[i])
    for place, hit in enumerate(top, 1):
        i = hit["_id"]
        assert hit["rerank"]["rank"] == by_relevance.index(i) + 1
        assert hit["rerank"]["score"] == pytest.approx(relevance[i], abs=1e-6)
        if normalization == "rrf":
            model, fusion = 1 / (60 + hit["rerank"]["rank"]), 1 / (60 + hit["fused"]["rank"])
        else:
            model = relevance[i] if normalization == "none" else linear(relevance)[i]
            fusion = linear(fused)[i]
        assert hit["final"] == {"rank": place, "score": pytest.approx(0.7 * model + 0.3 * fusion, abs=1e-5)}
    assert [hit["fused"]["rank"] for hit in rest] == [*range(21, 41)]
    assert all(hit["rerank"] is None and hit["final"]["score"] is None for hit in rest)
    assert sorted(hit["fused"]["rank"] for hit in top) == [*range(1, 21)], "reranking is a permutation"


def linear(found: dict[str, float]) -> dict[str, float]:
    low, high = min(found.values()), max(found.values())
    return {i: (s - low) / (high - low) for i, s in found.items()}


def test_reranker_reads_the_model_query_and_the_named_fields(rig: Rig) -> None:
    rig.service.model_queries = {"lamp": "leuchte"}
    rig.service.language = {"code": "de", "confidence": 0.5}
    fields = {"title": ["missing", "title"], "brand": ["brand"], "text": ["missing"], "category": ["reviews.author"]}
    rig.pipeline(rerank={"window": 5, "document_fields": fields})
    section = told(rig.search({"query": LAMP}))
    assert section["model_query"] == "leuchte"
    assert section["language"] == {"code": "de", "confidence": 0.5}
    asked = rig.service.calls[-1].body
    assert asked["query"] == "leuchte"
    assert len(asked["documents"]) == 5
    assert all(document.keys() == {"title", "brand", "category"} for document in asked["documents"])


def test_documents_without_any_text_are_not_sent(rig: Rig) -> None:
    empty = {"_id": "empty", "embedding": VECTOR, "picture": [1.0, 0, 0, 0]}
    rig.index("partly", [*lamps(20), empty])
    rig.pipeline(rerank={"window": 20, "weight": 1, "document_fields": {"title": ["title"]}})
    section = told(rig.search({"query": LAMP, "size": 30}, index="partly"))
    assert section["degraded"] is None
    hit = next(hit for hit in section["hits"] if hit["_id"] == "empty")
    assert hit["ranks"]["knn.embedding"] == 1
    assert hit["rerank"] is None
    rig.http.delete("/partly")


def test_what_understand_is_asked(rig: Rig) -> None:
    rig.pipeline(vocabulary="products")
    rig.search({"query": LAMP})
    asked = {key: value for key, value in rig.service.calls[0].body.items() if key != "deadline_ms"}
    assert asked == {
        "query": "lamp",
        "languages": ["en", "de"],
        "want": ["language", "vector"],
        "vocabulary": "products",
        "model": FINGERPRINT,
    }


def test_timings_cover_every_stage(rig: Rig) -> None:
    rig.pipeline(rerank={"document_fields": {"title": ["title"]}})
    timings = told(rig.search({"query": LAMP}))["timings_ms"]
    assert timings.keys() == {"understand", "lexical", "retrieve", "fetch", "rerank", "service", "total"}
    assert timings["service"] == pytest.approx(timings["understand"] + timings["rerank"], abs=0.02)
    assert timings["total"] >= timings["retrieve"] + timings["fetch"] + timings["rerank"]


@pytest.mark.parametrize(
    ("language", "text", "weights", "reason"),
    [
        ("en", "lamp", (1.0, 1.0), None),
        ("de", "lamp", (0.25, 1.0), "language de"),
        ("de", "lamp XR-200b", (0.25, 1.0), "language de"),
        ("en", "lamp XR-200b", (2.0, 0.5), "query class code"),
    ],
)
def test_some_queries_have_weights_of_their_own(
    rig: Rig, language: str, text: str, weights: tuple[float, float], reason: str | None
) -> None:
    """The first override that names a query counts; a retriever that it does not name keeps its weight."""
    overrides = [
        {"languages": ["de"], "weights": {"lexical": 0.25}},
        {"classes": ["code", "long"], "weights": {"lexical": 2, "knn.embedding": 0.5}},
    ]
    rig.pipeline(combination={"technique": "rrf", "overrides": overrides})
    rig.service.language = {"code": language, "confidence": 0.9}
    rig.service.vectors[text] = VECTOR
    found = told(rig.search({"query": {"match": {"title": text}}, "size": 30}))
    assert found["weights_of"] == reason
    for hit in found["hits"]:
        ranks = zip(weights, (hit["ranks"].get("lexical"), hit["ranks"].get("knn.embedding")), strict=True)
        expected = sum(weight / (60 + rank) for weight, rank in ranks if rank)
        assert hit["fused"]["score"] == pytest.approx(expected, rel=1e-6)
    finals = [hit["fused"]["score"] for hit in found["hits"]]
    assert finals == sorted(finals, reverse=True)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"weights": {"lexical": 1}}, "[combination.overrides[0].languages] is missing"),
        ({"languages": ["de"]}, "[combination.overrides[0].weights] is missing"),
        ({"languages": ["de"], "weights": {"knn.other": 1}}, "[combination.overrides[0].weights.knn.other] is unknown"),
        ({"classes": ["odd"], "weights": {"lexical": 1}}, "[combination.overrides[0].classes] holds [odd]"),
        ({"languages": ["de"], "weights": {"lexical": 0, "knn.embedding": 0}}, "leaves every retriever without weight"),
    ],
)
def test_wrong_overrides(rig: Rig, override: Json, says: str) -> None:
    retrievers = [{"lexical": {}}, {"knn": {"field": "embedding"}}]
    body = {"retrievers": retrievers, "combination": {"overrides": [override]}}
    answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": body}]})
    assert answer.status_code == 400
    assert says in answer.json()["error"]["reason"]
