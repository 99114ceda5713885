"""What a run has met, beside what the index holds from earlier runs: tells which documents need to be written."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from ingest.clean import record_id
from ingest.document import DeadLetter, Document
from ingest.seen import SeenIds
from ingest.sinks import Outcome
from ingest.state import IndexState, Known
from plugin.bulk import encode_json


@dataclass(frozen=True, slots=True)
class Triage:
    """Documents of a batch that are to be written, with the hash of each one's content, what is known of it, and as
    JSON (`bodies`) where it has no vector; how many need not be, and how many ids the run had met before."""

    documents: Sequence[Document]
    contents: Mapping[str, bytes]
    known: Mapping[str, Known]
    bodies: Mapping[str, bytes]
    unchanged: int
    stale: int
    repeated: int


class Ledger:
    """Compares a run with the runs before it. `version` goes with each document it writes; 0: versions are not kept.

    `triage` belongs to the thread that reads, `acknowledge` and `bury` to the one that writes.
    """

    def __init__(self, state: IndexState | None = None, version: int = 0, fingerprint: str = "") -> None:
        """`fingerprint`: of all that a document goes through; another one means that each is written again."""
        self.state = state or IndexState(None)
        self.version = version
        self.seen = SeenIds()
        self.unreadable: Counter[str] = Counter()
        self.fingerprint = fingerprint
        self._key = hashlib.sha256(fingerprint.encode()).digest()

    def triage(self, documents: Sequence[Document], feed: str, languages: Sequence[str]) -> Triage:
        """Sort documents of distinct ids before they are translated and embedded.

        Args:
            documents: cleaned, with their languages.
            feed: whose documents they are.
            languages: of the index.
        """
        ids = [document.id for document in documents]
        first = frozenset(self.seen.missing(ids))
        self.seen.add(ids)
        known = self.state.known(ids)
        wanted: list[Document] = []
        contents: dict[str, bytes] = {}
        bodies: dict[str, bytes] = {}
        moved: list[str] = []
        unchanged = stale = 0
        for document in documents:
            before = known.get(document.id)
            if before is not None and self.version_of(document) < before.version:
                stale += 1
                continue
            body = _body(document, languages)
            content = hashlib.blake2b(body, digest_size=16, key=self._key).digest()
            # An id that was met before in this run is written: the earlier one may be on its way.
            if before is not None and not before.deleted and before.content == content and document.id in first:
                unchanged += 1
                if before.feed != self._owner(document, feed):
                    moved.append(document.id)
                continue
            contents[document.id] = content
            if document.embedding is None and document.image_vector is None:
                bodies[document.id] = body
            wanted.append(document)
        if moved:
            self.state.move(moved, feed)
        return Triage(wanted, contents, known, bodies, unchanged, stale, len(ids) - len(first))

    def version_of(self, document: Document) -> int:
        """Return the version to write a document with: that of the run which read its record."""
        return document.record.version or self.version

    def meet(self, letters: Sequence[DeadLetter], feed: str) -> None:
        """Note ids of records that could not be used: what the index holds of them is not gone from the feed."""
        for letter in letters:
            known = None if letter.record is None else record_id(letter.record)
            if known is not None:
                self.seen.add([known])
            elif letter.record is None:
                self.unreadable[feed] += 1

    def meet_ids(self, ids: Sequence[str]) -> None:
        """Note ids whose records ask to be deleted."""
        self.seen.add(ids)

    def acknowledge(
        self,
        documents: Sequence[Document],
        outcomes: Sequence[Outcome],
        feed: str,
        contents: Mapping[str, bytes],
        vectors: Mapping[str, bytes],
    ) -> None:
        """Keep what the sink has acknowledged of documents that `triage` let through."""
        self.state.keep(
            {
                one.id: Known(self.version_of(one), contents.get(one.id), vectors.get(one.id), self._owner(one, feed))
                for one, outcome in zip(documents, outcomes, strict=True)
                if outcome.result in ("created", "updated")
            }
        )

    def bury(self, ids: Sequence[str], outcomes: Sequence[Outcome], feed: str) -> None:
        """Keep that documents were deleted, so that an older run does not bring them back."""
        self.state.keep(
            {
                key: Known(self.version, None, None, feed, deleted=True)
                for key, outcome in zip(ids, outcomes, strict=True)
                if outcome.result == "deleted"
            }
        )

    def close(self) -> None:
        """Forget what this run met."""
        self.seen.close()

    def _owner(self, document: Document, feed: str) -> str:
        """A replayed record belongs to the feed that it came from."""
        return document.record.origin if document.record.version else feed


def _body(document: Document, languages: Sequence[str]) -> bytes:
    """Return a document as its source has it: neither translations, unless another source gave them, nor vectors."""
    bare = document if document.embedding is None else replace(document, embedding=None)
    return encode_json(bare.source(languages))
