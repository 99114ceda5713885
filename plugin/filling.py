"""A new index while it is filled for the first time: it is refreshed seldom and so makes few segments, which takes a
quarter of a node's time off. What ends a run puts that back; after a kill the next run does."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plugin.client import OpenSearch, cluster_errors
from plugin.errors import ClusterError
from plugin.patience import Patience

log = logging.getLogger("polyrank.cluster")

FILLING = "30000ms"
"""`refresh_interval` of an index that is being filled. Never -1: after a kill it must not stay unsearchable. Nobody
writes half a minute so, which tells it from an interval that a shop has chosen."""


def begin_filling(client: OpenSearch, index: str) -> None:
    """Refresh a new index seldom, until `filling` ends. An interval that a template gives it stays.

    Raises:
        ClusterError: the cluster cannot be reached or refuses.
    """
    if _interval(client, index) is None:
        _set_interval(client, index, FILLING)


@contextmanager
def filling(client: OpenSearch, index: str, patience: Patience) -> Iterator[None]:
    """Refresh an index as is usual again after the block, however it ends, where `begin_filling` has changed that: now,
    or in a run that was killed.

    Raises:
        ClusterError: that cannot be done, or whether it must be cannot be told; when the block itself has failed, that
            is logged, and the next run does it.
    """
    ours = patience.call(lambda: _interval(client, index)) == FILLING
    try:
        yield
    except BaseException:
        if ours:
            try:
                _end(client, index)
            except ClusterError as error:
                log.warning("%s; the next run sets the refresh interval of %s right", error, index)
        raise
    if ours:
        patience.call(lambda: _end(client, index))


def _end(client: OpenSearch, index: str) -> None:
    if _interval(client, index) == FILLING:  # nobody has chosen another meanwhile
        _set_interval(client, index, None)


def _interval(client: OpenSearch, index: str) -> str | None:
    with cluster_errors(f"read the settings of {index}"):
        found: dict[str, Any] = client.indices.get_settings(index=index)
    interval = next(iter(found.values()))["settings"]["index"].get("refresh_interval")
    return None if interval is None else str(interval)


def _set_interval(client: OpenSearch, index: str, interval: str | None) -> None:
    with cluster_errors(f"change the settings of {index}"):
        client.indices.put_settings(index=index, body={"index": {"refresh_interval": interval}})
