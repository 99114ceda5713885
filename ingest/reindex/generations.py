"""The indices of an alias, NAME-000001 upwards: which one is searched, and what each remembers of its making.

What a reindex knows of an index stands in that index's own `_meta.polyrank.reindex`: it is gone when the index is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.errors import ReindexError
from plugin.client import OpenSearch, cluster_errors
from plugin.index import check_alias_name, read_meta

DIGITS = 6
NOTE = "reindex"


@dataclass(frozen=True, slots=True)
class Generations:
    """The indices of an alias in the order of their numbers, and the one behind it."""

    alias: str
    searched: str
    names: tuple[str, ...]

    @property
    def newest(self) -> str:
        """The index with the highest number."""
        return self.names[-1]

    def next_name(self) -> str:
        """Return the name of an index to make beside these."""
        return f"{self.alias}-{int(self.newest.rpartition('-')[2]) + 1:0{DIGITS}}"


def find_generations(client: OpenSearch, alias: str) -> Generations:
    """Return the indices of an alias.

    Raises:
        ReindexError: there is no such alias, or it points at several indices or at one not named NAME-000001.
        ClusterError: the cluster cannot be reached.
    """
    check_alias_name(alias)
    with cluster_errors(f"list the indices of {alias}"):
        behind = sorted(client.indices.get_alias(name=alias, params={"ignore": 404}))
        listed = client.indices.get(index=f"{alias}-*", params={"ignore": 404, "filter_path": "*.aliases"})
    pattern = re.compile(re.escape(alias) + rf"-\d{{{DIGITS}}}")
    names = tuple(sorted(name for name in listed if pattern.fullmatch(name)))
    if {"error", "status"} & set(behind):
        raise ReindexError(f"there is no alias {alias}; `ingest run FEED --index {alias}` makes it and its first index")
    if len(behind) != 1 or behind[0] not in names:
        raise ReindexError(
            f"the alias {alias} points at {', '.join(behind)}; a reindex needs it to point at one index named"
            f" {alias}-000001 or with another number of {DIGITS} digits"
        )
    return Generations(alias, behind[0], names)


def read_note(client: OpenSearch, index: str) -> dict[str, Any]:
    """Return what reindexing has noted of an index; empty when it was not made by one."""
    return dict(read_meta(client, index).get(NOTE, {}))


def write_note(client: OpenSearch, index: str, **changes: Any) -> None:
    """Change what is noted of an index; a None takes a key out."""
    with cluster_errors(f"note the reindex in {index}"):
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        meta: dict[str, Any] = mapping.get("_meta", {})
        ours: Mapping[str, Any] = meta.get("polyrank", {})
        note = {key: value for key, value in {**ours.get(NOTE, {}), **changes}.items() if value is not None}
        client.indices.put_mapping(index=index, body={"_meta": {**meta, "polyrank": {**ours, NOTE: note}}})


def candidate(client: OpenSearch, generations: Generations, index: str | None = None) -> str:
    """Return the index that may take the place of the one searched: the one named, else the newest.

    Raises:
        ReindexError: there is none, or it was not made by `ingest reindex build`.
    """
    chosen = index or generations.newest
    if chosen == generations.searched:
        raise ReindexError(f"{generations.alias} is answered by {chosen} already; `ingest reindex build` makes another")
    if chosen not in generations.names:
        raise ReindexError(f"there is no index {chosen} of {generations.alias}; it has {', '.join(generations.names)}")
    if not read_note(client, chosen):
        raise ReindexError(f"{chosen} was not made by `ingest reindex build`, so nothing is known about it")
    return chosen
