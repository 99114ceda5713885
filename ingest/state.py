"""What the last runs wrote into an index, on disk: versions, hashes and owners of documents, bookmarks of feeds.

A row is written after the index has acknowledged what it says, never before. A kill therefore costs work that is done
again, and no document. Losing the file costs a whole run, and no document either.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ingest.errors import IngestError
from ingest.seen import MANY, insert_rows
from rerank.home import polyrank_home

SCHEMA = 1
TABLES = """
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, content BLOB, vector BLOB, feed INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feeds (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, bookmark TEXT);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


class Known(msgspec.Struct, frozen=True, gc=False):
    """A document as it was last written: its version, hashes of what went in (None: not to be relied on) and of what
    was embedded, the feed it is from, and whether it was deleted since."""

    version: int
    content: bytes | None
    vector: bytes | None
    feed: str
    deleted: bool = False


class IndexState:
    """The state of one index; may be used from several threads."""

    def __init__(self, path: Path | None, *, copy: bool = False) -> None:
        """Open or make the file; `path` None: a private one, gone when closed. `copy`: work on a private copy of it.

        Raises:
            IngestError: it cannot be opened, or a newer polyrank wrote it.
        """
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        try:
            if path is not None and not copy:
                path.parent.mkdir(parents=True, exist_ok=True)
            own = "" if copy else path or ""
            self._database = sqlite3.connect(own, isolation_level=None, check_same_thread=False)
            if copy and path is not None and path.is_file():
                with closing(sqlite3.connect(path)) as origin:
                    origin.backup(self._database)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(TABLES)
            if int(self._fact("schema", SCHEMA)) > SCHEMA:
                raise IngestError(f"a newer polyrank wrote {path}; update this one, or delete the file")
            self._set_fact("schema", SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise IngestError(f"cannot use the state of earlier runs in {path}: {error}") from error

    def next_version(self, now_ms: int) -> int:
        """Return the version of a new run: the time, and above all versions of earlier runs."""
        with self._writing():
            version = max(now_ms, int(self._fact("version", 0)) + 1)
            self._set_fact("version", version)
        return version

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Return what is known of ids; those never written are left out."""
        found: dict[str, Known] = {}
        with self._lock:
            for start in range(0, len(ids), MANY):
                part = ids[start : start + MANY]
                marks = ",".join("?" * len(part))
                rows = self._database.execute(
                    "SELECT d.id, version, content, vector, name, deleted FROM documents d JOIN feeds f"
                    f" ON f.id = d.feed WHERE d.id IN ({marks})",
                    part,
                )
                found |= {row[0]: Known(row[1], row[2], row[3], row[4], bool(row[5])) for row in rows}
        return found

    def keep(self, written: Mapping[str, Known]) -> None:
        """Keep what the index has acknowledged."""
        with self._writing():
            rows = [
                (key, one.version, one.content, one.vector, self._number(one.feed), one.deleted)
                for key, one in written.items()
            ]
            insert_rows(self._database, "INSERT OR REPLACE INTO documents", rows)

    def move(self, ids: Iterable[str], feed: str) -> None:
        """Say that unchanged documents are from another feed now."""
        with self._writing():
            number = self._number(feed)
            self._database.executemany("UPDATE documents SET feed = ? WHERE id = ?", [(number, one) for one in ids])

    def distrust(self) -> None:
        """Forget what documents hold, so that each is written again, and how far feeds were read."""
        with self._writing():
            self._database.execute("UPDATE documents SET content = NULL, vector = NULL")
            self._database.execute("UPDATE feeds SET bookmark = NULL")

    def count(self, feed: str | None = None) -> int:
        """Return how many documents the index should hold, of one feed or of all."""
        with self._lock:
            if feed is None:
                row = self._database.execute("SELECT count(*) FROM documents WHERE NOT deleted").fetchone()
            else:
                row = self._database.execute(
                    "SELECT count(*) FROM documents WHERE NOT deleted AND feed = (SELECT id FROM feeds WHERE name = ?)",
                    (feed,),
                ).fetchone()
        return int(row[0])

    def ids(self, feed: str | None = None) -> Iterator[list[str]]:
        """Give the ids that `count` counts, in order, up to `MANY` at a time; rows may be changed meanwhile."""
        last = ""
        where = "" if feed is None else "AND feed = (SELECT id FROM feeds WHERE name = ?)"
        while True:
            with self._lock:
                rows = self._database.execute(
                    f"SELECT id FROM documents WHERE id > ? AND NOT deleted {where} ORDER BY id LIMIT {MANY}",
                    (last,) if feed is None else (last, feed),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [row[0] for row in rows]

    def bookmark(self, feed: str) -> dict[str, Any]:
        """Return what was kept for a feed; empty when nothing was."""
        with self._lock:
            row = self._database.execute("SELECT bookmark FROM feeds WHERE name = ?", (feed,)).fetchone()
        value = json.loads(row[0]) if row and row[0] else {}
        return value if isinstance(value, dict) else {}

    def keep_bookmarks(self, bookmarks: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep how far feeds were read, all at once."""
        with self._writing():
            for feed, bookmark in bookmarks.items():
                number = self._number(feed)
                self._database.execute("UPDATE feeds SET bookmark = ? WHERE id = ?", (json.dumps(bookmark), number))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _number(self, feed: str) -> int:
        if feed not in self._numbers:
            self._database.execute("INSERT OR IGNORE INTO feeds (name) VALUES (?)", (feed,))
            row = self._database.execute("SELECT id FROM feeds WHERE name = ?", (feed,)).fetchone()
            self._numbers[feed] = int(row[0])
        return self._numbers[feed]

    def _fact(self, name: str, default: int) -> int:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else default

    def _set_fact(self, name: str, value: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                self._numbers.clear()
                raise
            self._database.execute("COMMIT")


def state_path(alias: str, uuid: str) -> Path:
    """Return where the state of an index is kept; `uuid` is the index's own, so a new index begins anew."""
    return polyrank_home() / "state" / alias / f"{uuid}.sqlite"
