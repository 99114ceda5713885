"""The one door to opensearch-py: how a client is made, and how its errors become ours."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as UnreachableError
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException, TransportError

from plugin.errors import BusyError, ClusterError, RefusedError
from plugin.stack import read_stack

__all__ = ["BUSY", "OpenSearch", "cluster_errors", "cluster_id", "connect"]

CONNECTIONS = 8
"""Kept open to a node for threads that ask side by side; of the default, one, the others are closed at each answer."""

BUSY = frozenset({429, 502, 503, 504})
"""Statuses of a cluster, or of one item of a bulk request, that may go through later."""


def connect(url: str | None = None, *, timeout_s: float = 60.0) -> OpenSearch:
    """Return a client of the cluster at `url`, else at `$POLYRANK_URL`, else of what `plugin up` started.

    Sends nothing yet. Raises ClusterError when none of the three names a cluster.
    """
    chosen = url or os.environ.get("POLYRANK_URL") or read_stack().url
    if chosen is None:
        raise ClusterError(
            "no node is running: start one with `plugin up`, or name a cluster by --url or $POLYRANK_URL"
        )
    return OpenSearch(chosen, timeout=timeout_s, max_retries=0, pool_maxsize=CONNECTIONS)


@contextmanager
def cluster_errors(doing: str) -> Iterator[None]:
    """Turn what opensearch-py raises inside the block into a ClusterError that begins with `doing`."""
    try:
        yield
    except ConnectionTimeout as error:
        raise BusyError(f"{doing}: the cluster did not answer in time; look at `plugin logs`") from error
    except UnreachableError as error:
        raise BusyError(
            f"{doing}: the cluster cannot be reached; see `plugin status`, start it with `plugin up`, or check --url"
        ) from error
    except TransportError as error:
        status = error.status_code if isinstance(error.status_code, int) else 0
        if status in BUSY:
            raise BusyError(f"{doing}: OpenSearch answered {status}: {_reason(error)}") from error
        raise RefusedError(doing, status, _reason(error)) from error
    except OpenSearchException as error:
        raise ClusterError(f"{doing}: {error}") from error


def cluster_id(client: OpenSearch) -> str:
    """Return what tells this cluster from others, whatever address it is reached by.

    Raises:
        ClusterError: the cluster cannot be reached.
    """
    with cluster_errors("look at the cluster"):
        return str(client.info()["cluster_uuid"])


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
