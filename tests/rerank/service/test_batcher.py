"""Shared batches: whose texts go first, what is shed, what is dropped, and that sharing changes no score."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerank.service.batcher import Batcher, BatchLimits
from rerank.service.faults import Expired, Overloaded, Unloaded
from rerank.tokenize import Tokens


def text(number: int, length: int) -> Tokens:
    """A text whose score is its number."""
    return Tokens([number] * length, [0] * length)


class Gate:
    """A model that waits until it may run, and remembers the batches it was given."""

    def __init__(self) -> None:
        self.opened, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[Tokens]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.opened.wait(30)
        numbers = [item.ids[0] for item in batch]
        self.batches.append(numbers)
        return np.array(numbers, np.float32)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def started(gate: Gate, **limits: int) -> Batcher:
    """A batcher whose one worker is held up by a first request of one text, number 0."""
    batcher = Batcher("test", gate, BatchLimits(**limits))
    batcher.submit([text(0, 4)])
    assert gate.entered.wait(30)
    return batcher


def test_requests_share_a_batch_within_its_budget(gate: Gate) -> None:
    batcher = started(gate, batch_tokens=40)
    works = [batcher.submit([text(number, 10), text(number + 1, 10)]) for number in (1, 3, 5)]
    gate.opened.set()
    wait([work.future for work in works], 30)
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert [work.future.result().rows.tolist() for work in works] == [[1, 2], [3, 4], [5, 6]]
    batcher.close()


def test_the_nearest_deadline_goes_first(gate: Gate) -> None:
    batcher, now = started(gate, batch_tokens=10), time.monotonic()
    deadlines = {1: None, 2: now + 300.0, 3: now + 100.0}
    works = [batcher.submit([text(number, 10)], deadline=deadline) for number, deadline in deadlines.items()]
    gate.opened.set()
    wait([work.future for work in works], 30)
    assert gate.batches == [[0], [3], [2], [1]]
    batcher.close()


def test_even_batches_shortest_first_unless_the_first_texts_matter_most(gate: Gate) -> None:
    batcher = started(gate, batch_tokens=20)
    texts = [text(1, 20), text(2, 10), text(3, 10)]
    batcher.submit(texts).future.add_done_callback(lambda _: None)
    last = batcher.submit(texts, anytime=True)
    gate.opened.set()
    last.future.result(30)
    assert gate.batches == [[0], [2, 3], [1], [1], [2, 3]]
    batcher.close()


def test_too_many_requests_are_refused_at_once(gate: Gate) -> None:
    batcher = started(gate, waiting=2)
    batcher.submit([text(1, 4)])
    with pytest.raises(Overloaded, match="2 requests wait"):
        batcher.submit([text(2, 4)])
    gate.opened.set()
    batcher.close()


def test_a_request_that_cannot_end_in_time_is_refused_at_once() -> None:
    def slow(batch: Sequence[Tokens]) -> NDArray[np.float32]:
        time.sleep(0.05)
        return np.zeros(len(batch), np.float32)

    batcher = Batcher("slow", slow, BatchLimits(batch_tokens=10, wait_s=1.0))
    batcher.submit([text(1, 10)]).future.result(30)  # 200 tokens a second, at most
    work = batcher.submit([text(1, 10)] * 40)
    with pytest.raises(Overloaded, match="s of work wait") as refused:
        batcher.submit([text(2, 10)])
    assert refused.value.retry_after_s > 1.0
    with pytest.raises(Overloaded, match="more than its deadline"):
        batcher.submit([text(2, 10)] * 40, deadline=time.monotonic() + 0.5)
    urgent = batcher.submit([text(2, 10)], deadline=time.monotonic() + 0.5)
    assert urgent.future.result(30).whole, "a short one with a near deadline goes before the long one"
    batcher.settle(work)
    batcher.close()


def test_a_bad_moment_does_not_shut_out_everybody_for_ever() -> None:
    pause_s = [0.2]

    def model(batch: Sequence[Tokens]) -> NDArray[np.float32]:
        time.sleep(pause_s[0])
        return np.zeros(len(batch), np.float32)

    batcher = Batcher("test", model, BatchLimits(batch_tokens=10))
    batcher.submit([text(1, 10)] * 2).future.result(30)
    pause_s[0] = 0.0
    late = batcher.submit([text(1, 10)] * 20, deadline=time.monotonic() + 2.0)  # 4 s, by the speed that is known
    assert late.future.result(30).whole
    batcher.close()


def test_what_is_late_fails_or_keeps_what_it_has(gate: Gate) -> None:
    batcher = started(gate, batch_tokens=10)
    soon = time.monotonic() + 0.05
    failing = batcher.submit([text(1, 10)], deadline=soon)
    keeping = batcher.submit([text(2, 10), text(3, 10)], deadline=soon, anytime=True)
    time.sleep(0.1)
    gate.opened.set()
    with pytest.raises(Expired):
        failing.future.result(30)
    outcome = keeping.future.result(30)
    assert (outcome.scored.tolist(), outcome.whole) == ([False, False], False)
    assert gate.batches == [[0]]
    batcher.close()


def test_a_settled_request_costs_nothing_more(gate: Gate) -> None:
    batcher = started(gate, batch_tokens=10)
    work = batcher.submit([text(1, 10), text(2, 10)])
    assert not batcher.settle(work).scored.any()
    gate.opened.set()
    batcher.close()
    assert gate.batches == [[0]]
    assert batcher.pending == 0


def test_closing_finishes_what_waits_and_refuses_what_comes(gate: Gate) -> None:
    batcher = started(gate)
    work = batcher.submit([text(7, 4)])
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.opened.set()
    closing.join()
    assert work.future.result(0).rows.tolist() == [7]
    with pytest.raises(Unloaded):
        batcher.submit([text(1, 4)])


def test_a_failing_batch_fails_its_requests_and_no_other() -> None:
    def model(batch: Sequence[Tokens]) -> NDArray[np.float32]:
        if any(item.ids[0] == 13 for item in batch):
            raise ZeroDivisionError
        return np.array([item.ids[0] for item in batch], np.float32)

    batcher = Batcher("test", model, BatchLimits(batch_tokens=4))
    bad, good = batcher.submit([text(13, 4)]), batcher.submit([text(1, 4)])
    with pytest.raises(ZeroDivisionError):
        bad.future.result(30)
    assert good.future.result(30).rows.tolist() == [1]
    batcher.close()


def test_no_text_at_all_is_done_at_once(gate: Gate) -> None:
    batcher = Batcher("test", gate)
    assert batcher.submit([]).future.result(0).rows.shape == (0,)
    gate.opened.set()
    batcher.close()


LENGTHS = st.lists(st.lists(st.integers(1, 30), max_size=12), max_size=6)


@settings(max_examples=30, deadline=None)
@given(requests=LENGTHS, workers=st.integers(1, 3), budget=st.integers(1, 60), anytime=st.booleans())
def test_every_text_gets_its_own_row(requests: list[list[int]], workers: int, budget: int, anytime: bool) -> None:
    sizes: list[tuple[int, int]] = []

    def model(batch: Sequence[Tokens]) -> NDArray[np.float32]:
        sizes.append((len(batch), max(map(len, batch))))
        return np.array([[item.ids[0], len(item)] for item in batch], np.float32)

    batcher = Batcher("test", model, BatchLimits(workers=workers, batch_tokens=budget))
    works = [
        batcher.submit([text(number, length) for number, length in enumerate(lengths)], anytime=anytime)
        for lengths in requests
    ]
    for work, lengths in zip(works, requests, strict=True):
        rows = work.future.result(30).rows.reshape(-1, 2).tolist()
        assert rows == [[number, length] for number, length in enumerate(lengths)]
    batcher.close()
    assert all(count == 1 or count * longest <= budget for count, longest in sizes)
