"""Where records come from. A feed is a stream: it never holds the whole file, and a bad entry does not end it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ingest.csv_feed import CsvFeed
from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.json_feed import DeadLetterFeed, JsonLinesFeed


@runtime_checkable
class Feed(Protocol):
    """A source of records."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read from the start: a Record per entry in feed order, a DeadLetter for one that cannot be read."""
        ...

    def progress(self) -> float:
        """Return how much of the feed was read, 0..1; may be asked from another thread."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A feed that goes on where the last run ended, or tells that nothing changed since.

    A run hands it what was kept of the last one (`resume`), reads `entries`, and keeps `bookmark` under the feed's
    name once the index has acknowledged everything that was read, never before. A feed without a bookmark is read
    from its start.
    """

    def resume(self, bookmark: Mapping[str, Any]) -> None:
        """Go on behind what `bookmark` covers; to be called before `entries`. Whatever cannot be used in it is
        ignored, so that the feed is read again rather than a record lost."""
        ...

    def bookmark(self) -> dict[str, Any]:
        """Return, as JSON, where the next run may go on: it covers the entries given so far and no more."""
        ...

    @property
    def whole(self) -> bool:
        """Whether `entries` gave all that the source holds, so that a document it lacks was deleted there. False
        after a reading of changes alone."""
        ...


class ListFeed:
    """Records that are in memory already; their line is their place in the list, from 1."""

    def __init__(self, records: Sequence[dict[str, object]], name: str = "list") -> None:
        self._records = records
        self._name = name
        self._read = 0

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Give each record."""
        for line, fields in enumerate(self._records, start=1):
            self._read = line
            yield Record(self._name, line, fields)

    def progress(self) -> float:
        """Return the share of records that were given."""
        return self._read / len(self._records) if self._records else 1.0


FEEDS: Mapping[str, Callable[[Path], Feed]] = {
    ".jsonl": JsonLinesFeed,
    ".ndjson": JsonLinesFeed,
    ".csv": CsvFeed,
    ".tsv": CsvFeed,
}


def open_feed(path: Path) -> Feed:
    """Return the feed that reads a file by its name: .jsonl, .ndjson, .csv or .tsv, each also with .gz.

    Raises:
        FeedError: there is no such file, or its name tells no known kind.
    """
    if not path.is_file():
        raise FeedError(f"there is no feed {path}")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    if kind not in FEEDS:
        known = ", ".join(FEEDS)
        raise FeedError(f"{path} is of no known kind; name it {known}, each also with .gz")
    return FEEDS[kind](path)


def open_dead_letters(path: Path) -> Feed:
    """Return the feed that reads a dead-letter file's records again.

    Raises:
        FeedError: there is no such file.
    """
    if not path.is_file():
        raise FeedError(f"there is no dead-letter file {path}")
    return DeadLetterFeed(path)
