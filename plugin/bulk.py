"""Bulk writing that survives a busy or restarting cluster: what is refused for now is sent again, what is refused for
good is told item by item, and an older version never replaces a newer one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from plugin.client import BUSY, OpenSearch, cluster_errors
from plugin.errors import BusyError, RefusedError
from plugin.patience import Patience

MAX_BODY_BYTES = 8 << 20
"""A request's limit; OpenSearch refuses bodies over 100 MB and works best with a few."""

STALE = 409
GONE = 404
MISSHAPEN = frozenset({400, 413})

Result = Literal["created", "updated", "deleted", "stale", "failed"]


class BulkAction(msgspec.Struct, frozen=True, gc=False):
    """Write `source` (bytes: as JSON in one line) under `id`, or delete what is there where it is None.

    `version` is the document's version afterwards; one that the index has a newer version of stays as it is. None:
    the index counts versions itself.
    """

    id: str
    source: Mapping[str, Any] | bytes | None
    version: int | None = None

    def line(self) -> bytes:
        """Return its lines of a bulk body."""
        meta = b'{"_id":%b' % encode_json(self.id)
        if self.version is not None:
            meta = b'%b,"version":%d,"version_type":"external_gte"' % (meta, self.version)
        if self.source is None:
            return b'{"delete":%b}}\n' % meta
        body = self.source if isinstance(self.source, bytes) else encode_json(self.source)
        return b'{"index":%b}}\n%b\n' % (meta, body)


class BulkResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one action; `reason` says why it failed. `stale`: the index holds a newer version."""

    result: Result
    reason: str = ""


class BulkWriter:
    """Writes actions into one index. Requests get smaller while the cluster is too busy, and grow again after."""

    def __init__(self, client: OpenSearch, index: str, patience: Patience | None = None) -> None:
        """`index`: an index, or an alias with one write index."""
        self._client = client
        self._index = index
        self.patience = patience or Patience()
        self._limit = MAX_BODY_BYTES

    def write(self, actions: Sequence[BulkAction]) -> list[BulkResult]:
        """Carry out actions of distinct ids; return as many results, in the same order.

        All results but `failed` are acknowledged: they are in the index's translog on every copy.

        Raises:
            ClusterError: the cluster cannot be reached or is too busy for longer than the patience, or refuses the
                request as a whole for another reason than an action in it.
        """
        lines = [action.line() for action in actions]
        results: list[BulkResult | None] = [None] * len(actions)
        waiting = list(range(len(actions)))
        while waiting:
            part = self._next_part(waiting, lines)
            again = self._send(part, lines, results)
            waiting = again + waiting[len(part) :]
        return [result for result in results if result is not None]

    def _next_part(self, waiting: Sequence[int], lines: Sequence[bytes]) -> list[int]:
        size = 0
        part: list[int] = []
        for place in waiting:
            size += len(lines[place])
            if part and size > self._limit:
                break
            part.append(place)
        return part

    def _send(self, part: list[int], lines: Sequence[bytes], results: list[BulkResult | None]) -> list[int]:
        """Send some actions in one request; note results, return the places to send again."""
        body = b"".join(lines[place] for place in part)
        try:
            items = self._request(body)
        except BusyError as error:
            self._slow_down(len(body))
            self.patience.wait(error)
            return part
        except RefusedError as error:
            if error.status not in MISSHAPEN:
                raise
            if len(part) == 1:
                results[part[0]] = BulkResult("failed", error.reason)
                return []
            half = len(part) // 2  # the action that spoils the request is in one of the halves
            return self._send(part[:half], lines, results) + self._send(part[half:], lines, results)
        again: list[int] = []
        busy = ""
        for place, (action, item) in zip(part, items, strict=True):
            status = int(item.get("status", 0))
            if status in BUSY:
                again.append(place)
                busy = item_reason(item)
            else:
                results[place] = WRITTEN.get((action, status)) or _result(action, status, item)
        if len(again) < len(part):
            self.patience.succeeded()
        if again:
            self._slow_down(len(body))
            self.patience.wait(BusyError(f"{self._index} is too busy for {len(again)} of {len(part)}: {busy}"))
        else:
            self._limit = min(MAX_BODY_BYTES, self._limit * 2)
        return again

    def _request(self, body: bytes) -> list[tuple[str, Mapping[str, Any]]]:
        """Return each action's name with what the cluster says of it."""
        with cluster_errors(f"write into {self._index}"):
            answer = self._client.bulk(
                body=body, index=self._index, params={"filter_path": "items.*.status,items.*.error"}
            )
        return [action for item in answer["items"] for action in item.items()]

    def _slow_down(self, sent: int) -> None:
        self._limit = max(64 << 10, min(self._limit, sent) // 2)


def item_reason(answer: Mapping[str, Any]) -> str:
    """Return the reason an item gives, its cause last, in one line."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return f"refused with status {answer.get('status')}: {error}"
    cause = error.get("caused_by", {}).get("reason")
    return f"{error.get('reason')}" + (f": {cause}" if cause else "")


WRITTEN = {("index", 201): BulkResult("created"), ("index", 200): BulkResult("updated")}
"""What nearly all come to."""


def _result(action: str, status: int, item: Mapping[str, Any]) -> BulkResult:
    if status == STALE:
        return BulkResult("stale")
    if status >= 300 and not (status == GONE and action == "delete" and "error" not in item):
        return BulkResult("failed", item_reason(item))
    if action == "delete":
        return BulkResult("deleted")
    return BulkResult("created" if status == 201 else "updated")


def encode_json(value: Any) -> bytes:
    """Return a value as JSON; what JSON does not know becomes text."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError, OverflowError, ValueError):
        # Lone surrogates and numbers of more than 64 bits: a record may hold them.
        return json.dumps(value, default=str).encode()
