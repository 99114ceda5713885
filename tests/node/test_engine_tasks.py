"""Sub-searches are children of the search's task, carry the caller's headers, and end with it."""

import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from tests.node.engine_rig import Json, Rig, lamps
from tests.node.fake_service import raw, slow

pytestmark = pytest.mark.node
OPAQUE = {"X-Opaque-Id": "cancel-me"}
SLOW = "double x = 0; for (int i = 0; i < 500000; ++i) { x += Math.sin(i) } return 1 + x * 0"
CONDITION: Json = {"script": {"script": SLOW.replace("500000", "100000").replace("return 1 + x * 0", "return x < 1e9")}}
COSTLY: Json = {"script_score": {"query": {"match": {"title": "item"}}, "script": {"source": SLOW}}}
SEARCH = "indices:data/read/search"


class Search(threading.Thread):
    """A search in the background."""

    def __init__(self, rig: Rig, index: str, body: Json) -> None:
        super().__init__(daemon=True)
        self.rig, self.index, self.body = rig, index, body
        self.answer: httpx.Response | None = None
        self.ended = 0.0

    def run(self) -> None:
        path = f"/{self.index}/_search?search_pipeline=shop"
        self.answer = self.rig.http.post(path, json=self.body, headers=OPAQUE)
        self.ended = time.monotonic()


def tasks(rig: Rig) -> list[Json]:
    """The searches that run, with their children."""
    found = rig.call("GET", "/_tasks", actions=SEARCH, detailed="true")
    return [task for node in found["nodes"].values() for task in node["tasks"].values()]


def wait_until(condition: Any, seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("that did not come to pass")


def cancel(rig: Rig, task: Json) -> float:
    at = time.monotonic()
    rig.call("POST", f"/_tasks/{task['node']}:{task['id']}/_cancel")
    return at


@pytest.fixture
def slow_index(rig: Rig) -> str:
    documents = [{**lamp, "title": "item"} for lamp in lamps(400)]
    rig.index("costly", documents, shards=1, refresh_every=10)
    return "costly"


def test_cancelling_reaches_the_sub_searches(rig: Rig, slow_index: str) -> None:
    search = Search(rig, slow_index, {"query": COSTLY, "ext": {"polyrank": {"query": "x", "deadline_ms": 60000}}})
    search.start()

    def family() -> tuple[Json, Json] | None:
        running = tasks(rig)
        parents = [task for task in running if "parent_task_id" not in task]
        for parent in parents:
            for child in running:
                if child.get("parent_task_id") == f"{parent['node']}:{parent['id']}":
                    return parent, child
        return None

    parent, child = wait_until(family)
    assert child["headers"] == OPAQUE
    at = cancel(rig, parent)
    search.join(timeout=20)
    assert search.answer is not None
    assert search.answer.status_code >= 400
    assert "cancelled" in search.answer.text
    assert search.ended - at < 3
    wait_until(lambda: not tasks(rig))
    rig.http.delete(f"/{slow_index}")


def test_understand_and_lexical_run_at_the_same_time(rig: Rig, slow_index: str) -> None:
    seen: list[Json] = []

    def while_lexical_runs(handler: BaseHTTPRequestHandler, request: Json) -> None:
        seen.extend(wait_until(lambda: [task for task in tasks(rig) if "parent_task_id" in task]))
        rig.service.well(handler, request)

    rig.service.behaviours["/understand"] = while_lexical_runs
    condition = {**COSTLY["script_score"], "script": {"source": SLOW.replace("500000", "50000")}}
    body = {"query": {"script_score": condition}, "ext": {"polyrank": {"query": "x", "deadline_ms": 60000}}}
    found = rig.search(body, index=slow_index)
    assert found["ext"]["polyrank"]["degraded"] is None
    assert all("script_score" in task["description"] for task in seen)
    assert seen
    rig.http.delete(f"/{slow_index}")


def test_cancelling_ends_the_wait_for_a_hung_service(rig: Rig) -> None:
    rig.service.behaviours["/understand"] = slow(8, raw(b"{}"))
    body = {"query": {"match": {"title": "lamp"}}, "ext": {"polyrank": {"deadline_ms": 20000}}}
    search = Search(rig, "shop", body)
    search.start()
    task = wait_until(lambda: next((t for t in tasks(rig) if "parent_task_id" not in t), None))
    wait_until(lambda: rig.service.calls)
    at = cancel(rig, task)
    search.join(timeout=10)
    assert search.answer is not None
    assert "cancelled" in search.answer.text
    assert search.ended - at < 1.5
    assert not tasks(rig)


def test_headers_survive_the_http_client(rig: Rig, slow_index: str) -> None:
    """The vector search starts on a thread of the HTTP client: it must run as the caller all the same."""
    query = {"bool": {"must": [{"match": {"title": "nothing"}}], "filter": [CONDITION]}}
    search = Search(rig, slow_index, {"query": query, "ext": {"polyrank": {"deadline_ms": 60000}}})
    search.start()

    def child() -> Json | None:
        return next((t for t in tasks(rig) if "parent_task_id" in t and '"knn"' in t["description"]), None)

    found = wait_until(child)
    assert found["headers"] == OPAQUE
    cancel(rig, next(t for t in tasks(rig) if "parent_task_id" not in t))
    search.join(timeout=20)
    wait_until(lambda: not tasks(rig))
    rig.http.delete(f"/{slow_index}")


def test_deadline_ends_the_sub_searches_it_gave_up(rig: Rig, slow_index: str) -> None:
    query = {"bool": {"must": [{"match": {"title": "nothing"}}], "filter": [CONDITION]}}
    body = {"query": query, "ext": {"polyrank": {"deadline_ms": 300}}}
    begin = time.monotonic()
    found = rig.search(body, index=slow_index)
    assert time.monotonic() - begin < 2
    degraded = found["ext"]["polyrank"]["degraded"]
    assert "knn.embedding: " in degraded
    wait_until(lambda: not tasks(rig))
    rig.http.delete(f"/{slow_index}")
