"""Scores that the real service gave before, as searches see them: never those of what a document was."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.node.conftest import RunningNode, RunningService
from tests.node.engine_rig import Json, Rig, ids, told

pytestmark = pytest.mark.node
QUERY: Json = {"match": {"title": "lamp"}}
RERANK: Json = {"window": 20, "weight": 1.0, "document_fields": {"title": ["title"]}}


@pytest.fixture
def lit(node: RunningNode, service: RunningService, shop: Rig) -> Iterator[Rig]:
    """A few lamps, scored by the real service."""
    shop.use(service.url)
    titles = ["desk lamp of brass", "lamp oil, one litre", "solar lamp for the garden"]
    shop.index("lit", [{"_id": str(n), "title": title, "price": 1} for n, title in enumerate(titles)], vectors=False)
    shop.pipeline("lit", retrievers=[{"lexical": {}}], rerank=RERANK, deadline_ms=30_000)
    yield shop
    shop.http.delete("/lit")


def ask(rig: Rig, index: str = "lit", pipeline: str = "lit", **more: Any) -> tuple[dict[str, float], int]:
    """Score by id, and how many were cached."""
    found = told(rig.search({"query": QUERY, **more}, index=index, pipeline=pipeline))
    assert found["degraded"] is None
    return {hit["_id"]: hit["rerank"]["score"] for hit in found["hits"]}, found["cached"]


def test_only_what_changed_is_read_again(lit: Rig) -> None:
    first, _ = ask(lit)
    assert ask(lit) == (first, 3)
    lit.call("POST", "/lit/_update/1", {"doc": {"price": 2}}, refresh="true")
    assert ask(lit) == (first, 3), "the model does not read prices"
    lit.call("POST", "/lit/_update/1", {"doc": {"title": "lamp for a pocket"}}, refresh="true")
    changed, cached = ask(lit)
    assert cached == 2
    assert changed["1"] != first["1"]
    lit.call("POST", "/lit/_update/1", {"doc": {"title": "lamp oil, one litre"}}, refresh="true")
    assert ask(lit) == (first, 3), "what it was once more"


def test_switched_off_by_the_pipeline(lit: Rig) -> None:
    first, _ = ask(lit)
    lit.pipeline("lit", retrievers=[{"lexical": {}}], rerank={**RERANK, "cache": False}, deadline_ms=30_000)
    again, cached = ask(lit)
    assert cached == 0
    assert again == pytest.approx(first, abs=1e-4)


def test_a_caller_sees_no_more_for_what_others_asked(lit: Rig) -> None:
    """Behind a filtered alias the cached scores of hidden documents stay hidden, and are not counted."""
    ask(lit)
    alias = {"add": {"index": "lit", "alias": "brass", "filter": {"match": {"title": "brass"}}}}
    lit.call("POST", "/_aliases", {"actions": [alias]})
    scores, cached = ask(lit, index="brass")
    assert (set(scores), cached) == ({"0"}, 1)
    found = lit.search({"query": QUERY}, index="brass", pipeline="lit")
    assert ids(found) == ["0"]
    assert found["hits"]["total"]["value"] == 1
