"""The stages in a row: entries -> batches -> cleaned -> languages -> changed -> translated -> embedded -> written.

Each stage is a function over a batch. Reading up to translating runs in one thread, embedding in a second, writing
in the caller's: the slowest stage sets the pace, and no more than a few batches are in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from ingest.ahead import ahead
from ingest.clean import NO_ALIASES, Brands, clean, is_tombstone, record_id
from ingest.dead_letters import DeadLetterFile
from ingest.detection import PriorDetector
from ingest.document import TRANSLATED_FIELDS, DeadLetter, Document, Record
from ingest.embed import KeptVectors, embed_documents, no_vectors
from ingest.feeds import Feed
from ingest.languages import assign_languages
from ingest.ledger import Ledger
from ingest.report import Tally
from ingest.sinks import Sink
from ingest.state import Known
from ingest.translate import TranslationMemory, translate_documents
from rerank.protocols import Detector, Embedder
from rerank.template import DocumentTemplate
from rerank.understanding.vocabulary import VocabularyCounter

BATCH_SIZE = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents with distinct ids, what could not become one, how many entries both came from, and how many of these
    were fused into another's document.

    `feed` is whose they are, `deletes` the ids that it says are gone. What follows is set by the stage `changed`: how
    many documents it took out, how many ids the run had met before, what is known of the others and the hash of each
    one's content; and by embedding: the hash of each one's text.
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
    vectors: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stages:
    """What a run works with; `memory` None: no translation, `embedder` None: no vectors. `untranslated` counts the
    texts that the translator has left out so far; documents with such are made again by the next run.

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
    kept_vectors: KeptVectors = no_vectors
    untranslated: Callable[[], int] = int


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
            yield replace(clean_batch(chunk, brands), feed=feed_key(feed.name))


def feed_key(name: str) -> str:
    """Return the name under which a feed is remembered: that of a file or folder does not depend on where one is."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def clean_batch(entries: Sequence[Record | DeadLetter], brands: Brands = NO_ALIASES) -> Batch:
    """Clean entries into a batch."""
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
    ledger: Ledger | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Take batches through all stages into the sink.

    Args:
        batches: as `read_batches` gives them.
        stages: detector, translator, embedder.
        sink: where documents go.
        dead_letters: where the rest goes.
        on_batch: called after each written batch.
        counter: counts the words of what passes, unchanged or not.
        ledger: of what was written before; None: everything is written. The caller closes it.
        tally: to count in; returned.

    Raises:
        FeedError: a feed breaks off; what came before it is written.
        ClusterError: the sink fails as a whole.
    """
    tally, book = tally or Tally(), ledger or Ledger()
    try:
        for batch in ahead(_embedded(ahead(_translated(batches, stages, tally, book, counter)), stages, tally)):
            with tally.timed("index"):
                _write(batch, sink, dead_letters, tally, book)
            on_batch(tally)
    finally:
        if ledger is None:
            book.close()
    return tally


def _translated(
    batches: Iterable[Batch], stages: Stages, tally: Tally, ledger: Ledger, counter: VocabularyCounter | None
) -> Iterator[Batch]:
    source = iter(batches)
    while True:
        with tally.timed("read and clean"):
            batch = next(source, None)
        if batch is None:
            return
        with tally.timed("detect"):
            batch = with_languages(batch, stages)
        if counter is not None:
            add_words(counter, batch.documents)
        with tally.timed("compare"):
            batch = _changed(batch, stages, ledger)
        if stages.memory is not None:
            left_out = stages.untranslated()
            with tally.timed("translate"):
                documents = translate_documents(batch.documents, stages.memory, _fields_by_language(stages))
                batch = replace(batch, documents=documents)
            if stages.untranslated() > left_out:
                batch = replace(batch, contents={})
        yield batch


def _changed(batch: Batch, stages: Stages, ledger: Ledger) -> Batch:
    """Leave out what the index holds already."""
    found = ledger.triage(batch.documents, batch.feed, stages.languages)
    ledger.meet(batch.letters, batch.feed)
    ledger.meet_ids(batch.deletes)
    return replace(
        batch,
        documents=found.documents,
        unchanged=found.unchanged,
        stale=found.stale,
        repeated=found.repeated,
        known=found.known,
        contents=found.contents,
    )


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
            before = {key: one.vector for key, one in batch.known.items() if one.vector is not None}
            found = embed_documents(batch.documents, stages.embedder, stages.template, before, stages.kept_vectors)
        tally.embedded += len(found.documents) - found.kept
        yield replace(batch, documents=found.documents, vectors=found.hashes)


def _write(batch: Batch, sink: Sink, dead_letters: DeadLetterFile, tally: Tally, ledger: Ledger) -> None:
    letters = list(batch.letters)
    tally.read += batch.read
    tally.fused += batch.fused
    tally.unchanged += batch.unchanged
    tally.stale += batch.stale
    passed = len(batch.documents) + batch.unchanged + batch.stale
    tally.duplicates += batch.read - batch.fused - passed - len(batch.letters) - len(batch.deletes)
    tally.duplicates += batch.repeated
    outcomes = sink.write(batch.documents)
    ledger.acknowledge(batch.documents, outcomes, batch.feed, batch.contents, batch.vectors)
    for document, outcome in zip(batch.documents, outcomes, strict=True):
        if outcome.result == "failed":
            origin = document.record
            letters.append(
                DeadLetter(
                    origin.feed,
                    origin.line,
                    outcome.reason,
                    record=origin.fields,
                    source=origin.source,
                    prior=origin.prior,
                    version=origin.version,
                )
            )
            continue
        tally.count(document, outcome.result)
    if batch.deletes:
        gone = sink.delete(batch.deletes)
        ledger.bury(batch.deletes, gone, batch.feed)
        tally.deleted += sum(outcome.result == "deleted" for outcome in gone)
    for letter in letters:
        tally.dead += 1
        tally.reasons[letter.reason.split(":")[0]] += 1
        version = letter.version or ledger.version or None
        dead_letters.write(replace(letter, source=letter.source or batch.feed, version=version))
