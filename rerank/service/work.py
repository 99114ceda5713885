"""One request's share in the batches: which texts still wait, and the rows that have come back."""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rerank.tokenize import Tokens


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request got. `rows`: float32, a row a text, zeros where not `scored` (bool, a text each); `queue_s`: from
    its arrival to its first batch; `busy_s`: from there to its end."""

    rows: NDArray[np.float32]
    scored: NDArray[np.bool_]
    queue_s: float
    busy_s: float

    @property
    def whole(self) -> bool:
        """Whether every text was read."""
        return bool(self.scored.all())


def nothing_read(texts: int) -> Outcome:
    """Return what a request of so many texts gets that was not let in."""
    return Outcome(np.zeros(texts, np.float32), np.zeros(texts, np.bool_), 0.0, 0.0)


class Work:
    """Texts of one request. Not thread-safe: the batcher's lock guards it."""

    __slots__ = (
        "_arrived",
        "_next",
        "_order",
        "_rows",
        "_scored",
        "_started",
        "anytime",
        "deadline",
        "future",
        "tokens",
        "waiting_tokens",
    )

    def __init__(self, tokens: tuple[Tokens, ...], arrived: float, deadline: float | None, anytime: bool) -> None:
        """Take the texts, shortest first so that batches are even, or as they come when the first matter most."""
        self.tokens, self.deadline, self.anytime = tokens, deadline, anytime
        self.future: Future[Outcome] = Future()
        lengths = [len(item) for item in tokens]
        self.waiting_tokens = sum(lengths)
        self._order = list(range(len(tokens))) if anytime else sorted(range(len(tokens)), key=lengths.__getitem__)
        self._next = 0
        self._rows: NDArray[np.float32] | None = None
        self._scored = np.zeros(len(tokens), np.bool_)
        self._arrived = arrived
        self._started: float | None = None

    @property
    def urgency(self) -> tuple[float, float]:
        """Orders requests: by deadline, those without one last, then by arrival."""
        return (float("inf") if self.deadline is None else self.deadline, self._arrived)

    @property
    def done(self) -> bool:
        """Whether every text has its row."""
        return bool(self._scored.all())

    def late(self, now: float) -> bool:
        """Whether the deadline is over."""
        return self.deadline is not None and now >= self.deadline

    def next_length(self) -> int | None:
        """Return the tokens of the next waiting text; None when none waits."""
        return len(self.tokens[self._order[self._next]]) if self._next < len(self._order) else None

    def take(self, now: float) -> int:
        """Take the next waiting text into a batch; return its index."""
        if self._started is None:
            self._started = now
        index = self._order[self._next]
        self._next += 1
        self.waiting_tokens -= len(self.tokens[index])
        return index

    def give(self, index: int, row: NDArray[np.float32]) -> None:
        """Keep the model's row for one text."""
        if self._rows is None:
            self._rows = np.zeros((len(self.tokens), *np.shape(row)), np.float32)
        self._rows[index] = row
        self._scored[index] = True

    def stop(self) -> None:
        """Let no further text be taken."""
        self._next, self.waiting_tokens = len(self._order), 0

    def outcome(self, now: float) -> Outcome:
        """Return what there is by now."""
        rows = np.zeros(len(self.tokens), np.float32) if self._rows is None else self._rows.copy()
        started = self._started if self._started is not None else now
        return Outcome(rows, self._scored.copy(), started - self._arrived, now - started)

    def settle(self, now: float) -> None:
        """Hand what there is to whoever waits for the future."""
        if not self.future.done():
            self.future.set_result(self.outcome(now))
