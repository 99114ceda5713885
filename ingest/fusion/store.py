"""Records, their keys and their clusters on disk: memory stays flat however many there are. For one thread."""

import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from ingest.document import Document
from ingest.fusion.traits import Traits

MAX_BUCKET = 200
"""Records with one key that are compared pair by pair; a key of more says nothing (a title of two common words)."""

SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;
CREATE TABLE records (record INTEGER PRIMARY KEY, source TEXT, id TEXT, cluster INTEGER, body BLOB, traits BLOB,
  UNIQUE (source, id));
CREATE TABLE keys (key TEXT, record INTEGER, PRIMARY KEY (key, record)) WITHOUT ROWID;
CREATE TABLE candidates (one INTEGER, other INTEGER, PRIMARY KEY (one, other)) WITHOUT ROWID;
CREATE TABLE pairs (score REAL, evidence TEXT, one INTEGER, other INTEGER, names TEXT, PRIMARY KEY (one, other))
  WITHOUT ROWID;
"""

Pair = tuple[int, int, str]
"""Two records and by what they match."""


class FusionStore:
    """A private temporary database, gone when closed. Bodies are pickles that this process alone writes and reads."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # "" is a file that SQLite deletes
        self._database.executescript(SCHEMA)
        self._last = 0
        self.replaced = 0
        self.crowded = 0

    def add(self, records: Iterable[tuple[Document, Traits, Sequence[str]]]) -> None:
        """Add records with their keys; of two with one source and id the later one stands."""
        execute = self._database.execute
        execute("BEGIN")
        for document, traits, keys in records:
            old = execute("SELECT record FROM records WHERE source=? AND id=?", (traits.source, document.id)).fetchone()
            if old:
                self.replaced += 1
                execute("DELETE FROM records WHERE record=?", old)
            self._last += 1
            body = (pickle.dumps(document), pickle.dumps(traits))
            execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)",
                (self._last, traits.source, document.id, self._last, *body),
            )
            self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", [(key, self._last) for key in keys])
        execute("COMMIT")

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Give the pairs of records of different sources that share a key, ordered by the first record."""
        cursor = self._database.cursor()
        cursor.execute("BEGIN")
        rows = self._database.execute(
            "SELECT key, record, source FROM keys JOIN records USING (record) ORDER BY key, record"
        )
        for _, group in groupby(rows, key=lambda row: row[0]):
            bucket = list(islice(group, MAX_BUCKET + 1))
            if len(bucket) > MAX_BUCKET:
                self.crowded += 1
                continue
            for place, (_, one, source) in enumerate(bucket):
                pairs = [(one, other) for _, other, its in bucket[place + 1 :] if its != source]
                cursor.executemany("INSERT OR IGNORE INTO candidates VALUES (?, ?)", pairs)
        cursor.execute("COMMIT")
        yield from cursor.execute("SELECT one, other FROM candidates ORDER BY one, other")

    def traits(self, record: int) -> Traits:
        """Return a record's traits."""
        row = self._database.execute("SELECT traits FROM records WHERE record=?", (record,)).fetchone()
        found: Traits = pickle.loads(row[0])
        return found

    def add_pair(self, one: int, other: int, evidence: str, score: float) -> None:
        """Keep a match. Pairs of one score are ordered by source and id, whatever order the records came in."""
        names = self._database.execute(
            "SELECT source || ' ' || id FROM records WHERE record IN (?, ?) ORDER BY 1", (one, other)
        ).fetchall()
        row = (score, evidence, one, other, "\n".join(name for (name,) in names))
        self._database.execute("INSERT INTO pairs VALUES (?, ?, ?, ?, ?)", row)

    def pairs(self) -> Iterator[Pair]:
        """Give the matches, the best first."""
        cursor = self._database.cursor()
        yield from cursor.execute("SELECT one, other, evidence FROM pairs ORDER BY score DESC, names")

    def cluster(self, record: int) -> int:
        """Return the cluster of a record."""
        row = self._database.execute("SELECT cluster FROM records WHERE record=?", (record,)).fetchone()
        return int(row[0])

    def members(self, cluster: int) -> list[tuple[int, Traits]]:
        """Return the records of a cluster with their traits."""
        rows = self._database.execute("SELECT record, traits FROM records WHERE cluster=?", (cluster,))
        return [(record, pickle.loads(traits)) for record, traits in rows]

    def index_clusters(self) -> None:
        """Prepare `members`; to be called once all records are there."""
        self._database.execute("CREATE INDEX clusters ON records (cluster)")
        self._database.execute("CREATE INDEX ids ON records (id)")

    def join(self, one: int, other: int) -> None:
        """Make two clusters one."""
        self._database.execute("UPDATE records SET cluster=? WHERE cluster=?", (min(one, other), max(one, other)))

    def clusters(self) -> Iterator[list[Document]]:
        """Give the documents of each cluster."""
        cursor = self._database.cursor()
        rows = cursor.execute("SELECT cluster, body FROM records ORDER BY cluster, source, id")
        for _, group in groupby(rows, key=lambda row: row[0]):
            yield [pickle.loads(body) for _, body in group]

    def sources_with(self, doc_id: str) -> list[str]:
        """Return the sources that have a record of an id."""
        rows = self._database.execute("SELECT source FROM records WHERE id=? ORDER BY source", (doc_id,))
        return [source for (source,) in rows]

    def close(self) -> None:
        """Forget all."""
        self._database.close()
