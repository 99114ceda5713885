"""Documents that are gone from a feed: found once it was read to its end, and deleted unless they are too many."""

from collections.abc import Iterator
from dataclasses import dataclass

from ingest.ledger import Ledger
from ingest.sinks import Sink

BATCH = 500
MAX_DELETE_FRACTION = 0.2


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a feed lacks: `gone` of the `before` documents that the index held of it. `feed` None: of all feeds."""

    feed: str | None
    before: int
    gone: int

    @property
    def place(self) -> str:
        """Where they are gone from, as messages say it."""
        return "the feeds" if self.feed is None else self.feed

    def objection(self, max_fraction: float) -> str:
        """Return why they must not be deleted, when they are more than a fraction of the documents; else nothing."""
        if self.gone <= max_fraction * self.before:
            return ""
        return (
            f"{self.gone} of {self.before} documents are gone from {self.place}, more than"
            f" --max-delete-fraction {max_fraction:g} allows: none was deleted, and what is there was indexed;"
            f" check the feed, or let them go with --max-delete-fraction {min(1.0, self.gone / self.before + 0.01):.2f}"
        )


def find_gone(ledger: Ledger, feed: str | None, before: int) -> Sweep:
    """Count the documents of a feed that a run which has read all of it did not meet.

    Args:
        ledger: of the run.
        feed: whose documents; None: all.
        before: how many the index held of it before the run.
    """
    gone = sum(len(part) for part in _gone(ledger, feed)) if before else 0  # what a run writes, it has met
    return Sweep(feed, before, gone)


def delete_gone(ledger: Ledger, sink: Sink, sweep: Sweep) -> int:
    """Delete what `find_gone` counted; return how many documents. A kill meanwhile leaves the rest to the next run."""
    deleted = 0
    for part in _gone(ledger, sweep.feed):
        for start in range(0, len(part), BATCH):
            ids = part[start : start + BATCH]
            outcomes = sink.delete(ids)
            ledger.bury(ids, outcomes, sweep.feed or "")
            deleted += sum(outcome.result == "deleted" for outcome in outcomes)
    return deleted


def _gone(ledger: Ledger, feed: str | None) -> Iterator[list[str]]:
    for part in ledger.state.ids(feed):
        if missing := ledger.seen.missing(part):
            yield missing
