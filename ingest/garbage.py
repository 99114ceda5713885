"""Python's search for cycles of references while a run goes on."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLD = 50_000
"""Containers that are made, less those let go, between two searches. A batch has some 10,000."""


@contextmanager
def seldom_searched() -> Iterator[None]:
    """Look for cycles seldom inside the block, and not among what is there before it. Records and documents make none,
    and the search took 7 us a document, most of it among modules and models. For the one run of a process."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
