"""Work one stage ahead of the next: an iterator that advances in its own thread."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
_END = object()
HAND_OVER_S = 2e-4
"""How long a thread may hold Python's lock while another asks for it. Python's own 5 ms are much beside a model."""


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Give the items in order while a thread prepares up to `depth` of the next ones.

    An exception of the source is raised here, after the items before it. Closing this iterator waits for the item
    in work and asks for no other.

    Args:
        items: advanced in the thread, and there alone.
        depth: how many items may be in work or finished, at least 1.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="ingest")

    def fetch() -> Future[T | object]:
        return pool.submit(next, source, _END)

    try:
        waiting = deque(fetch() for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(fetch())
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def models_first() -> Iterator[None]:
    """Let threads of this process hand Python's lock over sooner in the block.

    A model asks for it around each batch of 50 ms, and what cleans and encodes beside it holds it: beside a thread that
    cleans all the while, 500 texts waited 0.5 s of their 2 for it, and now wait 0.06.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, HAND_OVER_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
