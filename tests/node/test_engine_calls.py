"""What the engine's calls to a model service carry: trace, request id, time left, and how answers in part are used."""

import re
from http.server import BaseHTTPRequestHandler

import pytest

from tests.node.engine_rig import Json, Rig, ids, told
from tests.node.fake_service import FakeService, reply

pytestmark = pytest.mark.node
BODY: Json = {"query": {"match": {"title": "lamp"}}, "size": 40}
RERANK: Json = {"window": 20, "weight": 1.0, "document_fields": {"title": ["title"]}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traces(rig: Rig, headers: dict[str, str]) -> list[str]:
    """The traceparent of each call that one search makes."""
    rig.service.calls.clear()
    answer = rig.http.post("/shop/_search", json=BODY, params={"search_pipeline": "shop"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert told(answer.json())["degraded"] is None
    assert [call.path for call in rig.service.calls] == ["/understand", "/rerank", "/rerank"]
    return [call.headers["traceparent"] for call in rig.service.calls]


def test_the_callers_trace_and_request_id_reach_the_service(rig: Rig) -> None:
    rig.pipeline(rerank={**RERANK, "chunk": 10})
    assert traces(rig, {"traceparent": TRACE, "X-Opaque-Id": "shop-7"}) == [TRACE] * 3
    assert {call.headers["x-opaque-id"] for call in rig.service.calls} == {"shop-7"}


@pytest.mark.parametrize("header", [None, "00-" + "0" * 32 + "-b7ad6b7169203331-01", "nonsense", TRACE.upper()])
def test_a_search_without_a_usable_trace_begins_one_for_all_its_calls(rig: Rig, header: str | None) -> None:
    rig.pipeline(rerank={**RERANK, "chunk": 10})
    headers = {} if header is None else {"traceparent": header}
    found, other = traces(rig, headers), traces(rig, headers)
    assert len({*found}) == 1
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", found[0])
    assert found[0] != other[0], "each search has its own"


MEMBERS = [b"a%d=" % number + b"y" * 100 for number in range(5)]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([b"shop=7, other=a b"], b"shop=7,other=a b"),
        ([b"shop=7", b"other=8"], b"shop=7,other=8"),
        ([b"shop=7,x=" + b"y" * 200 + b",last=" + b"z" * 400], b"shop=7"),
        (MEMBERS, b",".join(MEMBERS[:4])),
        (["ä=7".encode("latin-1")], None),
        ([b", ,"], None),
    ],
)
def test_tracestate_goes_beside_the_trace(rig: Rig, given: list[bytes], sent: bytes | None) -> None:
    """As many whole members as 512 characters hold, those over 128 left out first; nothing without a trace."""
    for trace, expected in ((TRACE, sent), ("nonsense", None)):
        rig.service.calls.clear()
        headers = [(b"traceparent", trace.encode()), *((b"tracestate", value) for value in given)]
        rig.http.post("/shop/_search", json=BODY, params={"search_pipeline": "shop"}, headers=headers)
        found = [call.headers.get("tracestate") for call in rig.service.calls]
        assert found == [expected.decode() if expected else None]


def test_calls_say_how_much_time_is_left(rig: Rig) -> None:
    rig.pipeline(rerank=RERANK, deadline_ms=2000)
    rig.search(BODY)
    rig.search({**BODY, "ext": {"polyrank": {"deadline_ms": 1000}}})
    understand, rerank, sooner, last = [call.body["deadline_ms"] for call in rig.service.calls]
    assert 1000 < rerank <= understand <= 1990
    assert 0 < last <= sooner <= 990
    assert [call.body.get("anytime") for call in rig.service.calls] == [None, True] * 2


def in_part(read: int, of: int) -> Json:
    """What a service answers whose time was up: only its first documents, the last of them best."""
    results = [{"index": place, "relevance_score": round((place + 1) / (of + 1), 6)} for place in reversed(range(read))]
    return {"results": results, "meta": {"partial": {"scored": read, "of": of}}}


@pytest.mark.parametrize("chunk", [None, 12])
def test_an_answer_in_part_reranks_what_it_has(rig: Rig, chunk: int | None) -> None:
    rig.pipeline()
    fused = ids(rig.search(BODY))
    rig.pipeline(rerank=RERANK if chunk is None else {**RERANK, "chunk": chunk})
    rig.service.behaviours["/rerank"] = reply(in_part(7, chunk or 20))
    found = rig.search(BODY)
    assert ids(found) == [*reversed(fused[:7]), *fused[7:]]
    assert told(found)["reranked"] == 7
    assert told(found)["degraded"] == "rerank: 7 of 20 documents read: the service's time was up"
    assert rig.service.paths().count("/rerank") == 1, "it is not asked for more"


def test_an_answer_without_any_document_keeps_the_fused_order(rig: Rig) -> None:
    rig.pipeline()
    fused = ids(rig.search(BODY))
    rig.pipeline(rerank=RERANK)
    rig.service.behaviours["/rerank"] = reply(in_part(0, 20))
    found = rig.search(BODY)
    assert ids(found) == fused
    assert told(found)["reranked"] == 0
    assert told(found)["degraded"] == "rerank: 0 of 20 documents read: the service's time was up"


@pytest.mark.parametrize("top_k", [20, 2])
def test_scores_behind_a_gap_count_and_what_was_not_read_keeps_its_place(rig: Rig, top_k: int) -> None:
    """Scores of the cache, or of a second worker: five places of the window have one, the last the best."""
    rig.pipeline()
    fused = ids(rig.search(BODY))
    rig.pipeline(rerank={**RERANK, "top_k": top_k})
    read = [0, 1, 2, 7, 19]
    answer = in_part(20, 20)
    answer["results"] = [result for result in answer["results"] if result["index"] in read]
    answer["meta"] = {"partial": {"scored": 5, "of": 20}, "cached": 2}
    rig.service.behaviours["/rerank"] = reply(answer)
    found = rig.search(BODY)
    best_first = read[::-1] if top_k == 20 else [19, 7, 0, 1, 2]
    expected = list(fused)
    for place, source in zip(read, best_first, strict=True):
        expected[place] = fused[source]
    assert ids(found) == expected
    assert (told(found)["reranked"], told(found)["cached"]) == (5, 2)
    assert told(found)["degraded"] == "rerank: 5 of 20 documents read: the service's time was up"
    assert [place for place, hit in enumerate(told(found)["hits"]) if hit["rerank"]] == read
    assert {hit["final"]["rank"] - place for place, hit in enumerate(told(found)["hits"])} == {1}


def test_a_busy_service_is_passed_over_and_its_breaker_stays_closed(rig: Rig, fake: FakeService) -> None:
    with FakeService() as busy:
        busy.behaviours["/understand"] = reply({}, status=429)
        rig.use(busy.url, fake.url, failures=1)
        for _ in range(4):
            assert told(rig.search(BODY))["degraded"] is None
        assert len(busy.calls) > 1, "one failure would have opened the breaker"
        rig.use(busy.url, failures=1)
        for _ in range(2):
            assert told(rig.search(BODY))["degraded"] == "understand: /understand answered HTTP 429"


def test_texts_and_tokens_in_a_pipeline_body_are_refused(rig: Rig) -> None:
    for key in ("token", "service", "authorization"):
        body = {"retrievers": [{"lexical": {}}], key: "secret"}
        answer = rig.http.put("/_search/pipeline/wrong", json={"request_processors": [{"hybrid_rerank": body}]})
        assert answer.status_code == 400


def test_headers_that_cannot_be_sent_on_do_no_harm(rig: Rig) -> None:
    seen: list[str | None] = []

    def behave(handler: BaseHTTPRequestHandler, request: Json) -> None:
        seen.append(handler.headers.get("X-Opaque-Id"))
        rig.service.well(handler, request)

    rig.service.behaviours["/understand"] = behave
    headers = [
        (b"X-Opaque-Id", "bäh".encode("latin-1")),
        (b"traceparent", TRACE.encode()),
        (b"traceparent", TRACE.encode()),
    ]
    answer = rig.http.post("/shop/_search", json=BODY, params={"search_pipeline": "shop"}, headers=headers)
    assert told(answer.json())["degraded"] is None
    assert seen == [None]
