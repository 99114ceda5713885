"""Traces: a request's span is the child of the span that the search sent along."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rerank.service.app import Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.traceparent import trace_id
from rerank.service.traces import OtelTracer
from tests.rerank.served import served, wait_ready
from tests.rerank.tiny import tiny_embedder, tiny_reranker

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def test_a_request_continues_the_search_s_trace_through_its_stages(tmp_path: Path) -> None:
    tiny_embedder(tmp_path / "embedder")
    tiny_reranker(tmp_path / "reranker")
    exporter = InMemorySpanExporter()
    paths = ModelPaths(
        (tmp_path / "embedder",), (tmp_path / "reranker",), tmp_path / "none", dictionaries=tmp_path / "none"
    )
    service = Service(Models(paths, Workers()), tracer=OtelTracer(exporter, batch=False))
    with served(service) as client:
        wait_ready(client)
        body = {"query": "usb", "documents": ["red shoes", "usb cable"]}
        client.post("/rerank", json=body, headers={"traceparent": TRACEPARENT, "tracestate": "shop=7"})
        client.post("/understand", json={"query": "usb"}, headers={"traceparent": TRACEPARENT})
        client.post("/rerank", json={"query": "secret words"})
        spans = exporter.get_finished_spans()
    named = {span.name: span for span in spans if span.context.trace_id == int(TRACE, 16)}
    assert {"/rerank", "queue", "rerank", "/understand", "detect", "translate", "embed"} == set(named)
    for name in ("/rerank", "/understand"):
        assert named[name].parent.span_id == int(PARENT, 16)
        assert named[name].attributes["http.response.status_code"] == 200
    assert named["rerank"].parent.span_id == named["/rerank"].context.span_id
    assert named["/rerank"].context.trace_state.get("shop") == "7"
    assert named["queue"].start_time <= named["queue"].end_time <= named["rerank"].end_time
    failed = next(span for span in spans if span.context.trace_id != int(TRACE, 16))
    assert (failed.attributes["http.response.status_code"], failed.attributes["error.type"]) == (422, "RefusedValue")
    assert "secret" not in failed.to_json()


@pytest.mark.parametrize(
    "header",
    [None, "", "nonsense", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01"],
)
def test_a_wrong_traceparent_is_no_error_and_no_trace(header: str | None) -> None:
    assert trace_id(header) is None


def test_a_traceparent_names_its_trace() -> None:
    assert trace_id(TRACEPARENT) == TRACE
