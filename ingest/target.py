"""The index that a run writes into: its sink, its counts, the vectors it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.images import MADE_OF
from ingest.sinks import IndexSink
from plugin.client import OpenSearch, cluster_errors
from plugin.index import IMAGE_FIELD
from plugin.patience import Patience


@dataclass(frozen=True, slots=True)
class Target:
    """An index with the languages and the vector fields that a run fills, and the patience with its cluster."""

    client: OpenSearch
    index: str
    languages: tuple[str, ...]
    vector_field: str
    patience: Patience
    image_field: str = IMAGE_FIELD

    def sink(self, version: int) -> IndexSink:
        """Return what writes documents of a version."""
        return IndexSink(
            self.client,
            self.index,
            self.languages,
            version=version,
            vector_field=self.vector_field,
            image_field=self.image_field,
            patience=self.patience,
        )

    def uuid(self) -> str:
        """Return what tells the index from one that had its name before."""
        with cluster_errors(f"read the settings of {self.index}"):
            settings = self.client.indices.get_settings(index=self.index)
        return str(next(iter(settings.values()))["settings"]["index"]["uuid"])

    def refresh(self) -> None:
        """Make what was written searchable."""

        def attempt() -> None:
            with cluster_errors(f"refresh {self.index}"):
                self.client.indices.refresh(index=self.index)

        self.patience.call(attempt)

    def count(self) -> int:
        """Return how many documents the index holds."""
        self.refresh()
        with cluster_errors(f"count {self.index}"):
            return int(self.client.count(index=self.index)["count"])

    def vectors(self, ids: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Return the vectors of those documents that have one."""
        found = self._stored(ids, self.vector_field)
        return {key: np.asarray(one[self.vector_field], np.float32) for key, one in found.items()}

    def images(self, ids: Sequence[str]) -> Mapping[str, tuple[str, NDArray[np.float32]]]:
        """Return the image vectors of those documents that have one, each with what it was made of."""
        found = self._stored(ids, self.image_field, MADE_OF)
        return {
            key: (one.get(MADE_OF, ""), np.asarray(one[self.image_field], np.float32)) for key, one in found.items()
        }

    def _stored(self, ids: Sequence[str], field: str, *more: str) -> dict[str, dict[str, Any]]:
        """Return fields of the documents that have the first of them, by id."""

        def attempt() -> dict[str, dict[str, Any]]:
            with cluster_errors(f"read vectors of {self.index}"):
                wanted = {"_source_includes": ",".join((field, *more))}
                found = self.client.mget(body={"ids": list(ids)}, index=self.index, params=wanted)
            return {one["_id"]: one["_source"] for one in found["docs"] if field in one.get("_source", {})}

        return self.patience.call(attempt)
