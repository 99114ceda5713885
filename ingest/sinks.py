"""Where documents go. A sink overwrites a document of the same id, so writing twice is writing once."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from ingest.document import Document
from ingest.state import IndexState
from plugin.bulk import BulkAction, BulkResult, BulkWriter, Result
from plugin.client import OpenSearch
from plugin.index import IMAGE_FIELD, VECTOR_FIELD
from plugin.patience import Patience


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one document; `reason` says why it failed. `stale`: a newer version is there."""

    result: Result
    reason: str = ""


NOT_ENCODED: Mapping[str, bytes] = {}


@runtime_checkable
class Sink(Protocol):
    """Takes documents."""

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        """Write documents of distinct ids; return as many outcomes, in the same order. `bodies`: by id, what some of
        them are as JSON, so that it need not be made twice."""
        ...

    def delete(self, ids: Sequence[str]) -> list[Outcome]:
        """Delete documents, of which some may not be there; return as many outcomes, in the same order."""
        ...


class ListSink:
    """Keeps documents in memory, by id."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        """Keep the documents."""
        outcomes = [Outcome("updated" if one.id in self.documents else "created") for one in documents]
        self.documents |= {document.id: document for document in documents}
        return outcomes

    def delete(self, ids: Sequence[str]) -> list[Outcome]:
        """Forget documents."""
        for one in ids:
            self.documents.pop(one, None)
        return [Outcome("deleted") for _ in ids]


class RehearsalSink:
    """Writes nothing and says what would become of documents, as far as the state of earlier runs tells."""

    def __init__(self, state: IndexState) -> None:
        self._state = state

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        """Tell new documents from known ones."""
        known = self._state.known([document.id for document in documents])
        there = {key for key, one in known.items() if not one.deleted}
        return [Outcome("updated" if document.id in there else "created") for document in documents]

    def delete(self, ids: Sequence[str]) -> list[Outcome]:
        """Say that each is deleted."""
        return [Outcome("deleted") for _ in ids]


class IndexSink:
    """Writes into an OpenSearch index."""

    def __init__(
        self,
        client: OpenSearch,
        index: str,
        languages: Sequence[str],
        *,
        version: int | None = None,
        vector_field: str = VECTOR_FIELD,
        image_field: str = IMAGE_FIELD,
        patience: Patience | None = None,
    ) -> None:
        """Write to `index`, whose mapping serves `languages`.

        Args:
            client: as `plugin.client.connect` returns.
            index: or an alias with one write index.
            languages: of the index.
            version: of this run; None: the index counts versions itself, and the last writer wins.
            vector_field: where the embedder's vectors go.
            image_field: where those of images go.
            patience: with a cluster that is busy or away.
        """
        self._writer = BulkWriter(client, index, patience)
        self._languages = tuple(languages)
        self._version = version
        self._vector_fields = (vector_field, image_field)

    def write(self, documents: Sequence[Document], bodies: Mapping[str, bytes] = NOT_ENCODED) -> list[Outcome]:
        """Index the documents, waiting and trying again while the cluster is too busy or away.

        Raises:
            ClusterError: it is so for too long, or refuses a whole request.
        """
        return self._outcomes(
            [
                BulkAction(
                    document.id,
                    bodies.get(document.id) or document.source(self._languages, *self._vector_fields),
                    document.record.version or self._version,
                )
                for document in documents
            ]
        )

    def delete(self, ids: Sequence[str]) -> list[Outcome]:
        """Delete documents, as `write` writes them."""
        return self._outcomes([BulkAction(one, None, self._version) for one in ids])

    def _outcomes(self, actions: Sequence[BulkAction]) -> list[Outcome]:
        return [_outcome(result) for result in self._writer.write(actions)]


def _outcome(result: BulkResult) -> Outcome:
    return Outcome(result.result, result.reason)
