"""Translations that outlive a run: what did not change, and was made by the same version of the engine, is not asked
for again."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ingest.errors import IngestError
from rerank.protocols import Translation

SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS translations (key BLOB PRIMARY KEY, translator TEXT, version TEXT, made TEXT, engine TEXT,
  confidence REAL) WITHOUT ROWID;
"""
AT_ONCE = 500
"""Keys of one query."""

Wanted = tuple[str, str, str, tuple[str, ...]]
"""Source and target language, text, and the names in it that are protected."""


class TranslationStore:
    """A SQLite file of one translator's work. For one thread at a time; two processes may share it."""

    def __init__(self, path: Path, translator: str, version: str) -> None:
        """Open or make the file; translations of other versions of the translator are forgotten.

        Raises:
            IngestError: the file cannot be opened, or is none of ours.
        """
        self._path = path
        self._translator, self._version = translator, version
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
            self._database.executescript(SCHEMA)
            self._database.execute("DELETE FROM translations WHERE translator=? AND version<>?", (translator, version))
        except (OSError, sqlite3.Error) as error:
            raise IngestError(f"cannot keep translations in {path}: {error}; delete it or free the disk") from error

    def find(self, wanted: Sequence[Wanted]) -> dict[Wanted, Translation]:
        """Return the translations that are there."""
        keys = {self._key(one): one for one in wanted}
        found: dict[Wanted, Translation] = {}
        listed = list(keys)
        for place in range(0, len(listed), AT_ONCE):
            some = listed[place : place + AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(
                f"SELECT key, made, engine, confidence FROM translations WHERE key IN ({marks})", some
            )
            found |= {keys[key]: Translation(made, engine, confidence) for key, made, engine, confidence in rows}
        return found

    def add(self, made: Mapping[Wanted, Translation]) -> None:
        """Keep translations; on the disk when this returns.

        Raises:
            IngestError: they cannot be written.
        """
        rows: Iterable[tuple[object, ...]] = (
            (self._key(one), self._translator, self._version, found.text, found.engine, found.confidence)
            for one, found in made.items()
        )
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO translations VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise IngestError(f"cannot keep translations in {self._path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _key(self, wanted: Wanted) -> bytes:
        source, target, text, names = wanted
        state = "\x00".join((self._translator, self._version, source, target, *names, text))
        return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()[:16]


def text_hash(text: str) -> str:
    """Return what provenance says of a source text: changed text, changed hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
