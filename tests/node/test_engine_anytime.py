"""Reranking within its time: chunks, windows that shrink, top_k, skips and calibration."""

import math
import time

import pytest

from tests.node.engine_rig import Json, Rig, ids, told
from tests.node.fake_service import slow

pytestmark = pytest.mark.node
LAMP: Json = {"match": {"title": "lamp"}}
FIELDS: Json = {"title": ["title"]}
RERANK: Json = {"window": 20, "weight": 1.0, "document_fields": FIELDS}
BODY: Json = {"query": LAMP, "size": 40}


@pytest.fixture(autouse=True)
def shortest_first(rig: Rig) -> None:
    rig.service.relevance = lambda query, document: 1 / (1 + len(document["title"]))


def test_chunks_give_what_one_call_gives(rig: Rig) -> None:
    rig.pipeline(rerank=RERANK)
    whole = rig.search(BODY)
    rig.pipeline(rerank={**RERANK, "chunk": 6})
    rig.service.calls.clear()
    chunked = rig.search(BODY)
    assert chunked["hits"] == whole["hits"]
    assert [len(c.body["documents"]) for c in rig.service.calls if c.path == "/rerank"] == [6, 6, 6, 2]
    assert told(chunked)["reranked"] == 20


def test_what_was_read_when_the_time_is_up_keeps_its_scores(rig: Rig) -> None:
    """Two chunks fit in, the third does not: the first ten are reranked, the rest keeps the fused order."""
    rig.pipeline()
    fused = ids(rig.search(BODY))
    rig.pipeline(rerank={**RERANK, "chunk": 5}, deadline_ms=700)
    seen: list[int] = []

    def behave(handler: object, request: Json) -> None:
        seen.append(len(request["documents"]))
        (rig.service.well if len(seen) <= 2 else slow(2.0, rig.service.well))(handler, request)  # type: ignore[arg-type]

    rig.service.behaviours["/rerank"] = behave
    begin = time.monotonic()
    found = rig.search(BODY)
    assert time.monotonic() - begin < 1.9, "the deadline was .7 s"
    assert told(found)["reranked"] == 10
    assert told(found)["degraded"].startswith("rerank: 10 of 20 documents read: ")
    assert sorted(ids(found)[:10]) == sorted(fused[:10])
    assert ids(found)[:10] != fused[:10]
    assert ids(found)[10:] == fused[10:]
    assert all(hit["rerank"] is None for hit in told(found)["hits"][10:])


def test_the_window_shrinks_to_what_the_service_manages(rig: Rig) -> None:
    rig.service.behaviours["/rerank"] = slow(0.2, rig.service.well)
    rig.pipeline(rerank={**RERANK, "adaptive": True}, deadline_ms=5000)
    for _ in range(15):  # 20 documents in .2 s: 10 ms each
        rig.search(BODY)
    answer = rig.search({**BODY, "ext": {"polyrank": {"deadline_ms": 150}}})
    read = [len(call.body["documents"]) for call in rig.service.calls if call.path == "/rerank"]
    assert read[0] == 20
    assert 5 <= read[-1] <= 13, "150 ms less what the rest took, at 10 ms a document"
    assert len(ids(answer)) == 40


def test_a_request_may_read_less_and_place_less(rig: Rig) -> None:
    rig.pipeline()
    fused = ids(rig.search(BODY))
    rig.pipeline(rerank=RERANK)
    best = ids(rig.search(BODY))[:3]
    less = rig.search({**BODY, "ext": {"polyrank": {"rerank_window": 4}}})
    assert told(less)["reranked"] == 4
    assert ids(less)[4:] == fused[4:]
    placed = ids(rig.search({**BODY, "ext": {"polyrank": {"top_k": 3}}}))
    assert placed == [*best, *(i for i in fused if i not in best)]


@pytest.mark.parametrize(
    ("skip", "text", "reason"),
    [
        ({"languages": ["en"]}, "lamp", "language en"),
        ({"classes": ["code"]}, "lamp XR-200b", "query class code"),
        ({"classes": ["short"]}, "lamp", "query class short"),
        ({"classes": ["short"]}, "lamp for my desk", None),
        ({"languages": ["fr"]}, "lamp", None),
    ],
)
def test_queries_that_reranking_harms_are_left_alone_and_say_so(
    rig: Rig, skip: Json, text: str, reason: str | None
) -> None:
    query: Json = {"match": {"title": text}}
    rig.pipeline()
    fused = rig.search({"query": query})
    rig.pipeline(rerank={**RERANK, "skip": skip})
    found = rig.search({"query": query})
    assert told(found)["rerank_skipped"] == reason
    assert told(found)["degraded"] is None
    if reason:
        assert found["hits"] == fused["hits"]
        assert "/rerank" not in rig.service.paths()


def test_calibration_by_its_formula(rig: Rig) -> None:
    """A temperature on the logit, then a line through points; the blend believes the calibrated score."""
    rig.service.relevance = lambda query, document: 0.9 if "desk" in document["title"] else 0.2
    rig.pipeline(
        rerank={
            **RERANK,
            "normalization": "none",
            "calibration": {"temperature": 2.0, "points": [[0.0, 0.0], [1.0, 0.5]]},
        }
    )
    for hit in told(rig.search({"query": LAMP, "size": 20}))["hits"]:
        score = hit["rerank"]["score"]
        softened = 1 / (1 + math.exp(-math.log(score / (1 - score)) / 2))
        assert hit["final"]["score"] == pytest.approx(0.5 * softened, rel=1e-6)


@pytest.mark.parametrize(
    ("rerank", "says"),
    [
        ({"chunk": 0}, "[rerank.chunk]"),
        ({"adaptive": 1}, "[rerank.adaptive] is [1]: write true or false"),
        ({"skip": {"classes": ["odd"]}}, "[rerank.skip.classes] holds [odd]"),
        ({"calibration": {"points": [[0.5, 0.4], [0.2, 0.6]]}}, "scores must rise"),
        ({"calibration": {"points": [0.5]}}, "write pairs"),
    ],
)
def test_wrong_settings(rig: Rig, rerank: Json, says: str) -> None:
    body = {"retrievers": [{"lexical": {}}], "rerank": {**RERANK, **rerank}}
    answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": body}]})
    assert answer.status_code == 400
    assert says in answer.json()["error"]["reason"]
