"""Which document ids a run has met, on disk: memory stays flat however long the feed is."""

import sqlite3
from collections.abc import Iterable


class SeenIds:
    """A set of ids in a private temporary database, gone when closed. For one thread."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a file that SQLite deletes
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, ids: Iterable[str]) -> int:
        """Add ids; return how many of them were there already."""
        given = [(one,) for one in ids]
        self._database.execute("BEGIN")
        new = self._database.executemany("INSERT OR IGNORE INTO seen VALUES (?)", given).rowcount
        self._database.execute("COMMIT")
        return len(given) - max(new, 0)

    def close(self) -> None:
        """Forget all."""
        self._database.close()
