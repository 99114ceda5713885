"""A lane runs blocking work in its own threads, with a short queue: what does not fit is refused at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rerank.service.faults import ClientLeft, Expired, Overloaded

T = TypeVar("T")


class Lane:
    """Up to `workers` jobs run and `waiting` jobs wait; the next one is refused.

    Short work (a query) and long work (a rerank) take different lanes, so that no query waits behind a rerank.
    """

    def __init__(self, name: str, *, workers: int, waiting: int) -> None:
        """Start no thread yet; threads start with the first jobs."""
        self.name = name
        self._capacity = workers + waiting
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._running = asyncio.Semaphore(workers)
        self.pending = 0

    async def run(self, job: Callable[[], T], gone: Callable[[], Awaitable[bool]], until: float | None = None) -> T:
        """Run a job in a thread, so that the event loop stays free.

        Args:
            job: blocking work.
            gone: tells, before the job starts, whether its caller has hung up.
            until: end of its time, on the clock of `time.monotonic`; a job that is late does not start.

        Raises:
            Overloaded: the queue is full; raised at once.
            ClientLeft: the caller hung up while waiting.
            Expired: its time was up before its turn.
        """
        if self.pending >= self._capacity:
            raise Overloaded(f"{self.pending} requests are in the {self.name} lane; try again or add an instance")
        self.pending += 1
        try:
            async with self._running:
                if await gone():
                    raise ClientLeft("the caller hung up before its turn")
                if until is not None and time.monotonic() >= until:
                    raise Expired(f"the {self.name} lane was busy until its time was up")
                return await asyncio.get_running_loop().run_in_executor(self._executor, job)
        finally:
            self.pending -= 1

    def close(self) -> None:
        """Let running jobs end and drop the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)
