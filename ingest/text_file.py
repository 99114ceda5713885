"""A text file read forward, packed or not, that knows how far it was read and survives wrong encodings."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ingest.errors import FeedError


class TextFile:
    """A UTF-8 file with or without BOM, gzipped when its name ends in .gz. Bytes that are not UTF-8 come as lone
    surrogates, which `readable` tells apart, so that one bad line does not end the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = max(path.stat().st_size, 1)
        self._raw: BinaryIO | None = None
        self._done = 0

    def progress(self) -> float:
        """Return the share of the file's bytes that were read, 0..1."""
        raw = self._raw
        if raw is not None:
            try:
                self._done = raw.tell()
            except ValueError:  # closed by the reading thread between the two lines
                self._done = self._size
        return min(self._done / self._size, 1.0)

    @contextmanager
    def open(self, *, newline: str) -> Iterator[io.TextIOWrapper]:
        """Open the file at its start; `newline` as for the built-in `open`.

        Raises:
            FeedError: it cannot be read, or breaks off or is damaged somewhere (raised where that shows).
        """
        try:
            with self.path.open("rb") as raw:
                self._raw = raw
                packed = self.path.suffix.lower() == ".gz"
                binary = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
                yield io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline=newline)
        except (OSError, EOFError, zlib.error) as error:
            raise FeedError(f"cannot read {self.path} to its end: {error}; what came before it was ingested") from error
        finally:
            self._raw, self._done = None, self._size


def readable(text: str) -> bool:
    """Say whether a text of a `TextFile` was valid UTF-8."""
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)


def shown(text: str) -> str:
    """Return a text of a `TextFile` with its invalid bytes as `\\xNN`, for a dead letter."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
