"""Which document ids a run has met, on disk: memory stays flat however long the feed is."""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

MANY = 10_000
MANY_ROWS = 1000
"""SQLite takes 32,766 values a statement."""


def insert_rows(database: sqlite3.Connection, insert: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows, all of one length, by as few statements as may be; return how many went in. `executemany` lets go
    of Python's lock at each row, and waits for it again while other threads are busy."""
    new = 0
    for start in range(0, len(rows), MANY_ROWS):
        part = rows[start : start + MANY_ROWS]
        marks = f"({','.join('?' * len(part[0]))})"
        new += database.execute(f"{insert} VALUES {','.join([marks] * len(part))}", [*chain(*part)]).rowcount
    return new


class SeenIds:
    """A set of ids in a private temporary database, gone when closed. For one thread at a time."""

    def __init__(self) -> None:
        # "" is a file that SQLite deletes.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, ids: Iterable[str]) -> int:
        """Add ids; return how many of them were there already."""
        given = [(one,) for one in ids]
        self._database.execute("BEGIN")
        new = insert_rows(self._database, "INSERT OR IGNORE INTO seen", given)
        self._database.execute("COMMIT")
        return len(given) - new

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are not there, in order."""
        found: set[str] = set()
        for start in range(0, len(ids), MANY):
            part = ids[start : start + MANY]
            marks = ",".join("?" * len(part))
            found.update(row[0] for row in self._database.execute(f"SELECT id FROM seen WHERE id IN ({marks})", part))
        return [one for one in ids if one not in found]

    def close(self) -> None:
        """Forget all."""
        self._database.close()
