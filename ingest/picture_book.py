"""Which version of an image web addresses had when they were last asked: ETag, else Last-Modified. On disk."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import IngestError

SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS pictures (address BLOB PRIMARY KEY, etag TEXT, modified TEXT, asked_s REAL) WITHOUT ROWID;
"""
AT_ONCE = 500
"""Addresses of one query."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a server said of an image, and when (seconds since 1970); both empty where it says neither."""

    etag: str = ""
    modified: str = ""
    asked_s: float = 0.0

    @property
    def stamp(self) -> str:
        """What changes when the image does."""
        return self.etag or self.modified

    def conditions(self) -> dict[str, str]:
        """Return the headers that ask for the image only where it changed."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}


class PictureBook:
    """A SQLite file, opened for each call; several threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, addresses: Sequence[str]) -> dict[str, Version]:
        """Return what is known of addresses; those never asked are left out.

        Raises:
            IngestError: the file cannot be opened, or is none of ours.
        """
        keys = {_key(one): one for one in addresses}
        listed = list(keys)
        found: dict[str, Version] = {}
        with self._open() as database:
            for start in range(0, len(listed), AT_ONCE):
                some = listed[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = database.execute(f"SELECT * FROM pictures WHERE address IN ({marks})", some)
                found |= {keys[key]: Version(*told) for key, *told in rows}
        return found

    def keep(self, versions: Mapping[str, Version]) -> None:
        """Keep what servers said just now.

        Raises:
            IngestError: it cannot be written.
        """
        now = time.time()
        rows = [(_key(address), one.etag, one.modified, now) for address, one in versions.items()]
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", rows)
            database.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30.0)) as database:
                database.executescript(SCHEMA)
                yield database
        except (OSError, sqlite3.Error) as error:
            said = f"cannot keep versions of images in {self._path}: {error}; delete it or free the disk"
            raise IngestError(said) from error


def _key(address: str) -> bytes:
    return hashlib.blake2b(address.encode("utf-8", "surrogatepass"), digest_size=16).digest()
