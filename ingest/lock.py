"""One run at a time for each alias of a cluster."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ingest.errors import LockedError
from rerank.home import polyrank_home


@contextmanager
def locked(alias: str, cluster: str) -> Iterator[None]:
    """Hold the lock of an alias; a process that dies lets go of it.

    The lock is a file below `polyrank_home()`: it keeps apart the runs of one machine, or of machines that share
    that folder. Runs of others are kept apart by versions alone.

    Args:
        alias: the name of the index.
        cluster: as `plugin.client.cluster_id` returns.

    Raises:
        LockedError: another run holds it.
    """
    path = polyrank_home() / "locks" / f"{cluster}.{alias}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".json")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(f"another run{_said(holder)} writes into {alias}; wait until it ends") from error
    try:
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "since": begun}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _said(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {told['pid']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
