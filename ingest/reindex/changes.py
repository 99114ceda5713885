"""What was written to the old index while the new one was built, brought over: the catch-up.

When a build begins it notes how far each shard of the old index has come (its local checkpoint of sequence numbers) and
which ids it holds. Whatever has a higher sequence number later was written meanwhile; an id that is gone was deleted
meanwhile. Both go into the new index and the notes move on, so a catch-up can be repeated and the last one is short.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ingest.errors import ReindexError
from ingest.reindex.generations import read_note, write_note
from ingest.reindex.stored import Conversion
from ingest.state import IndexState, state_path
from plugin.client import OpenSearch, cluster_errors
from plugin.scan import checkpoints, scan_index
from rerank.home import polyrank_home

CHUNK = 500


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What a catch-up brought over; `refused` counts documents that the new index did not take, `reason` says why."""

    written: int
    deleted: int
    refused: int = 0
    reason: str = ""


def note_start(client: OpenSearch, old: str, new: str) -> None:
    """Note where the old index stands, before the new one is filled.

    Raises:
        ClusterError: the cluster cannot be reached.
    """
    write_note(client, new, replaces=old, checkpoints=checkpoints(client, old))
    with closing(_database(new, fresh=True)) as database:
        _remember(database, client, old, "ids")


def catch_up(client: OpenSearch, old: str, new: str, conversion: Conversion) -> CaughtUp:
    """Bring over what was written to `old` since the build began or since the last catch-up; refreshes both.

    Args:
        client: as `plugin.client.connect` returns.
        old: the index that `new` was built beside.
        new: the new index.
        conversion: makes documents of `new` from those of `old`.

    Raises:
        ReindexError: the ids of the start are not on this machine.
        ClusterError: the cluster cannot be reached or refuses.
    """
    since: Mapping[str, int] = read_note(client, new).get("checkpoints", {})
    upto = checkpoints(client, old)  # before reading: what comes meanwhile is read twice rather than never
    with cluster_errors(f"refresh {old}"):
        client.indices.refresh(index=old)
    with closing(_database(new)) as database:
        written, reasons = 0, []
        for sources in _changed(client, old, since):
            _distrust(client, new, list(sources))
            failed = _write(client, new, conversion.convert(sources))
            written += len(sources) - len(failed)
            reasons += failed
        deleted = _delete_gone(client, old, new, database)
    if not reasons:  # otherwise they are tried again
        write_note(client, new, checkpoints=upto)
    with cluster_errors(f"refresh {new}"):
        client.indices.refresh(index=new)
    return CaughtUp(written, deleted, len(reasons), reasons[0] if reasons else "")


def written_since(client: OpenSearch, index: str, since: Mapping[str, int]) -> int:
    """Return how many documents of an index have a later sequence number than that of their shard in `since`."""
    return sum(1 for _ in scan_index(client, index, by_shard(since), source=False))


def forget(index: str) -> None:
    """Remove what is kept on this machine of an index's build."""
    _path(index).unlink(missing_ok=True)


def by_shard(noted: Mapping[str, int]) -> dict[int, int]:
    """Return checkpoints as they were before JSON made their keys texts."""
    return {int(shard): checkpoint for shard, checkpoint in noted.items()}


def _changed(client: OpenSearch, old: str, since: Mapping[str, int]) -> Iterator[dict[str, dict[str, Any]]]:
    """Give the documents written since, some at a time: id -> source."""
    hits = scan_index(client, old, by_shard(since), source=True, size=CHUNK)
    while chunk := list(islice(hits, CHUNK)):
        yield {hit["_id"]: hit["_source"] for hit in chunk}


def _delete_gone(client: OpenSearch, old: str, new: str, database: sqlite3.Connection) -> int:
    """Delete from `new` what `old` has lost since the ids were remembered; remember its ids of now."""
    _remember(database, client, old, "now")
    gone = (row[0] for row in database.execute("SELECT id FROM ids EXCEPT SELECT id FROM now"))
    deleted = _delete(client, new, gone)
    with database:
        database.execute("DROP TABLE ids")
        database.execute("ALTER TABLE now RENAME TO ids")
    return deleted


def _delete(client: OpenSearch, index: str, ids: Iterable[str]) -> int:
    deleted = 0
    left = iter(ids)
    while chunk := list(islice(left, CHUNK)):
        _distrust(client, index, chunk)
        items = _bulk(client, index, [{"delete": {"_id": doc_id}} for doc_id in chunk])
        deleted += sum(item.get("result") == "deleted" for item in items)
    return deleted


def _distrust(client: OpenSearch, index: str, ids: Sequence[str]) -> None:
    """Let the next run write documents again, because what runs remember of them is no longer what the index holds."""
    with cluster_errors(f"read the settings of {index}"):
        uuid = client.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"]
    with closing(IndexState(state_path(index.rpartition("-")[0], uuid))) as state:
        known = state.known(ids)
        state.keep({doc_id: replace(one, content=None, vector=None) for doc_id, one in known.items()})


def _write(client: OpenSearch, index: str, sources: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write documents whatever version of them is there; return why those failed that did."""
    lines: list[Mapping[str, Any]] = []
    for doc_id, source in sources.items():
        lines += [{"index": {"_id": doc_id}}, source]
    items = _bulk(client, index, lines)
    return [str(item["error"].get("reason")) for item in items if "error" in item]


def _bulk(client: OpenSearch, index: str, lines: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    with cluster_errors(f"write into {index}"):
        answer = client.bulk(index=index, body=lines)
    return [result for item in answer["items"] for result in item.values()]


def _remember(database: sqlite3.Connection, client: OpenSearch, index: str, table: str) -> None:
    with cluster_errors(f"refresh {index}"):
        client.indices.refresh(index=index)
    with database:
        database.execute(f"DROP TABLE IF EXISTS {table}")
        database.execute(f"CREATE TABLE {table} (id TEXT PRIMARY KEY) WITHOUT ROWID")
        start = dict.fromkeys(checkpoints(client, index), -1)
        everything = scan_index(client, index, start, source=False, size=5000)
        rows = ((hit["_id"],) for hit in everything)
        database.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?)", rows)


def _database(index: str, *, fresh: bool = False) -> sqlite3.Connection:
    path = _path(index)
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    elif not path.is_file():
        raise ReindexError(
            f"{path} is missing, which says what the old index held when the build of {index} began;"
            f" run this where `ingest reindex build` ran, with the same POLYRANK_HOME"
        )
    return sqlite3.connect(path)


def _path(index: str) -> Path:
    return polyrank_home() / "reindex" / f"{index}.sqlite"
