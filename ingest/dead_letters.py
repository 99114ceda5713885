"""The file of what is not indexed: one JSON object a line with feed, line, reason and the whole record, which
`ingest replay` reads again.

A letter leaves the file only when its record was read again: by a run that read its feed to the end, or by a replay of
the file. A feed that gives changes alone (a watermark, HTTP 304) does not bring a record a second time.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TextIO

from ingest.document import DeadLetter
from ingest.errors import IngestError
from ingest.json_feed import parse_object
from rerank.home import polyrank_home


def letters_path(alias: str) -> Path:
    """Return where the dead letters of runs into an alias or index are kept by default."""
    return polyrank_home() / "dead-letters" / f"{alias}.jsonl"


def refuse_other_letters(path: Path, alias: str) -> None:
    """Check that a file of the default folder is of runs into an alias, or into an index of its.

    Raises:
        IngestError: it is another alias' own: replayed, its records would no longer wait for that one.
    """
    own = path.name == f"{alias}.jsonl" or path.name.startswith(f"{alias}-")
    if not own and path.resolve().parent == letters_path(alias).resolve().parent:
        raise IngestError(
            f"{path} has the dead letters of {path.stem}: give --index {path.stem}, or replay a copy of it"
        )


class DeadLetterFile:
    """Writes letters beside `path` and puts the file in place at the end, together with the letters of earlier runs
    that are not settled. A file without letters is removed.

    `count` letters are of this run; `waiting` of earlier ones stay in the file, which is known at the end. `replayed`
    tells that the run reads this very file.
    """

    def __init__(self, path: Path, *, replayed: bool = False) -> None:
        """Write nothing yet. A file that is `replayed` stays as it is when the run fails."""
        self.path = path
        self.count = 0
        self.waiting = 0
        self.replayed = replayed
        self._settled: frozenset[str] | None = frozenset()  # feeds; None: all
        self._partial = path.with_name(path.name + ".partial")
        self._out: TextIO | None = None
        self._written: set[bytes] = set()
        self._earlier = path.is_file() and path.stat().st_size > 0

    def __enter__(self) -> "DeadLetterFile":
        return self

    def write(self, letter: DeadLetter) -> None:
        """Add a letter.

        Raises:
            IngestError: the file cannot be written.
        """
        told = asdict(letter)
        # ASCII: a record may hold lone surrogates, which no encoding takes.
        self._append(json.dumps(told, default=str) + "\n")
        if self._earlier:
            self._written.add(_identity(told))
        self.count += 1

    def settle(self, feeds: Collection[str] | None) -> None:
        """Let the letters of earlier runs go that came from these feeds, None: all of them. Each of their records was
        read again, and was indexed, or became a letter of this run."""
        self._settled = None if feeds is None else frozenset(feeds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and self.replayed:
            if self._out is not None:
                self._out.close()
                self._partial.unlink(missing_ok=True)
            return
        if kind is not None:
            self._settled = frozenset()
        for line in self._unsettled():
            self._append(line)
            self.waiting += 1
        try:
            self._put_in_place()
        except OSError as problem:
            raise self._unwritable(problem) from problem

    def _put_in_place(self) -> None:
        if self._out is not None:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
            self._partial.replace(self.path)
        elif self.path.is_file():
            self.path.unlink()

    def _unwritable(self, error: OSError) -> IngestError:
        return IngestError(f"cannot write dead letters to {self.path}: {error}; see --dead-letters")

    def _append(self, line: str) -> None:
        try:
            if self._out is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._out = self._partial.open("w", encoding="utf-8", errors="surrogateescape")
            self._out.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unsettled(self) -> Iterator[str]:
        """Give the lines of earlier runs that stay. A line that is no letter stays: somebody was mending it."""
        if not self._earlier:
            return
        with self.path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                letter, _ = parse_object(line)
                if not line.strip() or (letter is not None and self._is_settled(letter)):
                    continue
                if letter is None and self.replayed:
                    continue  # it was read, and is a letter of this run
                yield line if line.endswith("\n") else line + "\n"

    def _is_settled(self, letter: dict[str, object]) -> bool:
        feed = str(letter.get("source") or letter.get("feed") or "")
        return self._settled is None or feed in self._settled or _identity(letter) in self._written


def _identity(letter: dict[str, object]) -> bytes:
    """Return what a letter has in common with another one of the same record."""
    told = [letter.get("source") or letter.get("feed"), letter.get("record"), letter.get("raw")]
    return hashlib.blake2b(json.dumps(told, sort_keys=True, default=str).encode(), digest_size=16).digest()
