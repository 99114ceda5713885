"""Work one stage ahead of the next: an iterator that advances in its own thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


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
