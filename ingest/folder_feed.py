"""A folder of feeds as one."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ingest.document import DeadLetter, Record


class _Part(Protocol):
    def entries(self) -> Iterator[Record | DeadLetter]: ...

    def progress(self) -> float: ...


class FolderFeed:
    """The feeds of a folder one after the other; each entry names its own file."""

    def __init__(self, folder: Path, parts: Sequence[tuple[Path, _Part]]) -> None:
        self._folder = folder
        self._parts = [part for _, part in parts]
        self._sizes = [path.stat().st_size for path, _ in parts]

    @property
    def name(self) -> str:
        """The folder's path as it was given."""
        return str(self._folder)

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read each file. Raises FeedError where one breaks off."""
        for part in self._parts:
            yield from part.entries()

    def progress(self) -> float:
        """Return the share of the folder's bytes that were read."""
        done = sum(size * part.progress() for size, part in zip(self._sizes, self._parts, strict=True))
        return done / sum(self._sizes) if sum(self._sizes) else 1.0
