"""The stages as pure functions over batches, and what they work with: entries -> cleaned -> languages -> translated ->
embedded. They change nothing but what they return, so that they run in this process, in others, and on Ray."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ingest.clean import NO_ALIASES, Brands, clean, is_tombstone, record_id
from ingest.detection import PriorDetector
from ingest.document import TRANSLATED_FIELDS, DeadLetter, Document, Record
from ingest.embed import KeptVectors, embed_documents, no_vectors
from ingest.images import NO_PICTURES, Images, KeptImages, Pictures, check_images, encode_images
from ingest.languages import assign_languages
from ingest.state import Known
from ingest.translate import TranslationMemory, translate_documents
from rerank.protocols import Detector, Embedder
from rerank.template import DocumentTemplate


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries of one feed as they stand there."""

    entries: Sequence[Record | DeadLetter]
    feed: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents with distinct ids, what could not become one, how many entries both came from, and how many of these
    were fused into another's document.

    `feed` is whose they are, `deletes` the ids that it says are gone. What follows is set when the batch is compared
    with what the index holds: how many documents were taken out, how many ids the run had met before, what is known
    of the others, the hash of each one's content, what it is as JSON (`bodies`, where no step follows), and the
    vectors that the index holds of them (`kept`) and of their images (`pictures`). Embedding sets the hash of each
    one's text (`vectors`) and how many were read by the model; `images` counts pictures that were. `seconds` by stage
    grow on the way.
    """

    documents: Sequence[Document]
    letters: Sequence[DeadLetter]
    read: int
    fused: int = 0
    feed: str = ""
    deletes: Sequence[str] = ()
    unchanged: int = 0
    stale: int = 0
    repeated: int = 0
    known: Mapping[str, Known] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    kept: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    pictures: Pictures = field(default_factory=dict)
    vectors: Mapping[str, bytes] = field(default_factory=dict)
    embedded: int = 0
    images: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def after(self, stage: str, begun: float) -> "Batch":
        """Return the batch with the time since `begun` (of `perf_counter`) added to a stage."""
        spent = self.seconds.get(stage, 0.0) + perf_counter() - begun
        return replace(self, seconds={**self.seconds, stage: spent})


@dataclass(frozen=True, slots=True)
class Stages:
    """What the stages work with; `memory` None: no translation, `embedder` None: no vectors. `untranslated` counts the
    texts that the translator has left out so far; documents with such are made again by the next run.

    `images` None: no vectors of images; `kept_images` None: each image is read anew; `sees` False: none is read.

    `translated_fields` go into every language; into the embedder's own languages, which it reads best, all do.
    Titles alone are the default: into ten languages they take 8 ms of CPU a document, as long as embedding it; all
    fields take several times as long.
    """

    detector: PriorDetector
    scripts: Detector
    languages: tuple[str, ...]
    prior: str | None = None
    brands: Brands = NO_ALIASES
    memory: TranslationMemory | None = None
    translated_fields: tuple[str, ...] = ("title",)
    embedder: Embedder | None = None
    template: DocumentTemplate | None = None
    kept_vectors: KeptVectors = no_vectors
    untranslated: Callable[[], int] = int
    images: Images | None = None
    kept_images: KeptImages | None = None
    sees: bool = True


Step = Callable[[Chunk | Batch, Stages], Batch]
"""A function of a module, so that other processes find it."""


def prepare(item: Chunk | Batch, stages: Stages) -> Batch:
    """Clean entries, and give each document its language."""
    begun = perf_counter()
    batch = item
    if isinstance(batch, Chunk):
        batch = replace(clean_batch(batch.entries, stages.brands), feed=batch.feed).after("clean", begun)
    begun = perf_counter()
    found = assign_languages(batch.documents, stages.detector, stages.scripts, prior=stages.prior)
    return replace(batch, documents=found).after("detect", begun)


def translate(item: Chunk | Batch, stages: Stages) -> Batch:
    """Translate documents where there is a translator."""
    batch = _prepared(item, stages)
    if stages.memory is None:
        return batch
    begun, left_out = perf_counter(), stages.untranslated()
    documents = translate_documents(batch.documents, stages.memory, _fields_by_language(stages))
    batch = replace(batch, documents=documents)
    if stages.untranslated() > left_out:
        batch = replace(batch, contents={})
    return batch.after("translate", begun)


def embed(item: Chunk | Batch, stages: Stages) -> Batch:
    """Give documents vectors where there is an embedder; those that the index holds of the same text are kept."""
    batch = _prepared(item, stages)
    if stages.embedder is None or stages.template is None:
        return batch
    begun = perf_counter()
    before = {key: one.vector for key, one in batch.known.items() if one.vector is not None}

    def kept(ids: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        return {one: batch.kept[one] for one in ids if one in batch.kept}

    found = embed_documents(batch.documents, stages.embedder, stages.template, before, kept)
    made = len(found.documents) - found.kept
    done = replace(batch, documents=found.documents, vectors=found.hashes, embedded=made, kept={})
    return done.after("embed", begun)


def works(step: Step, stages: Stages) -> bool:
    """Say whether a step does anything with these stages."""
    idle: dict[Step, bool] = {
        translate: stages.memory is None,
        embed: stages.embedder is None or stages.template is None,
        see: stages.images is None or not stages.sees,
    }
    return not idle.get(step, False)


def check(batch: Batch, stages: Stages) -> Batch:
    """Sort out image vectors that the index cannot take; here, where the run's encoder is."""
    documents, letters = check_images(batch.documents, stages.images, ask=stages.sees)
    return replace(batch, documents=documents, letters=[*batch.letters, *letters])


def see(item: Chunk | Batch, stages: Stages) -> Batch:
    """Give documents vectors of their images where there is an encoder; those of the same image are kept."""
    batch = _prepared(item, stages)
    if stages.images is None or not stages.sees:
        return batch
    begun = perf_counter()
    found = encode_images(batch.documents, stages.images, batch.pictures)
    due = {key: one for key, one in batch.contents.items() if key not in found.failed}  # the others are tried again
    done = replace(batch, documents=found.documents, contents=due, images=found.made, pictures=NO_PICTURES)
    return done.after("images", begun)


def _prepared(item: Chunk | Batch, stages: Stages) -> Batch:
    return prepare(item, stages) if isinstance(item, Chunk) else item


def clean_batch(entries: Sequence[Record | DeadLetter], brands: Brands = NO_ALIASES) -> Batch:
    """Clean entries into a batch. Of several records with one id the last one stays."""
    documents: dict[str, Document] = {}
    letters: list[DeadLetter] = []
    deletes: dict[str, None] = {}
    for entry in entries:
        if isinstance(entry, Record) and is_tombstone(entry) and (gone := record_id(entry.fields)) is not None:
            documents.pop(gone, None)
            deletes[gone] = None
            continue
        cleaned = clean(entry, brands) if isinstance(entry, Record) else entry
        if isinstance(cleaned, DeadLetter):
            letters.append(replace(cleaned, source=entry.source, prior=entry.prior, version=entry.version))
        else:
            documents.pop(cleaned.id, None)  # the later record's place, too
            documents[cleaned.id] = cleaned
            deletes.pop(cleaned.id, None)
    return Batch(list(documents.values()), letters, len(entries), deletes=tuple(deletes))


def _fields_by_language(stages: Stages) -> dict[str, Sequence[str]]:
    read = () if stages.embedder is None else stages.embedder.languages
    return {
        language: TRANSLATED_FIELDS if language in read else stages.translated_fields for language in stages.languages
    }
