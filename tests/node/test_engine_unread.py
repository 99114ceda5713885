"""A query that the models do not read: vectors weigh little, the reranker is not asked, and the response says so."""

import pytest

from tests.node.engine_rig import Json, Rig, ids, knn, told

pytestmark = pytest.mark.node
BODY: Json = {"query": {"match": {"title": "lamp"}}, "size": 30}
VECTOR = [0.3, -0.2, 0.5, 0.1, -0.7, 0.2, 0.4, -0.1]
RERANK: Json = {"window": 10, "document_fields": {"title": ["title"]}}


@pytest.fixture(autouse=True)
def query_vector(rig: Rig) -> None:
    rig.service.vectors = {"lamp": VECTOR}


@pytest.mark.parametrize(
    ("unread", "read", "factor"),
    [
        (None, None, 1),
        (None, 0.1, 1),
        (None, 0.09, 0.15),
        (None, 0, 0.15),
        ({"min_read": 0.9}, 0.8, 0.15),
        ({"knn_factor": 0.5}, 0, 0.5),
        ({"knn_factor": 1}, 0, 1),
    ],
)
def test_vectors_of_an_unread_query_weigh_less(
    rig: Rig, unread: Json | None, read: float | None, factor: float
) -> None:
    overrides = [{"languages": ["en"], "weights": {"knn.embedding": 2}}]
    rig.pipeline(unread=unread, combination={"technique": "rrf", "overrides": overrides})
    rig.service.read = None if read is None else {"embedder": read}
    found = told(rig.search(BODY))
    for hit in found["hits"]:
        ranks = zip((1, 2 * factor), (hit["ranks"].get("lexical"), hit["ranks"].get("knn.embedding")), strict=True)
        expected = sum(weight / (60 + rank) for weight, rank in ranks if rank)
        assert hit["fused"]["score"] == pytest.approx(expected, rel=1e-6)
    assert any("knn.embedding" in hit["ranks"] for hit in found["hits"])
    assert found["read"] == {"embedder": 1 if read is None else read, "reranker": 1}
    assert (found["unread"] is None) == (read is None or read >= (unread or {}).get("min_read", 0.1))


def test_what_it_does_is_told_in_words(rig: Rig) -> None:
    rig.pipeline(rerank=RERANK)
    rig.service.read = {"embedder": 0.05, "reranker": 0.0}
    found = told(rig.search(BODY))
    assert found["unread"] == "the embedder reads 5 % of the query: knn weights times 0.15"
    assert found["rerank_skipped"] == "the reranker reads 0 % of the query"
    assert found["degraded"] is None


def test_the_order_is_the_callers_own_when_vectors_step_aside(rig: Rig) -> None:
    rig.pipeline(unread={"knn_factor": 0})
    rig.service.read = {"embedder": 0}
    found = rig.search(BODY)
    assert ids(found) == ids(rig.plain(BODY))
    assert not any("knn.embedding" in hit["ranks"] for hit in told(found)["hits"])


def test_vectors_are_all_there_is_when_no_word_is_found(rig: Rig) -> None:
    """A query of words that no product has still gets the nearest neighbours."""
    rig.pipeline()
    rig.service.read = {"embedder": 0}
    rig.service.vectors = {"qwrt": VECTOR}
    found = rig.search({"query": {"match": {"title": "qwrt"}}, "size": 10})
    assert ids(found) == ids(rig.plain({"query": knn(VECTOR), "size": 10}))


@pytest.mark.parametrize(
    ("rerank", "reranker", "asked"), [(None, 0.0, False), (None, 0.1, True), (None, None, True), (True, 0.0, True)]
)
def test_the_reranker_reads_what_is_in_its_languages(
    rig: Rig, rerank: bool | None, reranker: float | None, asked: bool
) -> None:
    """Its languages count and not the embedder's."""
    rig.pipeline(rerank={**RERANK, "model": "tall"}, unread=None if rerank is None else {"rerank": rerank})
    rig.service.read = {"embedder": 0.0} | ({} if reranker is None else {"reranker": reranker})
    found = told(rig.search(BODY))
    assert ("/rerank" in rig.service.paths()) == asked
    assert (found["rerank_skipped"] is None) == asked
    assert rig.service.calls[0].body["reranker"] == "tall", "the share is that of the bundle that is to read"
