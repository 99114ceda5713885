"""Scores that were given before: bounded, and never those of another text or bundle."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.manifest import Calibration
from rerank.service.app import Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.score_cache import ENTRY_BYTES, ScoreCache
from rerank.service.tokens import Guard, new_token
from rerank.tokenize import Tokens
from tests.rerank.served import served, wait_ready
from tests.rerank.tiny import tiny_embedder, tiny_reranker

NUMBERS = st.lists(st.integers(0, 9), max_size=3).map(lambda ids: Tokens(ids, [0] * len(ids)))


def test_the_oldest_unused_make_room() -> None:
    cache = ScoreCache(2 * ENTRY_BYTES)
    one, two, three = cache.keys("m", [Tokens([number], [0]) for number in (1, 2, 3)])
    cache.keep([one, two], [0.1, 0.2])
    assert cache.find([one]) == [0.1]
    cache.keep([three], [0.3])
    assert cache.find([one, two, three]) == [0.1, None, 0.3]
    assert (cache.hits, cache.misses, cache.size_bytes) == (3, 1, 2 * ENTRY_BYTES)


def test_without_room_nothing_is_kept() -> None:
    cache = ScoreCache(0)
    cache.keep([b"k"], [0.5])
    assert (cache.enabled, cache.find([b"k"])) == (False, [None])


@given(NUMBERS, NUMBERS, st.sampled_from(["a", "b"]), st.sampled_from(["a", "b"]))
def test_keys_are_equal_when_bundle_and_tokens_are(first: Tokens, second: Tokens, one: str, other: str) -> None:
    cache = ScoreCache(1)
    same = one == other and (first.ids, first.segments) == (second.ids, second.segments)
    assert (cache.keys(one, [first]) == cache.keys(other, [second])) == same


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    tiny_embedder(folder / "embedder")
    tiny_reranker(folder / "shelf" / "first")
    return folder


@pytest.fixture
def client(folder: Path) -> Iterator[httpx.Client]:
    tokens = folder / "tokens.json"
    tokens.unlink(missing_ok=True)
    paths = ModelPaths(
        (folder / "embedder",),
        (folder / "shelf" / "first",),
        folder / "resources",
        dictionaries=folder / "none",
        shelf=folder / "shelf",
    )
    secret = new_token(tokens, "admin", "admin")
    with served(Service(Models(paths, Workers(threads=1)), guard=Guard(tokens))) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        wait_ready(client)
        yield client


def ask(client: httpx.Client, *documents: str, query: str = "usb cable", **more: Any) -> tuple[dict[int, float], int]:
    """Score by place, and how many were cached."""
    answer = client.post("/rerank", json={"query": query, "documents": documents, **more})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return {one["index"]: one["relevance_score"] for one in found["results"]}, found["meta"]["cached"]


def test_a_repeated_pair_is_not_read_again(client: httpx.Client) -> None:
    """In another order, in another company, spelled as the tokenizer does not tell apart."""
    first, cached = ask(client, "red shoes", "usb cable", "")
    assert cached == 0
    again, cached = ask(client, "usb  cable", "lamp", "red shoes", query=" usb cable ")
    assert cached == 2
    assert (again[0], again[2]) == (first[1], first[0])
    assert ask(client, "usb cable", query="usb cables")[1] == 0
    page = client.get("/metrics").text
    assert 'polyrank_score_cache_total{outcome="hit"} 2.0' in page
    assert 'polyrank_score_cache_total{outcome="miss"} 4.0' in page
    assert f"polyrank_score_cache_bytes {4.0 * ENTRY_BYTES}" in page


def test_scores_that_are_known_need_no_time(client: httpx.Client) -> None:
    """Too late for the model, which would be refused with 429, is not too late for what was read before."""
    known, _ = ask(client, "red shoes", "usb cable")
    late = ["red shoes", *(f"lamp {number}" * 20 for number in range(400)), "usb cable"]
    body = {"query": "usb cable", "documents": late, "deadline_ms": 1, "anytime": True}
    answer = client.post("/rerank", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    scores = {one["index"]: one["relevance_score"] for one in found["results"]}
    assert (scores[0], scores[401], found["meta"]["cached"]) == (known[0], known[1], 2)
    assert found["meta"]["partial"] == {"scored": len(scores), "of": 402}
    assert client.post("/rerank", json=body | {"documents": late[1:-1]}).status_code == 429


def test_a_request_may_have_everything_read_anew(client: httpx.Client) -> None:
    first, _ = ask(client, "red shoes", "usb cable")
    again, cached = ask(client, "red shoes", "usb cable", cache=False)
    assert (again, cached) == (first, 0)


def test_a_reloaded_bundle_does_not_answer_with_scores_of_the_one_before(folder: Path, client: httpx.Client) -> None:
    before, _ = ask(client, "red shoes", "usb cable")
    changed = tiny_reranker(folder / "other" / "first", calibration=Calibration(1.0, -1.0))
    shutil.copytree(changed.path, folder / "shelf" / "first", dirs_exist_ok=True)
    reloaded = client.post("/admin/models/rerank/first/reload")
    assert reloaded.status_code == 200, reloaded.text
    after, cached = ask(client, "red shoes", "usb cable")
    assert cached == 0
    assert after[0] < before[0]
    assert ask(client, "red shoes", "usb cable") == (after, 2)
