"""Waiting ends with the result, with the caller, or with the time; and what a partial answer looks like."""

import asyncio
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rerank.service.batcher import Batcher, BatchLimits
from rerank.service.faults import ClientLeft, Expired
from rerank.service.requests import RerankRequest
from rerank.service.rerank_dialects import COHERE_1, JINA, TEI, VOYAGE, Reranked
from rerank.service.waiting import finish
from rerank.service.work import Outcome
from rerank.tokenize import Tokens


async def never() -> None:
    await asyncio.sleep(3600)


async def at_once() -> None:
    return None


def one_then_stuck(release: threading.Event) -> Batcher:
    """Scores texts one by one; the second waits for `release`."""
    first = True

    def model(batch: Sequence[Tokens]) -> NDArray[np.float32]:
        nonlocal first
        if not first:
            release.wait(30)
        first = False
        return np.ones(len(batch), np.float32)

    return Batcher("test", model, BatchLimits(batch_tokens=1))


def outcome(*, anytime: bool, gone: bool = False, patience_s: float = 0.2) -> Outcome:
    release = threading.Event()
    batcher = one_then_stuck(release)
    work = batcher.submit([Tokens([1], [0])] * 3, anytime=anytime)

    async def scenario() -> Outcome:
        return await finish(batcher, work, at_once if gone else never, time.monotonic() + patience_s)

    try:
        return asyncio.run(scenario())
    finally:
        release.set()
        batcher.close()


def test_anytime_work_keeps_what_it_has() -> None:
    assert outcome(anytime=True).scored.tolist() == [True, False, False]


def test_other_work_expires() -> None:
    with pytest.raises(Expired):
        outcome(anytime=False)


def test_a_caller_who_hangs_up_ends_the_work() -> None:
    with pytest.raises(ClientLeft):
        outcome(anytime=True, gone=True, patience_s=30)


REQUEST = RerankRequest("usb", ("a", "b", "c"), ("a", {"title": "b"}, "c"), 3, True)
FOUND = Reranked(
    id="1",
    request=REQUEST,
    scores=np.array([0.25, 0.5, 0.0], np.float32),
    scored=np.array([True, True, False]),
    model="tiny",
    fingerprint="sha256:0",
    tokens=7,
    ms=1.5,
    cached=0,
)


def test_a_partial_answer_lists_what_was_scored_and_says_so() -> None:
    answer = COHERE_1.write(FOUND)
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.5, "document": {"title": "b"}},
        {"index": 0, "relevance_score": 0.25, "document": {"text": "a"}},
    ]
    assert answer["meta"]["partial"] == {"scored": 2, "of": 3}


def test_each_vendor_s_shape() -> None:
    assert JINA.write(FOUND)["results"][0] == {"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}
    assert VOYAGE.write(FOUND)["data"][0] == {"index": 1, "relevance_score": 0.5, "document": "b"}
    assert TEI.write(FOUND)[0] == {"index": 1, "score": 0.5, "text": "b"}
