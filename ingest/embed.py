"""Documents -> documents with vectors. A text that was embedded before is not embedded again."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ingest.document import Document
from rerank.protocols import Embedder
from rerank.template import DocumentTemplate

KeptVectors = Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]]
"""Ids -> the vectors that the index holds of them, as far as it does."""


def no_vectors(ids: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
    """Return none: every text is embedded."""
    return {}


@dataclass(frozen=True, slots=True)
class Embedded:
    """Documents with vectors, the hash of what each one's was made of, and how many vectors were there already."""

    documents: Sequence[Document]
    hashes: Mapping[str, bytes]
    kept: int


def embed_documents(
    documents: Sequence[Document],
    embedder: Embedder,
    template: DocumentTemplate,
    before: Mapping[str, bytes] | None = None,
    kept_vectors: KeptVectors = no_vectors,
) -> Embedded:
    """Return the documents with unit vectors of the embedder; as many, in the same order.

    Each field is read in a language of the embedder where the document has it, else as the source has it.

    Args:
        documents: translated, if they are to be.
        embedder: gives the vectors.
        template: how its bundle renders a document.
        before: id -> hash of what the vector in the index was made of.
        kept_vectors: brings those vectors.
    """
    texts = {one.id: template.render(one.fields_for(embedder.languages)) for one in documents}
    key = hashlib.sha256(embedder.fingerprint.encode()).digest()
    hashes = {
        one: hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=key).digest()
        for one, text in texts.items()
    }
    same = [one for one, found in hashes.items() if (before or {}).get(one) == found]
    vectors = dict(kept_vectors(same)) if same else {}
    wanted = [one for one in texts if one not in vectors]
    kept = len(vectors)
    if wanted:
        vectors |= zip(wanted, embedder.embed_documents([texts[one] for one in wanted]), strict=True)
    return Embedded([replace(one, embedding=vectors[one.id]) for one in documents], hashes, kept)
