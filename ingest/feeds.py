"""Where records come from. A feed is a stream: it never holds the whole file, and a bad entry does not end it."""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ingest.csv_feed import CsvFeed
from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.folder_feed import FolderFeed
from ingest.google_feed import GoogleFeed
from ingest.json_feed import DeadLetterFeed, JsonLinesFeed
from ingest.parquet_feed import ParquetFeed
from ingest.shopify_feed import SHOPIFY_COLUMNS, ShopifyFeed
from ingest.text_file import PACKED_SUFFIXES, TextFile, zipped_files
from ingest.woocommerce_feed import WOOCOMMERCE_COLUMNS, WooCommerceFeed


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


FORMATS: Mapping[str, Callable[[TextFile], Feed]] = {
    "jsonl": JsonLinesFeed,
    "csv": CsvFeed,
    "google": GoogleFeed,
    "shopify": ShopifyFeed,
    "woocommerce": WooCommerceFeed,
}
"""Name in a source's `format` -> what reads it. Parquet stands apart: it is no text."""

SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xml": "google",
    ".rss": "google",
    ".atom": "google",
    ".parquet": "parquet",
}


def open_feed(path: Path, *, kind: str | None = None, encoding: str | None = None, name: str | None = None) -> Feed:
    """Return the feed that reads a file, or all feed files of a folder in the order of their paths.

    Args:
        path: a file, packed (gz, bz2, xz, zst, a zip of one file) or not, or a folder.
        kind: one of `FORMATS` or "parquet"; None: by the file's suffix, and for CSV by its columns.
        encoding: of a text file; None: by byte order mark, else UTF-8.
        name: what reports call it; None: the path.

    Raises:
        FeedError: there is no such file, its name tells no known kind, or the kind or encoding is not known.
        MissingExtraError: the kind needs an extra that is not installed.
    """
    if path.is_dir():
        return FolderFeed(path, [(one, open_feed(one, kind=kind, encoding=encoding)) for one in feed_files(path)])
    if not path.is_file():
        raise FeedError(f"there is no feed {path}")
    _check_encoding(encoding)
    found = kind or kind_of(path)
    if found == "parquet":
        return ParquetFeed(path, name=name)
    if found not in FORMATS:
        known = ", ".join(SUFFIXES)
        said = f"the format {kind!r}" if kind else name or str(path)
        raise FeedError(
            f"{said} is of no known kind; name the file {known}, each also packed as {', '.join(PACKED_SUFFIXES)},"
            f" or give a source the format {', '.join([*FORMATS, 'parquet'])}"
        )
    file = TextFile(path, name=name, encoding=encoding)
    return _shop_export(file) if found == "csv" and kind is None else FORMATS[found](file)


def kind_of(path: Path) -> str:
    """Return the format that a file's name tells, of a zip else that of its one file; or "" when it tells none."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] and suffixes[-1] in PACKED_SUFFIXES:
        packed = suffixes.pop()
        if packed == ".zip" and not (suffixes and suffixes[-1] in SUFFIXES):
            kinds = [kind for name in zipped_files(path) if (kind := kind_of(Path(Path(name).name)))]
            return kinds[0] if kinds else ""
    return SUFFIXES.get(suffixes[-1], "") if suffixes else ""


def feed_files(folder: Path) -> list[Path]:
    """Return the files below a folder whose names tell a known format, hidden ones left out, by path.

    Raises:
        FeedError: there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and kind_of(path))
    found = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not found:
        raise FeedError(f"the folder {folder} holds no feed; files are read by their names: {', '.join(SUFFIXES)}")
    return found


def _shop_export(file: TextFile) -> Feed:
    """Return the reader that fits a CSV file's columns."""
    try:
        columns = frozenset(CsvFeed(file).columns())
    except FeedError:
        return CsvFeed(file)  # reading will say what is wrong with it
    if columns >= SHOPIFY_COLUMNS:
        return ShopifyFeed(file)
    return WooCommerceFeed(file) if columns >= WOOCOMMERCE_COLUMNS else CsvFeed(file)


def _check_encoding(encoding: str | None) -> None:
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError as error:
        raise FeedError(f"the encoding {encoding!r} is not known; name it as Python does, such as cp1252") from error


def open_dead_letters(path: Path) -> Feed:
    """Return the feed that reads a dead-letter file's records again.

    Raises:
        FeedError: there is no such file.
    """
    if not path.is_file():
        raise FeedError(f"there is no dead-letter file {path}")
    return DeadLetterFeed(TextFile(path))
