"""The stages in a row: entries -> batches -> cleaned -> languages -> translated -> embedded -> written.

Each stage is a function over a batch. Reading up to translating runs in one thread, embedding in a second, writing
in the caller's: the slowest stage sets the pace, and no more than a few batches are in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ingest.ahead import ahead
from ingest.clean import NO_ALIASES, Brands, clean
from ingest.dead_letters import DeadLetterFile
from ingest.detection import PriorDetector
from ingest.document import TRANSLATED_FIELDS, DeadLetter, Document, Record
from ingest.embed import embed_documents
from ingest.feeds import Feed
from ingest.languages import assign_languages
from ingest.report import Tally
from ingest.seen import SeenIds
from ingest.sinks import Sink
from ingest.translate import TranslationMemory, translate_documents
from rerank.protocols import Detector, Embedder
from rerank.template import DocumentTemplate
from rerank.vocabulary import VocabularyCounter

BATCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents with distinct ids, what could not become one, how many entries both came from, and how many of these
    were fused into another's document."""

    documents: Sequence[Document]
    letters: Sequence[DeadLetter]
    read: int
    fused: int = 0


@dataclass(frozen=True, slots=True)
class Stages:
    """What a run works with; `memory` None: no translation, `embedder` None: no vectors.

    `translated_fields` go into every language; into the embedder's own languages, which it reads best, all do.
    Titles alone are the default: into ten languages they take 8 ms of CPU a document, as long as embedding it; all
    fields take several times as long.
    """

    detector: PriorDetector
    scripts: Detector
    languages: tuple[str, ...]
    prior: str | None = None
    memory: TranslationMemory | None = None
    translated_fields: tuple[str, ...] = ("title",)
    embedder: Embedder | None = None
    template: DocumentTemplate | None = None


def read_batches(
    feeds: Iterable[Feed], size: int, limit: int | None = None, brands: Brands = NO_ALIASES
) -> Iterator[Batch]:
    """Read feeds one after the other into batches of cleaned documents.

    Of several records with one id in a batch the last one stays; a batch is of one feed.

    Args:
        feeds: where records come from.
        size: entries a batch.
        limit: stop after so many entries.
        brands: how the shop spells them.
    """
    left = limit
    for feed in feeds:
        entries = islice(feed.entries(), left)
        while chunk := list(islice(entries, size)):
            left = None if left is None else left - len(chunk)
            yield clean_batch(chunk, brands)


def clean_batch(entries: Sequence[Record | DeadLetter], brands: Brands = NO_ALIASES) -> Batch:
    """Clean entries into a batch."""
    documents: dict[str, Document] = {}
    letters: list[DeadLetter] = []
    for entry in entries:
        cleaned = clean(entry, brands) if isinstance(entry, Record) else entry
        if isinstance(cleaned, DeadLetter):
            letters.append(cleaned)
        else:
            documents.pop(cleaned.id, None)  # the later record's place, too
            documents[cleaned.id] = cleaned
    return Batch(list(documents.values()), letters, len(entries))


def with_languages(batch: Batch, stages: Stages) -> Batch:
    """Give each document its language."""
    found = assign_languages(batch.documents, stages.detector, stages.scripts, prior=stages.prior)
    return replace(batch, documents=found)


def count_words(batches: Iterable[Batch], stages: Stages) -> VocabularyCounter:
    """Count the words of a catalogue by language, for choosing among translations."""
    counter = VocabularyCounter()
    for batch in batches:
        add_words(counter, with_languages(batch, stages).documents)
    return counter


def add_words(counter: VocabularyCounter, documents: Iterable[Document]) -> None:
    """Count the words of documents in their source language."""
    for document in documents:
        counter.add(document.language, "\n".join((document.title, document.attributes, document.text)))
        counter.values.add({"brand": document.brand, "category": document.category, "attrs": document.attrs})


def run_stages(
    batches: Iterable[Batch],
    stages: Stages,
    sink: Sink,
    dead_letters: DeadLetterFile,
    *,
    on_batch: Callable[[Tally], None] = lambda tally: None,
    counter: VocabularyCounter | None = None,
) -> Tally:
    """Take batches through all stages into the sink.

    Args:
        batches: as `read_batches` gives them.
        stages: detector, translator, embedder.
        sink: where documents go.
        dead_letters: where the rest goes.
        on_batch: called after each written batch.
        counter: counts the words of what passes.

    Raises:
        FeedError: a feed breaks off; what came before it is written.
        ClusterError: the sink fails as a whole.
    """
    tally, seen = Tally(), SeenIds()
    try:
        for batch in ahead(_embedded(ahead(_translated(batches, stages, tally)), stages, tally)):
            if counter is not None:
                add_words(counter, batch.documents)
            with tally.timed("index"):
                _write(batch, sink, dead_letters, tally, seen)
            on_batch(tally)
    finally:
        seen.close()
    return tally


def _translated(batches: Iterable[Batch], stages: Stages, tally: Tally) -> Iterator[Batch]:
    source = iter(batches)
    while True:
        with tally.timed("read and clean"):
            batch = next(source, None)
        if batch is None:
            return
        with tally.timed("detect"):
            batch = with_languages(batch, stages)
        if stages.memory is not None:
            with tally.timed("translate"):
                documents = translate_documents(batch.documents, stages.memory, _fields_by_language(stages))
                batch = replace(batch, documents=documents)
        yield batch


def _fields_by_language(stages: Stages) -> dict[str, Sequence[str]]:
    read = () if stages.embedder is None else stages.embedder.languages
    return {
        language: TRANSLATED_FIELDS if language in read else stages.translated_fields for language in stages.languages
    }


def _embedded(batches: Iterable[Batch], stages: Stages, tally: Tally) -> Iterator[Batch]:
    for batch in batches:
        if stages.embedder is None or stages.template is None:
            yield batch
            continue
        with tally.timed("embed"):
            documents = embed_documents(batch.documents, stages.embedder, stages.template)
        yield replace(batch, documents=documents)


def _write(batch: Batch, sink: Sink, dead_letters: DeadLetterFile, tally: Tally, seen: SeenIds) -> None:
    letters = list(batch.letters)
    tally.read += batch.read
    tally.fused += batch.fused
    tally.duplicates += batch.read - batch.fused - len(batch.documents) - len(batch.letters)
    tally.duplicates += seen.add(document.id for document in batch.documents)
    for document, outcome in zip(batch.documents, sink.write(batch.documents), strict=True):
        if outcome.result == "failed":
            origin = document.record
            letters.append(DeadLetter(origin.feed, origin.line, outcome.reason, record=origin.fields))
            continue
        tally.created += outcome.result == "created"
        tally.updated += outcome.result == "updated"
        tally.languages[document.language] += 1
        tally.translated.update(document.translated.keys())
        tally.problems.update(document.problems)
    for letter in letters:
        tally.dead += 1
        tally.reasons[letter.reason.split(":")[0]] += 1
        dead_letters.write(letter)
