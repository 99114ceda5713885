"""Every document of an index, read shard by shard in the order of their sequence numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from plugin.client import OpenSearch, cluster_errors


def checkpoints(client: OpenSearch, index: str) -> dict[int, int]:
    """Return shard -> the sequence number up to which its primary has every write; -1 before the first.

    Args:
        client: as `plugin.client.connect` returns.
        index: the name of an index, not an alias.

    Raises:
        ClusterError: the cluster cannot be reached, or has no such index.
    """
    with cluster_errors(f"read the sequence numbers of {index}"):
        shards = client.indices.stats(index=index, params={"level": "shards"})["indices"][index]["shards"]
    return {
        int(number): int(copy["seq_no"]["local_checkpoint"])
        for number, copies in shards.items()
        for copy in copies
        if copy["routing"]["primary"]
    }


def scan_index(
    client: OpenSearch, index: str, since: Mapping[int, int], *, source: bool, size: int = 1000
) -> Iterator[dict[str, Any]]:
    """Give every hit of an index behind a point in its history, as refreshed.

    A document that is written while this goes on moves behind the others and is read again: nothing is missed, and
    no search context is kept open. (With k-NN 3.5.0, once a scroll over an index with vectors has ended, reading whole
    sources of that index fails: its readers of vectors are closed with the scroll.)

    Args:
        client: as `plugin.client.connect` returns.
        index: the name of an index.
        since: shard -> sequence number, as `checkpoints` returns; -1: from the first document.
        source: whether hits bring their `_source`.
        size: hits fetched at a time, 1 to 10,000.

    Raises:
        ClusterError: the cluster cannot be reached or refuses, or a shard does not answer.
    """
    for shard, checkpoint in since.items():
        last = checkpoint
        params = {"search_pipeline": "_none", "preference": f"_shards:{shard}", "allow_partial_search_results": "false"}
        while True:
            query = {"range": {"_seq_no": {"gt": last}}}
            body = {"query": query, "sort": [{"_seq_no": "asc"}], "size": size, "_source": source, "version": True}
            with cluster_errors(f"read {index}"):
                hits = client.search(index=index, body=body, params=params)["hits"]["hits"]
            if not hits:
                break
            yield from hits
            last = hits[-1]["sort"][0]
