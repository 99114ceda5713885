"""The file of what was not indexed: one JSON object a line with feed, line, reason and the whole record, which
`ingest replay` reads again."""

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TextIO

from ingest.document import DeadLetter
from ingest.errors import IngestError


class DeadLetterFile:
    """Writes letters beside `path` and puts the file in place at the end, so that a run may read the letters of the
    last run from the same path. Without letters no file is made, and one of an earlier run is emptied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._partial = path.with_name(path.name + ".partial")
        self._out: TextIO | None = None

    def __enter__(self) -> "DeadLetterFile":
        return self

    def write(self, letter: DeadLetter) -> None:
        """Add a letter.

        Raises:
            IngestError: the file cannot be written.
        """
        try:
            if self._out is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._out = self._partial.open("w", encoding="utf-8")
            # ASCII: a record may hold lone surrogates, which no encoding takes.
            self._out.write(json.dumps(asdict(letter), default=str) + "\n")
        except OSError as error:
            raise IngestError(f"cannot write dead letters to {self.path}: {error}; see --dead-letters") from error
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._out is not None:
            self._out.close()
            self._partial.replace(self.path)
        elif kind is None and self.path.is_file():
            self.path.write_bytes(b"")
