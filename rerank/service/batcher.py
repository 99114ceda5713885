"""Dynamic batching: texts of all waiting requests share the model's batches, the most urgent request first.

A batch is filled from the request whose deadline is nearest; what room it leaves goes to the next ones. Each worker
thread takes one batch at a time.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank.service.faults import Expired, Overloaded, Unloaded
from rerank.service.work import Outcome, Work
from rerank.tokenize import Tokens

log = logging.getLogger("rerank.service")

Run = Callable[[Sequence[Tokens]], NDArray[np.float32]]
"""Runs one batch through a model: one row a text."""

SMOOTHING = 0.2
"""Weight of the newest batch in the throughput that waiting times are told from."""

MARGIN = 1.25
"""Estimates are taken so much longer before a request is let in: one that comes too late has cost others their time.
Without it 16 clients with a deadline of 1 s got half of what 4 clients got (`python -m bench.service_load`)."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much runs and waits. `workers`: threads that run batches; `batch_tokens`: budget of one, padding included;
    `waiting`: requests that may be unfinished; `wait_s`: how long a new request may have to wait for its turn.

    512 tokens stay in the cache of a core: 2048 took more CPU time. A GPU wants many thousands.
    """

    workers: int = 1
    batch_tokens: int = 512
    waiting: int = 64
    wait_s: float = 5.0


class Batcher:
    """The queue before one model. Thread-safe; its threads start at once and end with `close`."""

    def __init__(self, name: str, run: Run, limits: BatchLimits | None = None) -> None:
        """Start the workers; `run` is called from several of them at a time."""
        self.name = name
        self.limits = limits or BatchLimits()
        self.on_batch: Callable[[int, int], None] = lambda texts, requests: None
        """Told the texts and the requests of each batch, for metrics."""
        self._run = run
        self._changed = threading.Condition()
        self._works: list[Work] = []
        self._tokens_per_s: float | None = None
        self._closing = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True)
            for number in range(self.limits.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pending(self) -> int:
        """Requests that are not finished."""
        return len(self._works)

    def wait_s(self) -> float:
        """Return how many seconds of work are waiting; 0.0 before the first batch told the model's speed."""
        with self._changed:
            return self._wait_s()

    def submit(self, tokens: Sequence[Tokens], *, deadline: float | None = None, anytime: bool = False) -> Work:
        """Queue the texts of one request; the result comes through `Work.future`.

        Args:
            tokens: one item a text; may be empty.
            deadline: on the clock of `time.monotonic`; None waits as long as `wait_s` allows.
            anytime: texts are taken in the order given, and a request that is late keeps what it has.

        Raises:
            Overloaded: too much is waiting for this one to end in time; raised at once, nothing is queued.
            Unloaded: the model is going away.
        """
        now = time.monotonic()
        work = Work(tuple(tokens), now, deadline, anytime)
        with self._changed:
            if self._closing:
                raise Unloaded(f"model {self.name} was unloaded; ask again")
            if work.done:
                work.settle(now)
                return work
            self._admit(work, now)
            self._works.append(work)
            self._changed.notify(min(len(tokens), self.limits.workers))
        return work

    def admit(self, deadline: float | None) -> None:
        """Refuse at once what could not end in time however short it is, before anything is spent on it.

        Raises:
            Overloaded: too much waits that goes before it.
        """
        with self._changed:
            self._admit(Work((), time.monotonic(), deadline, anytime=True), time.monotonic())

    def settle(self, work: Work) -> Outcome:
        """End a request now and return what it has, which may be nothing; its waiting texts are dropped."""
        with self._changed:
            self._drop(work)
            work.future.cancel()
            return work.outcome(time.monotonic())

    def close(self, *, patience_s: float = 30.0) -> None:
        """Refuse new requests, finish those that wait, and end the threads; what is late after `patience_s` fails."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        until = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            for work in list(self._works):
                self._fail(work, Unloaded(f"model {self.name} was unloaded before this request's turn"))

    def _admit(self, work: Work, now: float) -> None:
        wait = self._wait_s(before=work.deadline)
        if len(self._works) >= self.limits.waiting:
            raise Overloaded(f"{len(self._works)} requests wait for {self.name}; try again or add an instance", wait)
        if wait > self.limits.wait_s:
            raise Overloaded(f"{wait:.1f} s of work wait for {self.name}; try again or add an instance", wait)
        if work.deadline is None:
            return
        if not self._works and now < work.deadline:
            return  # nobody is kept waiting, and a speed that was measured in a bad moment gets corrected
        own = 0.0 if work.anytime or not self._tokens_per_s else work.waiting_tokens / self._tokens_per_s
        if now + MARGIN * (wait + own) > work.deadline:
            raise Overloaded(f"{self.name} would need {wait + own:.2f} s for this, more than its deadline leaves", wait)

    def _wait_s(self, before: float | None = None) -> float:
        """Return the seconds of waiting work that goes before a request with the deadline `before`."""
        if not self._tokens_per_s:
            return 0.0
        until = float("inf") if before is None else before
        return sum(work.waiting_tokens for work in self._works if work.urgency[0] <= until) / self._tokens_per_s

    def _serve(self) -> None:
        ended = time.perf_counter()
        while taken := self._take():
            batch, waited = taken
            started = time.perf_counter() if waited else ended  # what lies between two batches takes time as well
            tokens = [work.tokens[index] for work, index in batch]
            try:
                rows = self._run(tokens)
            except Exception as error:  # noqa: BLE001 - the thread must go on; each caller gets the error
                with self._changed:
                    for work in {id(work): work for work, _ in batch}.values():
                        self._fail(work, error)
                continue
            ended = time.perf_counter()
            self._give(batch, rows, sum(map(len, tokens)), ended - started)

    def _take(self) -> tuple[list[tuple[Work, int]], bool] | None:
        """Return the next batch and whether it had to be waited for; None when the batcher is closed and done."""
        waited = False
        with self._changed:
            while True:
                now = time.monotonic()
                for work in [work for work in self._works if work.late(now)]:
                    self._expire(work, now)
                if batch := self._fill(now):
                    return batch, waited
                if self._closing and not self._works:
                    self._changed.notify_all()
                    return None
                waited = True
                self._changed.wait(timeout=0.5 if self._closing else None)

    def _fill(self, now: float) -> list[tuple[Work, int]]:
        batch: list[tuple[Work, int]] = []
        longest = 0
        for work in sorted(self._works, key=lambda work: work.urgency):
            while (length := work.next_length()) is not None:
                if batch and max(longest, length) * (len(batch) + 1) > self.limits.batch_tokens:
                    break
                longest = max(longest, length)
                batch.append((work, work.take(now)))
            if length is not None:
                break
        return batch

    def _give(self, batch: list[tuple[Work, int]], rows: NDArray[np.float32], tokens: int, seconds: float) -> None:
        now = time.monotonic()
        with self._changed:
            # The measured speed is of one worker among busy ones; together they do as much more.
            speed = tokens / max(seconds, 1e-6) * self.limits.workers
            known = self._tokens_per_s
            self._tokens_per_s = speed if known is None else (1 - SMOOTHING) * known + SMOOTHING * speed
            for (work, index), row in zip(batch, rows, strict=True):
                work.give(index, row)
            works = {id(work): work for work, _ in batch}.values()
            for work in works:
                if work.done and work in self._works:
                    self._drop(work)
                    work.settle(now)
        self.on_batch(len(batch), len(works))

    def _expire(self, work: Work, now: float) -> None:
        if work.anytime:
            self._drop(work)
            work.settle(now)
        else:
            self._fail(work, Expired(f"{self.name} could not end this before its deadline"))

    def _drop(self, work: Work) -> None:
        work.stop()
        if work in self._works:
            self._works.remove(work)

    def _fail(self, work: Work, error: Exception) -> None:
        self._drop(work)
        if not work.future.done():
            work.future.set_exception(error)


def result_of(future: "Future[Outcome]") -> NDArray[np.float32]:
    """Wait in a thread for a whole result: float32, a row a text.

    Raises:
        PolyrankError: as `Batcher.submit` and the model do.
    """
    return future.result().rows
