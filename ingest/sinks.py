"""Where documents go. A sink overwrites a document of the same id, so writing twice is writing once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from ingest.document import Document
from plugin.client import OpenSearch, bulk_index


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document; `reason` says why it failed."""

    result: Literal["created", "updated", "failed"]
    reason: str = ""


@runtime_checkable
class Sink(Protocol):
    """Takes documents."""

    def write(self, documents: Sequence[Document]) -> list[Outcome]:
        """Write documents of distinct ids; return as many outcomes, in the same order."""
        ...


class ListSink:
    """Keeps documents in memory, by id."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def write(self, documents: Sequence[Document]) -> list[Outcome]:
        """Keep the documents."""
        outcomes = [Outcome("updated" if one.id in self.documents else "created") for one in documents]
        self.documents |= {document.id: document for document in documents}
        return outcomes


class IndexSink:
    """Writes into an OpenSearch index."""

    def __init__(self, client: OpenSearch, index: str, languages: Sequence[str]) -> None:
        """Write to `index`, whose mapping serves `languages`."""
        self._client = client
        self._index = index
        self._languages = tuple(languages)

    def write(self, documents: Sequence[Document]) -> list[Outcome]:
        """Index the documents in one bulk request, waiting and trying again while the cluster is too busy.

        Raises:
            ClusterError: the cluster cannot be reached or refuses the whole request.
        """
        sources = {document.id: document.source(self._languages) for document in documents}
        results = bulk_index(self._client, self._index, sources)
        return [
            Outcome("failed", result.reason) if result.reason else Outcome("created" if result.created else "updated")
            for result in (results[document.id] for document in documents)
        ]
