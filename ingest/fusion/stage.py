"""Fusion as a stage: batches of records in, batches of products out once all records are there."""

from collections.abc import Iterable, Iterator, Sequence

from ingest.document import Document
from ingest.fusion.fuse import Fusion, Vectorize
from ingest.stages import Batch
from ingest.translate import TranslationMemory, translate_documents
from rerank.protocols import Embedder, Vectors

FUSED = "fused sources"
"""Whose documents fused products are."""


def fuse_batches(batches: Iterable[Batch], fusion: Fusion, size: int) -> Iterator[Batch]:
    """Take all batches; give the letters as they come and then the products.

    Args:
        batches: of cleaned documents with their languages, each of one source.
        fusion: closed when the products are through.
        size: products a batch.
    """
    try:
        for batch in batches:
            fusion.add(batch.documents)
            if batch.read > len(batch.documents):
                rest = batch.read - len(batch.documents)
                yield Batch((), batch.letters, rest, feed=FUSED, deletes=batch.deletes, seconds=batch.seconds)
        for part in fusion.products(size):
            yield Batch(part.products, (), part.records, part.records - len(part.products), feed=FUSED)
        if fusion.replaced:
            yield Batch((), (), fusion.replaced)
    finally:
        fusion.close()


def title_vectors(embedder: Embedder, memory: TranslationMemory | None) -> Vectorize:
    """Return what embeds titles in a language that the embedder reads, translated where there is a translator."""
    fields = dict.fromkeys(embedder.languages, ("title",))

    def vectorize(documents: Sequence[Document]) -> Vectors:
        read = translate_documents(documents, memory, fields) if memory is not None else documents
        return embedder.embed_documents([one.fields_for(embedder.languages).get("title", "") for one in read])

    return vectorize
