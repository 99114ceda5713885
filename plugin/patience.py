"""How long to go on trying while a cluster is too busy, restarting or out of reach, and how to wait meanwhile."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from plugin.errors import BusyError, ClusterError

log = logging.getLogger("polyrank.cluster")
T = TypeVar("T")

PATIENCE_S = 300.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0


class Patience:
    """Waits between attempts: a random time up to a limit that doubles each time, until `seconds` went by without
    any success. May be shared by threads: they wait each for itself, and succeed for all.

    Source: Brooker, 2015, "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog.
    """

    def __init__(
        self,
        seconds: float = PATIENCE_S,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`seconds` 0: give up at the first failure; `chance` gives numbers from 0 to 1."""
        self.waits = 0
        self.waited_s = 0.0
        self._seconds = seconds
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._attempts = 0
        self._deadline: float | None = None
        self._lock = threading.Lock()

    def wait(self, error: ClusterError) -> None:
        """Sleep before another attempt.

        Raises:
            ClusterError: `error`, when patience is at its end.
        """
        with self._lock:
            now = self._clock()
            if self._deadline is None:
                self._deadline = now + self._seconds
            if now >= self._deadline:
                said = f"{error}; gave up after {self._seconds:.0f} s without success, see --patience"
                raise ClusterError(said if self._seconds else str(error)) from error
            limit = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._attempts, 16))
            # Never 0, and never so long that the last attempt is missed.
            pause = min(max(self._chance() * limit, 0.01), self._deadline - now)
            self._attempts += 1
            self.waits += 1
            self.waited_s += pause
        log.warning("%s; trying again in %.1f s", error, pause)
        self._sleep(pause)

    def succeeded(self) -> None:
        """Begin anew: something went through."""
        with self._lock:
            self._attempts, self._deadline = 0, None

    def give_up(self) -> None:
        """Raise at the next failure, in whatever thread: nobody waits for what is tried."""
        with self._lock:
            self._seconds, self._deadline = 0.0, self._clock()

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` gives once it goes through.

        Raises:
            ClusterError: it is refused for good, or patience is at its end.
        """
        while True:
            try:
                given = attempt()
            except BusyError as error:
                self.wait(error)
            else:
                self.succeeded()
                return given
