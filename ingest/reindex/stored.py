"""Documents as an index stores them: read back, and made fit for an index with another embedder."""

from collections.abc import Mapping
from typing import Any

from ingest.document import TRANSLATED_FIELDS, Document, Record
from ingest.embed import embed_documents
from ingest.images import MADE_OF
from plugin.index import VECTOR_FIELD, vectors_of
from rerank.embedder import SentenceEmbedder
from rerank.protocols import UNDETERMINED


def stored_document(doc_id: str, source: Mapping[str, Any], index: str) -> Document:
    """Return what a template needs of a stored document: its texts in all languages, brand and category.

    Prices, attributes, provenance and the vector are not read.
    """
    language = str(source.get("language", UNDETERMINED))
    texts: dict[str, dict[str, str]] = {}
    for name in TRANSLATED_FIELDS:
        for code, text in source.get(name, {}).items():
            texts.setdefault(code, {})[name] = text
    own = texts.pop(language, None)
    if own is None or "title" not in own:
        own = {**texts.pop(UNDETERMINED, {}), **(own or {})}
    return Document(
        id=doc_id,
        record=Record(index, 0, {}),
        title=own.get("title", ""),
        text=own.get("text", ""),
        attributes=own.get("attributes", ""),
        language=language,
        brand=source.get("brand"),
        category=source.get("category"),
        translated=texts,
    )


class Conversion:
    """Makes sources of a new index from those of an old one."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], embedder: SentenceEmbedder | None) -> None:
        """Compare two indices.

        Args:
            old: `_meta.polyrank` of the index that documents come from.
            new: of the index that they go to.
            embedder: the new index's; None when it has no vectors.
        """
        fingerprints = [meta.get("vectors", {}).get(VECTOR_FIELD, {}).get("fingerprint") for meta in (old, new)]
        self._same = fingerprints[0] == fingerprints[1]
        self._embedder = embedder
        kept = vectors_of(new, "image")
        strange = {name for name, one in vectors_of(old, "image").items() if kept.get(name) != one}
        self._left_out = strange | {MADE_OF} if strange else strange

    def convert(self, sources: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the sources, by the same ids, with vectors of the new index's embedder, or none where it has none.

        Vectors of images are taken over where both indices have them from one encoder; the next run makes others.
        """
        left_out = self._left_out if self._same else {*self._left_out, VECTOR_FIELD}
        bare = {
            doc_id: {name: value for name, value in source.items() if name not in left_out}
            for doc_id, source in sources.items()
        }
        if self._same or self._embedder is None:
            return bare
        documents = [stored_document(doc_id, source, "old") for doc_id, source in bare.items()]
        for document in embed_documents(documents, self._embedder, self._embedder.template).documents:
            bare[document.id][VECTOR_FIELD] = document.source(())[VECTOR_FIELD]
        return bare
