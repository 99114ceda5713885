"""Records, their keys and their clusters on disk: memory stays flat however many there are. For one
thread at a time."""

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


class FusionStore:
    """A private temporary database, gone when closed. Bodies are pickles that this process alone writes and reads."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "": SQLite deletes it
        self._database.executescript(SCHEMA)
        self._last = 0
        self.crowded = 0

    def add(self, records: Iterable[tuple[Document, Traits, Sequence[str]]]) -> None:
        """Add records with their keys; of two with one source and id the later one stands."""
        rows, keyed = [], []
        for document, traits, keys in records:
            self._last += 1
            body = (pickle.dumps(document), pickle.dumps(traits))
            rows.append((self._last, traits.source, document.id, self._last, *body))
            keyed += [(key, self._last) for key in keys]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keyed)
        self._database.execute("COMMIT")

    @property
    def replaced(self) -> int:
        """How many records had the source and id of an earlier one."""
        return self._last - int(self._database.execute("SELECT COUNT(*) FROM records").fetchone()[0])

    def candidates(self) -> Iterator[tuple[int, Traits, int, Traits]]:
        """Give the pairs of records of different sources that share a key, with their traits."""
        cursor = self._database.cursor()
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
        joined = "candidates JOIN records AS a ON a.record = one JOIN records AS b ON b.record = other"
        for one, left, other, right in cursor.execute(f"SELECT one, a.traits, other, b.traits FROM {joined}"):
            yield one, pickle.loads(left), other, pickle.loads(right)

    def add_pair(self, one: int, other: int, evidence: str, score: float) -> None:
        """Keep a match. Pairs of one score are ordered by source and id, whatever order the records came in."""
        names = self._database.execute(
            "SELECT source || ' ' || id FROM records WHERE record IN (?, ?) ORDER BY 1", (one, other)
        ).fetchall()
        row = (score, evidence, one, other, "\n".join(name for (name,) in names))
        self._database.execute("INSERT INTO pairs VALUES (?, ?, ?, ?, ?)", row)

    def pairs(self) -> Iterator[tuple[int, int, str, float]]:
        """Give the matches with evidence and score, the best first."""
        cursor = self._database.cursor()
        yield from cursor.execute("SELECT one, other, evidence, score FROM pairs ORDER BY score DESC, names")

    def rivals(self, one: int, other: int, score: float) -> list[int]:
        """Return the clusters that match record `one` at least as well as `other` does and are of its source."""
        rows = self._database.execute(
            """SELECT DISTINCT rival.cluster FROM pairs
               JOIN records AS rival ON rival.record = CASE WHEN pairs.one = ? THEN pairs.other ELSE pairs.one END
               JOIN records AS chosen ON chosen.record = ?
               WHERE (pairs.one = ? OR pairs.other = ?) AND score >= ? AND rival.source = chosen.source
               AND rival.record <> chosen.record""",
            (one, other, one, one, score),
        )
        return [cluster for (cluster,) in rows]

    def cluster(self, record: int) -> int:
        """Return the cluster of a record."""
        row = self._database.execute("SELECT cluster FROM records WHERE record=?", (record,)).fetchone()
        return int(row[0])

    def members(self, cluster: int) -> list[Traits]:
        """Return the traits of a cluster's records."""
        rows = self._database.execute("SELECT traits FROM records WHERE cluster=?", (cluster,))
        return [pickle.loads(traits) for (traits,) in rows]

    def index_clusters(self) -> None:
        """Prepare for matching; to be called once, when all records are there."""
        self._database.execute("CREATE INDEX clusters ON records (cluster)")
        self._database.execute("CREATE INDEX others ON pairs (other)")
        self._database.execute("CREATE INDEX ids ON records (id)")
        self._database.execute("BEGIN")  # one for all that follows: a transaction a match took a third of the time

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
