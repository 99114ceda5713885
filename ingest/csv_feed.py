"""Feeds of comma, semicolon or tab separated values with a header row."""

import csv
from collections import deque
from collections.abc import Iterator

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.file_feed import FileFeed
from ingest.text_file import NOT_UTF8, LongLine, readable, shown

MAX_ROW_LINES = 2000
MAX_ROW_CHARS = 4_000_000
"""A longer row is a quote that never closes."""

SEPARATORS = ",;\t|"


class CsvFeed(FileFeed):
    """A .csv or .tsv file; the separator is the one its header row has most of.

    Quoted fields may hold separators and line breaks. A row with more or fewer fields than the header, or with a
    quote that does not close, is a dead letter, and reading goes on in the line after the one it starts on: a stray
    quote costs one row, not those it swallows. Blank rows and blank fields are left out.
    """

    def columns(self) -> list[str]:
        """Return the names in the header row. Raises FeedError as `entries` does."""
        with self._file.lines(newline="") as lines:
            return self._header(next(lines, ""))[0]

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read row by row; a record's line is the one its row starts on.

        Raises:
            FeedError: the header row is missing, of another encoding or names a column twice, or the file breaks off.
        """
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_CHARS))
        with self._file.lines(newline="") as lines:
            header, separator = self._header(next(lines, ""))
            taken = _Lines(lines)
            rows = csv.reader(taken, delimiter=separator, strict=True)
            while True:
                line = taken.start_row()
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except _TooLongError as error:
                    if taken.give_back():
                        yield DeadLetter(self.name, line, "not CSV: a quote does not close", raw=shown(taken.first))
                    else:
                        taken.drop_long()
                        yield DeadLetter(self.name, line, error.line.reason, raw=shown(error.line.head))
                except csv.Error as error:
                    taken.give_back()
                    yield DeadLetter(self.name, line, f"not CSV: {error}", raw=shown(taken.first))
                else:
                    if any(field.strip() for field in row):
                        yield self._entry(line, header, row, taken)

    def _header(self, first: str | LongLine) -> tuple[list[str], str]:
        if isinstance(first, LongLine):
            raise FeedError(f"{self.name}: {first.reason}; its first line must name the columns")
        separator = max(SEPARATORS, key=first.count)
        try:
            header = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
        except csv.Error as error:
            raise FeedError(f"{self.name} has a header row that is not CSV: {error}") from error
        if not any(header):
            raise FeedError(f"{self.name} has no header row; its first line must name the columns")
        if not readable(first):
            raise FeedError(
                f"{self.name} is not UTF-8; name its encoding in the source's TOML, as in encoding = 'cp1252'"
            )
        twice = {name for name in header if name and header.count(name) > 1}
        if twice:
            raise FeedError(f"{self.name} names the column {min(twice)!r} twice; rename one")
        return header, separator

    def _entry(self, line: int, header: list[str], row: list[str], taken: "_Lines") -> Record | DeadLetter:
        if not all(map(readable, row)):
            return DeadLetter(self.name, line, f"the row {NOT_UTF8}", raw=shown(taken.text))
        if len(row) > len(header) and not any(row[len(header) :]):
            row = row[: len(header)]  # spreadsheets end rows with empty cells
        if len(row) != len(header):
            taken.give_back()
            reason = f"the row has {len(row)} fields, the header {len(header)}"
            return DeadLetter(self.name, line, reason, raw=shown(taken.first))
        named = zip(header, row, strict=True)
        return Record(self.name, line, {name: value for name, value in named if name and value.strip()})


class _TooLongError(Exception):
    """A line of the row in work is longer than any line may be."""

    def __init__(self, line: LongLine) -> None:
        super().__init__(line.reason)
        self.line = line


class _Lines:
    """Lines for a csv reader, which can be given back behind the first one of a row."""

    def __init__(self, lines: Iterator[str | LongLine]) -> None:
        self._lines = lines
        self._back: deque[str | LongLine] = deque()
        self._taken: list[str] = []
        self._chars = 0
        self._number = 2

    def start_row(self) -> int:
        """Start a row; return the number of its first line."""
        self._number += len(self._taken)
        self._taken, self._chars = [], 0
        return self._number

    @property
    def first(self) -> str:
        """The row's first line without its end; empty when the row has none."""
        return self._taken[0].rstrip("\r\n") if self._taken else ""

    @property
    def text(self) -> str:
        """All lines of the row."""
        return "".join(self._taken).rstrip("\r\n")

    def give_back(self) -> bool:
        """Give back all lines of the row but its first; say whether it has a first."""
        self._back.extendleft(reversed(self._taken[1:]))
        self._taken = self._taken[:1]
        return bool(self._taken)

    def drop_long(self) -> None:
        """Pass over the too long line that is next."""
        self._back.popleft()
        self._number += 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_ROW_LINES or self._chars > MAX_ROW_CHARS:
            raise csv.Error(f"a quote does not close within {MAX_ROW_LINES} lines")
        line = self._back.popleft() if self._back else next(self._lines)
        if isinstance(line, LongLine):
            self._back.appendleft(line)
            raise _TooLongError(line)
        self._taken.append(line)
        self._chars += len(line)
        return line
