"""The two ends of a run: the first chunk goes in growing parts, so that a model or the index begins at once, and
through a model, which sets the pace, the last batch in shrinking ones, so that little is left to write when it is done.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from ingest.stages import Batch

T = TypeVar("T")
CUTS = (0, 1, 3, 10)
"""Tenths of a batch, where its parts begin and end: 50, 100 and 350 of 500. Each is read or written in less time than a
model takes for the part beside it. Parts are padded more than a whole batch, by 3 % of these 500."""

SMALLEST = 50
"""Documents that are not parted: a model takes them in 0.2 s."""


def growing(count: int) -> list[int]:
    """Return how many documents go into each part of `count`."""
    if count <= SMALLEST:
        return [count]
    return [end - start for start, end in pairwise(count * cut // CUTS[-1] for cut in CUTS)]


def shrinking_at_end(batches: Iterator[Batch], nearing_end: Callable[[], object]) -> Iterator[Batch]:
    """Give compared batches, each when the next one is there, and the last in shrinking parts; call `nearing_end`
    before the last.

    An exception of the source is raised after what came before it.
    """
    held, failure = None, None
    try:
        for batch in batches:
            if held is not None:
                yield held
            held = batch
    except Exception as error:  # noqa: BLE001  (raised below, in its turn)
        failure = error
    nearing_end()
    if held is not None:
        yield from _shrinking(held)
    if failure is not None:
        raise failure


def followed(batches: Iterator[Batch], nearing_end: Callable[[], object]) -> Iterator[Batch]:
    """Give the batches; call `nearing_end` when there are no more, and the last ones are on their way."""
    yield from batches
    nearing_end()


def _shrinking(batch: Batch) -> Iterator[Batch]:
    """Give a batch in parts; what is of none of its documents is in the first."""
    first, *others = reversed(growing(len(batch.documents)))
    yield _part(replace(batch, read=batch.read - sum(others)), 0, first)
    bare = replace(batch, letters=(), fused=0, deletes=(), unchanged=0, stale=0, repeated=0, seconds={})
    start = first
    for count in others:
        yield _part(replace(bare, read=count), start, start + count)
        start += count


def _part(batch: Batch, start: int, end: int) -> Batch:
    documents = batch.documents[start:end]
    ids = [document.id for document in documents]
    return replace(
        batch,
        documents=documents,
        known=_of(ids, batch.known),
        contents=_of(ids, batch.contents),
        kept=_of(ids, batch.kept),
        pictures=_of(ids, batch.pictures),
    )


def _of(ids: list[str], entries: Mapping[str, T]) -> dict[str, T]:
    return {one: entries[one] for one in ids if one in entries}
