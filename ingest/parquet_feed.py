"""Feeds in Parquet files. Needs pyarrow (the `parquet` extra)."""

from collections.abc import Iterator
from pathlib import Path

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.plain_values import plain_value
from rerank.errors import MissingExtraError

try:
    import pyarrow as arrow
    import pyarrow.parquet as parquet
except ImportError:
    arrow = parquet = None

ROWS = 1000
"""Rows in memory at once; a row group is read column by column in pieces of this size."""


class ParquetFeed:
    """A .parquet file; a record's line is its row, from 1. Empty cells are left out."""

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        if parquet is None:
            raise MissingExtraError(f"reading {path} needs pyarrow; install it: pip install 'polyrank[parquet]'")
        self._path = path
        self._name = name or str(path)
        self._read, self._rows = 0, 0

    @property
    def name(self) -> str:
        """The file's path as it was given."""
        return self._name

    def progress(self) -> float:
        """Return the share of rows read."""
        return self._read / self._rows if self._rows else float(self._read > 0 or self._rows == 0)

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read row by row. Raises FeedError when the file is no Parquet or is damaged."""
        self._read = 0
        try:
            with parquet.ParquetFile(self._path) as file:
                self._rows = file.metadata.num_rows
                for batch in file.iter_batches(batch_size=ROWS):
                    for row in batch.to_pylist():
                        self._read += 1
                        fields = {name: plain_value(value) for name, value in row.items()}
                        yield Record(
                            self._name, self._read, {name: value for name, value in fields.items() if value is not None}
                        )
        except (arrow.ArrowException, OSError, ValueError) as error:
            place, reason = f"{self._name} as Parquet behind row {self._read}", " ".join(str(error).split())
            raise FeedError(f"cannot read {place}: {reason}; what came before it was ingested") from error
