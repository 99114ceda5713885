"""What a long run has found so far, in a file beside its output: the same command, started again, goes on there."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from rerank.training.recipe import TrainingError

Value = TypeVar("Value")
Remember = Callable[[str, Callable[[], Any]], Any]
"""Takes a key and what finds its value (JSON); returns the value, found now or in an earlier run."""


def forget(key: str, find: Callable[[], Value]) -> Value:
    """Find the value anew: the `Remember` of a run that keeps nothing."""
    return find()


class Journal:
    """A file of JSON lines: what the run is, then a key and its value each, written as soon as it is found.

    A context: left in good order, the file is removed; left by an error or a kill, it stays for the next run. The line
    that a kill cut short is dropped.
    """

    def __init__(self, out: Path, run: Mapping[str, Any], report: Callable[[str], None] = lambda _: None) -> None:
        """Prepare OUT.part; nothing is read or written before the context is entered.

        Args:
            out: the file that the run will write.
            run: everything that shapes the values, as JSON; values of another run are not used.
            report: is told in one sentence that the run goes on, or why it starts anew.
        """
        self._path = out.with_name(f"{out.name}.part")
        self._head = json.dumps(run, sort_keys=True, ensure_ascii=False)
        self._report = report
        self._known: dict[str, Any] = {}

    def __enter__(self) -> "Journal":
        """Read what an earlier run left.

        Raises:
            TrainingError: the file cannot be read or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            whole = self._left()
            self._file = self._path.open("r+b" if whole else "wb")
            self._file.seek(whole)
            self._file.truncate()
            if not whole:
                self._write(self._head)
        except OSError as error:
            raise TrainingError(f"cannot keep what is done in {self._path}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file; remove it when the run is through."""
        self._file.close()
        if error is None:
            self._path.unlink()

    def remember(self, key: str, find: Callable[[], Any]) -> Any:
        """Return the value of a key: as an earlier run found it, else found now and kept."""
        if key not in self._known:
            self._known[key] = find()
            self._write(json.dumps([key, self._known[key]], ensure_ascii=False))
        return self._known[key]

    def _left(self) -> int:
        """Take up the values of an earlier run with the same head; return the bytes that its whole lines fill."""
        if not self._path.is_file():
            return 0
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        try:
            head, *lines = content[:whole].decode().split("\n")[:-1] or [""]
            known = dict(json.loads(line) for line in lines)
        except (TypeError, ValueError):
            self._report(f"{self._path} is damaged: starting anew")
            return 0
        if head != self._head:
            self._report(f"{self._path} is of another run, whose options or files differ: starting anew")
            return 0
        self._known = known
        self._report(f"going on from {self._path}: {len(known)} parts of the work are done")
        return whole

    def _write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()
