"""The one door to opensearch-py: how a client is made, and how its errors become ours."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as UnreachableError
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException, TransportError
from opensearchpy.helpers import streaming_bulk

from plugin.errors import ClusterError
from plugin.stack import read_stack

__all__ = ["BulkResult", "OpenSearch", "bulk_index", "cluster_errors", "connect"]

BULK_RETRIES = 8
"""Waits of 1, 2, 4 ... 30 s while the cluster answers 429: about two minutes."""


def connect(url: str | None = None, *, timeout_s: float = 60.0) -> OpenSearch:
    """Return a client of the cluster at `url`, else at `$POLYRANK_URL`, else of what `plugin up` started.

    Sends nothing yet. Raises ClusterError when none of the three names a cluster.
    """
    chosen = url or os.environ.get("POLYRANK_URL") or read_stack().url
    if chosen is None:
        raise ClusterError(
            "no node is running: start one with `plugin up`, or name a cluster by --url or $POLYRANK_URL"
        )
    return OpenSearch(chosen, timeout=timeout_s, max_retries=0)


@contextmanager
def cluster_errors(doing: str) -> Iterator[None]:
    """Turn what opensearch-py raises inside the block into a ClusterError that begins with `doing`."""
    try:
        yield
    except ConnectionTimeout as error:
        raise ClusterError(f"{doing}: the cluster did not answer in time; look at `plugin logs`") from error
    except UnreachableError as error:
        raise ClusterError(
            f"{doing}: the cluster cannot be reached; see `plugin status`, start it with `plugin up`, or check --url"
        ) from error
    except TransportError as error:
        raise ClusterError(f"{doing}: OpenSearch answered {error.status_code}: {_reason(error)}") from error
    except OpenSearchException as error:
        raise ClusterError(f"{doing}: {error}") from error


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one document of a bulk request; `reason` is empty unless it failed."""

    created: bool
    reason: str = ""


def bulk_index(client: OpenSearch, index: str, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, BulkResult]:
    """Index documents by id, replacing those that are there; wait and try again where the cluster is too busy.

    One document that is refused does not keep the others out.

    Args:
        client: as `connect` returns.
        index: index or alias with one write index.
        sources: document id to its source.

    Raises:
        ClusterError: the cluster cannot be reached, or refuses the whole request.
    """
    actions = ({"_op_type": "index", "_index": index, "_id": key, "_source": source} for key, source in sources.items())
    results: dict[str, BulkResult] = {}
    with cluster_errors(f"index into {index}"):
        for done, item in streaming_bulk(
            client,
            actions,
            chunk_size=max(len(sources), 1),
            raise_on_error=False,
            max_retries=BULK_RETRIES,
            initial_backoff=1,
            max_backoff=30,
        ):
            answer = item["index"]
            reason = "" if done else _item_reason(answer)
            results[answer["_id"]] = BulkResult(answer.get("result") == "created", reason)
    return results


def _item_reason(answer: Mapping[str, Any]) -> str:
    """The reason an item gives, its cause last, in one line."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return f"refused with status {answer.get('status')}: {error}"
    cause = error.get("caused_by", {}).get("reason")
    return f"{error.get('reason')}" + (f": {cause}" if cause else "")


def _reason(error: TransportError) -> str:
    """The words of the innermost cause that has any, as OpenSearch gives them."""
    info: Any = error.info
    if not isinstance(info, dict):
        return str(info or error.error)
    cause: Any = info.get("error", info)
    if not isinstance(cause, dict):
        return str(cause)
    reasons = [str(cause.get("reason") or json.dumps(cause))]
    for inner in [*cause.get("root_cause", []), *[f.get("reason") for f in cause.get("failed_shards", [])]]:
        if isinstance(inner, dict) and inner.get("reason") and str(inner["reason"]) not in reasons:
            reasons.append(str(inner["reason"]))
    return "; ".join(reasons[:3])
