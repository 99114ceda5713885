"""Feeds of comma, semicolon or tab separated values with a header row."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.text_file import TextFile, readable, shown

MAX_FIELD_CHARS = 10_000_000
"""A longer field is a quote that never closes; what it swallowed becomes one dead letter."""

SEPARATORS = ",;\t|"


class CsvFeed:
    """A .csv or .tsv file, UTF-8 with or without BOM; the separator is the one its header row has most of.

    Quoted fields may hold separators and line breaks. A row with more or fewer fields than the header is a dead
    letter; a blank row is skipped; a blank field is left out of the record.
    """

    def __init__(self, path: Path) -> None:
        self._file = TextFile(path)

    @property
    def name(self) -> str:
        """The file's path as it was given."""
        return str(self._file.path)

    def progress(self) -> float:
        """Return the share of bytes read."""
        return self._file.progress()

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read row by row; a record's line is the one its row starts on.

        Raises:
            FeedError: the header row is missing, not UTF-8 or names a column twice, or the file breaks off.
        """
        csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
        with self._file.open(newline="") as text:
            first = text.readline()
            separator = max(SEPARATORS, key=first.count)
            header = self._header(first, separator)
            rows = csv.reader(text, delimiter=separator, strict=True)
            while True:
                line = rows.line_num + 2
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield DeadLetter(self.name, line, f"not CSV: {error}")
                    continue
                if any(field.strip() for field in row):
                    yield self._entry(line, header, row, separator)

    def _header(self, first: str, separator: str) -> list[str]:
        header = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
        if not any(header):
            raise FeedError(f"{self.name} has no header row; its first line must name the columns")
        if not readable(first):
            raise FeedError(f"{self.name} is not UTF-8; convert it first, for example with iconv")
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            raise FeedError(f"{self.name} names the column {min(twice)!r} twice; rename one")
        return header

    def _entry(self, line: int, header: list[str], row: list[str], separator: str) -> Record | DeadLetter:
        if not all(map(readable, row)):
            return DeadLetter(self.name, line, "the row is not UTF-8", raw=shown(_joined(row, separator)))
        if len(row) != len(header):
            reason = f"the row has {len(row)} fields, the header {len(header)}"
            return DeadLetter(self.name, line, reason, raw=_joined(row, separator))
        named = zip(header, row, strict=True)
        return Record(self.name, line, {name: value for name, value in named if name and value.strip()})


def _joined(row: list[str], separator: str) -> str:
    """Return the row as CSV text."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator, lineterminator="").writerow(row)
    return buffer.getvalue()
