"""Documents -> documents with vectors."""

from collections.abc import Sequence
from dataclasses import replace

from ingest.document import Document
from rerank.protocols import Embedder
from rerank.template import DocumentTemplate


def embed_documents(documents: Sequence[Document], embedder: Embedder, template: DocumentTemplate) -> list[Document]:
    """Return the documents with unit vectors of the embedder; as many, in the same order.

    Each field is read in a language of the embedder where the document has it, else as the source has it.

    Args:
        documents: translated, if they are to be.
        embedder: gives the vectors.
        template: how its bundle renders a document.
    """
    rendered = [template.render(document.fields_for(embedder.languages)) for document in documents]
    vectors = embedder.embed_documents(rendered)
    return [replace(document, embedding=vector) for document, vector in zip(documents, vectors, strict=True)]
