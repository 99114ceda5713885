"""The words of a catalogue and the values of its fields: counted as documents pass, kept among the resources."""

from collections.abc import Iterable
from pathlib import Path

from ingest.document import Document
from ingest.lanes import Lanes
from ingest.stages import Batch, Chunk, prepare
from rerank.packed import Packed
from rerank.understanding.field_values import pack_values
from rerank.understanding.vocabulary import VocabularyCounter, pack_vocabulary


def count_words(items: Iterable[Chunk | Batch], lanes: Lanes) -> VocabularyCounter:
    """Count the words of a catalogue by language, for choosing among translations."""
    counter = VocabularyCounter()
    for batch in lanes.run((prepare,), items):
        add_words(counter, batch.documents)
    return counter


def add_words(counter: VocabularyCounter, documents: Iterable[Document]) -> None:
    """Count the words of documents in their source language, and the values of their fields."""
    for document in documents:
        counter.add(document.language, "\n".join((document.title, document.attributes, document.text)))
        counter.values.add({"brand": document.brand, "category": document.category})
        counter.values.add(document.attrs, "attrs.")


def pack_words(folder: Path, alias: str, counter: VocabularyCounter) -> tuple[Packed, Packed]:
    """Make the files of an alias' words and values in the resources folder, still to be written."""
    words = pack_vocabulary(folder, alias, counter.rows())
    return words, pack_values(folder, alias, counter.values.rows())
