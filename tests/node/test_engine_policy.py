"""The shop's policy: what moves, by how much, and that every effect stands in the explanation."""

import math
from collections import Counter

import pytest

from tests.node.engine_rig import Json, Rig, ids, knn, told

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
BODY: Json = {"query": LAMP, "size": 30}


def place(rig: Rig, **policy: object) -> tuple[list[str], Json]:
    """The page under a policy, and the answer."""
    rig.pipeline(policy=policy or None)
    found = rig.search(BODY)
    return ids(found), found


def sources(found: Json) -> list[Json]:
    return [hit["_source"] for hit in found["hits"]["hits"]]


def test_an_empty_policy_changes_nothing(rig: Rig) -> None:
    before, _ = place(rig)
    rig.pipeline(policy={})
    found = rig.search(BODY)
    assert ids(found) == before
    assert all("policy" not in hit for hit in told(found)["hits"])


@pytest.mark.parametrize("factor", [1.5, 0.5])
def test_boost_and_bury_by_the_formula(rig: Rig, factor: float) -> None:
    before, plain = place(rig)
    red = {hit["_id"] for hit in plain["hits"]["hits"] if hit["_source"]["colour"] == "red"}
    after, found = place(rig, boosts=[{"name": "red", "filter": {"term": {"colour": "red"}}, "factor": factor}])
    value = {i: (factor if i in red else 1) / (60 + rank) for rank, i in enumerate(before, 1)}
    expected = sorted(before, key=lambda i: -value[i])
    assert [i for i in after if i in before][:20] == [i for i in expected if i in after][:20]
    for hit in told(found)["hits"]:
        if hit["_id"] in red:
            assert hit["policy"]["red"] == f"factor {factor}"


def test_excluded_documents_are_nowhere(rig: Rig) -> None:
    """Not among the hits, the totals, the aggregations, nor when the request is passed through."""
    rig.pipeline(policy={"exclude": {"term": {"brand": "Flos"}}})
    aggs = {"brands": {"terms": {"field": "brand"}}}
    for body in (
        {**BODY, "size": 120, "aggs": aggs},
        {"size": 120, "aggs": aggs, "sort": ["price"]},
        {"size": 120, "aggs": aggs},
    ):
        found = rig.search(body)
        assert "Flos" not in {source["brand"] for source in sources(found)}
        assert "Flos" not in {bucket["key"] for bucket in found["aggregations"]["brands"]["buckets"]}


def test_pinned_documents_come_first_if_the_caller_may_see_them(rig: Rig) -> None:
    """Also one that no retriever found; never one that the caller's filter rules out."""
    rig.pipeline(retrievers=[{"lexical": {}}], policy={"pins": [{"query": "  LAMP ", "ids": ["7", "60"]}]})
    found = rig.search(BODY)
    assert ids(found)[:2] == ["7", "60"], "7 is a chair"
    assert told(found)["hits"][0]["policy"]["pin"].endswith("to 1")
    colour = found["hits"]["hits"][0]["_source"]["colour"]
    other = next(c for c in ("red", "blue", "green") if c != colour)
    narrowed = rig.search({"query": {"bool": {"must": LAMP, "filter": {"term": {"colour": other}}}}, "size": 30})
    assert "7" not in ids(narrowed)
    assert ids(rig.search({"query": {"match": {"title": "desk"}}}))[0] != "7"


def test_preferred_languages_first_and_strictly(rig: Rig) -> None:
    documents = [
        {"_id": f"{n}", "title": "lamp " * (1 + n % 4), "language": ("en", "de", "fr")[n % 3]} for n in range(18)
    ]
    rig.index("tongues", documents, vectors=False)
    rig.service.language = {"code": "de", "confidence": 0.9}

    def languages(**language: object) -> list[str]:
        rig.pipeline(retrievers=[{"lexical": {}}], policy={"language": language})
        return [source["language"] for source in sources(rig.search({"query": LAMP, "size": 18}, index="tongues"))]

    assert languages(prefer=["query"])[:6] == ["de"] * 6
    assert languages(prefer=["fr", "en"]) == ["fr"] * 6 + ["en"] * 6 + ["de"] * 6
    assert languages(prefer=["fr"], strict=True) == ["fr"] * 6
    rig.http.delete("/tongues")


def test_no_brand_takes_more_than_its_share_of_a_page(rig: Rig) -> None:
    before, _ = place(rig)
    after, found = place(rig, caps=[{"field": "brand", "max": 3, "per": 10}])
    for start in (0, 10):
        brands = Counter(source["brand"] for source in sources(found)[start : start + 10])
        assert max(brands.values()) <= 3
    counts = Counter(source["brand"] for source in sources(found)[:10])
    entropy = -sum(n / 10 * math.log2(n / 10) for n in counts.values())
    assert told(found)["spread"]["brand"]["entropy"] == pytest.approx(entropy)
    assert told(found)["spread"]["brand"]["values"] == len(counts)
    assert after[0] == before[0]


def test_maximal_marginal_relevance(rig: Rig) -> None:
    """Lambda 1 is relevance alone; a small one puts neighbours of the first hit behind."""
    before, _ = place(rig)
    same, _ = place(rig, diversity={"field": "embedding", "lambda": 1.0, "depth": 20})
    assert same == before
    varied, found = place(rig, diversity={"field": "embedding", "lambda": 0.2, "depth": 20})
    assert varied[0] == before[0]
    assert varied != before
    assert sorted(varied[:20]) == sorted(before[:20])
    first = rig.call("GET", f"/shop/_doc/{before[0]}")["_source"]["embedding"]
    nearest = [i for i in ids(rig.plain({"query": knn(first), "size": 50})) if i in before[:20]]
    assert varied[1] not in nearest[:3]
    assert any("diversity" in hit.get("policy", {}) for hit in told(found)["hits"])


def test_the_variety_of_a_page_is_told_without_caps(rig: Rig) -> None:
    """Entropy in bits and number of values, over the first ten places."""
    _, found = place(rig, diversity={"field": "embedding"}, spread=["colour", "reviews.author", "nothing"])
    colours = Counter(hit["_source"]["colour"] for hit in found["hits"]["hits"][:10])
    entropy = -sum(n / 10 * math.log2(n / 10) for n in colours.values())
    assert told(found)["spread"]["colour"] == {"entropy": pytest.approx(entropy), "values": len(colours)}
    assert told(found)["spread"]["reviews.author"]["values"] <= 3
    assert told(found)["spread"]["nothing"] == {"entropy": 0.0, "values": 0}


PROFILE: Json = {"affinities": {"brand": {"Flos": 1.0, "Ikea": -1.0}}}
PERSONAL: Json = {"fields": ["brand"], "price_field": "price", "vector_field": "embedding", "strength": 1.0}


def with_profile(rig: Rig, profile: Json) -> Json:
    return rig.search({**BODY, "ext": {"polyrank": {"profile": profile}}})


def test_a_profile_moves_what_suits_and_says_so(rig: Rig) -> None:
    rig.pipeline(policy={"personal": PERSONAL})
    plain, found = rig.search(BODY), with_profile(rig, PROFILE)
    whole = rig.search({**BODY, "size": 50, "ext": {"polyrank": {"profile": PROFILE}}})
    brands = [source["brand"] for source in sources(plain)], [source["brand"] for source in sources(found)]
    assert brands[1][:8].count("Flos") > brands[0][:8].count("Flos")
    assert brands[1][:8].count("Ikea") <= brands[0][:8].count("Ikea")
    effects = {
        source["brand"]: hit.get("policy", {}) for source, hit in zip(sources(whole), told(whole)["hits"], strict=True)
    }
    assert effects["Flos"]["personal"] == "factor 2.0"
    assert effects["Ikea"]["personal"] == "factor 0.5"
    assert "personal" not in effects["Artemide"]


def test_liked_products_and_a_price(rig: Rig) -> None:
    rig.pipeline(policy={"personal": {**PERSONAL, "strength": 9.0}})
    liked = ids(rig.search(BODY))[20]
    assert ids(with_profile(rig, {"liked": [liked]})).index(liked) < 5
    assert liked not in ids(with_profile(rig, {"disliked": [liked]}))[:21]
    cheap = with_profile(rig, {"price": {"around": 20, "spread": 20}})
    assert sum(source["price"] < 40 for source in sources(cheap)[:5]) >= 3


def test_personalisation_is_off_unless_the_pipeline_allows_it(rig: Rig) -> None:
    before, _ = place(rig)
    found = with_profile(rig, PROFILE)
    assert ids(found) == before
    assert "personal" in told(found)["degraded"]


def test_nothing_personal_reaches_a_log(rig: Rig, node: object) -> None:
    """Even with a slow log that writes down every search."""
    rig.pipeline(policy={"personal": PERSONAL})
    rig.call(
        "PUT",
        "/shop/_settings",
        {"index.search.slowlog.threshold.query.info": "0ms", "index.search.slowlog.threshold.fetch.info": "0ms"},
    )
    with_profile(rig, {"affinities": {"brand": {"Zanotta": 0.5}}, "liked": ["secret-product"]})
    rig.call(
        "PUT",
        "/shop/_settings",
        {"index.search.slowlog.threshold.query.info": None, "index.search.slowlog.threshold.fetch.info": None},
    )
    logs = node.log.parent  # type: ignore[attr-defined]
    written = "".join(path.read_text(errors="replace") for path in logs.glob("*.log"))
    assert "Zanotta" not in written
    assert "secret-product" not in written


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ([], "must be an object"),
        ({"age": 3}, "knows no [age]"),
        ({"affinities": {"brand": {"Flos": 7}}}, "from -1 to 1"),
        ({"liked": "x"}, "list of at most 100 ids"),
        ({"price": 5}, "price must be like"),
    ],
)
def test_wrong_profiles(rig: Rig, profile: object, says: str) -> None:
    body = {**BODY, "ext": {"polyrank": {"profile": profile}}}
    answer = rig.http.post("/shop/_search?search_pipeline=shop", json=body)
    assert answer.status_code == 400
    assert says in answer.text


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"exclude": {"nonsense": {}}}, "[policy.exclude] is not a query"),
        ({"boosts": [{"factor": 2}]}, "[policy.boosts[0].filter] is missing"),
        ({"caps": [{}]}, "[policy.caps[0].field] is missing"),
        ({"pins": [{"query": "x"}]}, "[policy.pins[0].query] and ids are needed"),
        ({"language": {"prefer": ["query"], "strict": True}}, "which strict does not allow"),
        ({"colour": "red"}, "[policy.colour] is unknown here"),
    ],
)
def test_wrong_policies(rig: Rig, policy: Json, says: str) -> None:
    body = {"retrievers": [{"lexical": {}}], "policy": policy}
    answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": body}]})
    assert answer.status_code == 400
    assert says in answer.json()["error"]["reason"]
