"""The stages in a row: entries -> cleaned -> languages -> compared -> translated -> embedded -> written.

Lanes carry out what `ingest.stages` holds, wherever that is; comparing with what the index holds, writing and keeping
state are done here, in the order of the feed. The slowest stage sets the pace, and no more than a few batches are in
memory.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice, repeat
from pathlib import Path
from time import perf_counter

from ingest.ahead import ahead, models_first
from ingest.dead_letters import DeadLetterFile
from ingest.document import DeadLetter, Document, Record
from ingest.ends import followed, shrinking_at_end
from ingest.errors import FeedError
from ingest.feeds import Feed
from ingest.images import image_problems
from ingest.lanes import Lanes, OwnProcess, in_order
from ingest.ledger import Ledger
from ingest.report import Tally
from ingest.sinks import NOT_ENCODED, Outcome, Sink
from ingest.stages import Batch, Chunk, Stages, check, embed, prepare, see, translate, works
from ingest.words import add_words
from rerank.understanding.vocabulary import VocabularyCounter

log = logging.getLogger("polyrank.ingest.run")

BATCH_SIZE = 500
PLAIN_BATCH_SIZE = 1000
"""Where nothing is done to documents between cleaning and writing: 4 % less work for the client, and 18 MiB."""

CHUNK_CHARS = 4_000_000
"""A chunk whose texts are longer ends: a line may have millions of characters, and a hundred are no small batch."""

MAKING = (translate, embed, see)
"""The steps that make something of a document that is to be written."""

SHOWN = 3
"""Images of one kind of failure that the log names."""


def batch_size(stages: Stages) -> int:
    """Return how many records a batch suit what these stages do."""
    return BATCH_SIZE if any(works(step, stages) for step in MAKING) else PLAIN_BATCH_SIZE


def read_chunks(
    feeds: Iterable[Feed], size: int, limit: int | None = None, *, first: Sequence[int] = ()
) -> Iterator[Chunk]:
    """Read feeds one after the other; a chunk is of one feed.

    Args:
        feeds: where records come from.
        size: entries a chunk, at most.
        limit: stop after so many entries.
        first: sizes of the first chunks, where they differ.
    """
    left, sizes = limit, chain(first, repeat(size))
    for feed in feeds:
        for chunk in _chunks(islice(feed.entries(), left), sizes):
            left = None if left is None else left - len(chunk)
            yield Chunk(chunk, feed_key(feed.name))


def _chunks(entries: Iterable[Record | DeadLetter], sizes: Iterator[int]) -> Iterator[list[Record | DeadLetter]]:
    """Give entries by chunks of these sizes, fewer of such that are long: several chunks are in memory at once. What
    came before a feed breaks off comes through."""
    chunk: list[Record | DeadLetter] = []
    size, chars, failure = next(sizes), 0, None
    try:
        for entry in entries:
            chunk.append(entry)
            texts = entry.fields.values() if isinstance(entry, Record) else (entry.raw,)
            chars += sum([len(text) for text in texts if isinstance(text, str)])
            if len(chunk) == size or chars > CHUNK_CHARS:
                yield chunk
                chunk, size, chars = [], next(sizes), 0
    except FeedError as error:
        failure = error
    if chunk:
        yield chunk
    if failure is not None:
        raise failure


def feed_key(name: str) -> str:
    """Return the name under which a feed is remembered: that of a file or folder does not depend on where one is."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def run_stages(
    items: Iterable[Chunk | Batch],
    stages: Stages,
    sink: Sink,
    dead_letters: DeadLetterFile,
    *,
    lanes: Lanes | None = None,
    on_batch: Callable[[Tally], None] = lambda tally: None,
    counter: VocabularyCounter | None = None,
    ledger: Ledger | None = None,
    tally: Tally | None = None,
    writers: int = 1,
    nearing_end: Callable[[], object] = lambda: None,
) -> Tally:
    """Take entries through all stages into the sink.

    Args:
        items: as `read_chunks` or fusion gives them.
        stages: the index's languages, and what brings the vectors that it holds.
        sink: where documents go.
        dead_letters: where the rest goes.
        lanes: carry out the stages; None: here, with `stages`.
        on_batch: called after each written batch.
        counter: counts the words of what passes, unchanged or not.
        ledger: of what was written before; None: everything is written. The caller closes it.
        tally: to count in; returned.
        writers: batches that are written side by side, each in a thread; more than 1 asks for a sink that takes them
            from several. Batches with an id in common are written one after the other.
        nearing_end: called when only one batch is left for the models, without models when the last ones are written.

    Raises:
        FeedError: a feed breaks off; what came before it is written.
        ClusterError: the sink fails as a whole.
        IngestError: a process of the lanes died.
    """
    tally, book, lanes = tally or Tally(), ledger or Ledger(), lanes or OwnProcess(stages)
    prepared = lanes.run((prepare,), _timed(items, tally))
    steps = [step for step in MAKING if works(step, stages)]
    compared = ahead(_compared(prepared, stages, tally, book, counter, whole=not steps))
    made = lanes.run(steps, shrinking_at_end(compared, nearing_end)) if steps else followed(compared, nearing_end)
    try:
        with models_first() if steps else nullcontext():
            for written in _written(made, sink, writers, tally):
                with tally.timed("keep"):
                    _keep(written, dead_letters, tally, book)
                on_batch(tally)
    finally:
        if isinstance(made, Generator):
            made.close()  # by the search for cycles, in whatever thread, it might wait for itself
        if ledger is None:
            book.close()
    return tally


def count_languages(batches: Iterable[Batch], tally: Tally) -> Iterator[Batch]:
    """Give the batches; count the languages of their feeds' documents, written or not, as they pass."""
    for batch in batches:
        tally.mix[batch.feed].update(document.language for document in batch.documents)
        yield batch


def _timed(items: Iterable[Chunk | Batch], tally: Tally) -> Iterator[Chunk | Batch]:
    source = iter(items)
    while True:
        with tally.timed("read"):
            item = next(source, None)
        if item is None:
            return
        yield item


def _compared(
    batches: Iterable[Batch],
    stages: Stages,
    tally: Tally,
    ledger: Ledger,
    counter: VocabularyCounter | None,
    *,
    whole: bool,
) -> Iterator[Batch]:
    """Leave out what the index holds already. `whole`: nothing is done to the others before they are written."""
    for batch in count_languages((check(one, stages) for one in batches), tally):
        with tally.timed("compare"):
            if counter is not None:
                add_words(counter, batch.documents)
            found = _changed(batch, stages, ledger, whole=whole)
        yield found


def _changed(batch: Batch, stages: Stages, ledger: Ledger, *, whole: bool) -> Batch:
    found = ledger.triage(batch.documents, batch.feed, stages.languages)
    ledger.meet(batch.letters, batch.feed)
    ledger.meet_ids(batch.deletes)
    embedded = [one.id for one in found.documents if one.id in found.known and found.known[one.id].vector is not None]
    there = {key for key, one in found.known.items() if not one.deleted}
    pictured = [one.id for one in found.documents if one.image_hash and one.id in there]
    return replace(
        batch,
        documents=found.documents,
        unchanged=found.unchanged,
        stale=found.stale,
        repeated=found.repeated,
        known={one.id: found.known[one.id] for one in found.documents if one.id in found.known},
        contents=found.contents,
        bodies=found.bodies if whole else NOT_ENCODED,
        kept=stages.kept_vectors(embedded) if embedded else {},
        pictures=stages.kept_images(pictured) if pictured and stages.kept_images is not None else {},
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """A batch with what became of its documents and deletes, and how long that took."""

    batch: Batch
    outcomes: Sequence[Outcome]
    gone: Sequence[Outcome]
    seconds: float


def _written(batches: Iterator[Batch], sink: Sink, writers: int, tally: Tally) -> Iterator[_Written]:
    """Write batches, some side by side; give them in their order."""
    pool = ThreadPoolExecutor(writers, thread_name_prefix="write")
    flying: list[tuple[frozenset[str], Future[_Written]]] = []

    def write(batch: Batch) -> _Written:
        begun = perf_counter()
        outcomes = sink.write(batch.documents, batch.bodies)
        gone = sink.delete(batch.deletes) if batch.deletes else []
        return _Written(batch, outcomes, gone, perf_counter() - begun)

    def submit(batch: Batch) -> Future[_Written]:
        ids = frozenset([*(document.id for document in batch.documents), *batch.deletes])
        wait([future for others, future in flying if not ids.isdisjoint(others)])
        flying[:] = [one for one in flying if not one[1].done()]  # what is done would hold its documents
        future = pool.submit(write, batch)
        flying.append((ids, future))
        return future

    try:
        for written in in_order(batches, submit, writers):
            tally.seconds["index"] = tally.seconds.get("index", 0.0) + written.seconds
            yield written
    finally:
        # What is being written when a run breaks off is not waited for: its versions tell it from what comes later.
        pool.shutdown(wait=False, cancel_futures=True)


def _keep(written: _Written, dead_letters: DeadLetterFile, tally: Tally, ledger: Ledger) -> None:
    batch = written.batch
    letters = list(batch.letters)
    tally.pass_batch(batch)
    ledger.acknowledge(batch.documents, written.outcomes, batch.feed, batch.contents, batch.vectors)
    for document, outcome in zip(batch.documents, written.outcomes, strict=True):
        if outcome.result == "failed":
            letters.append(document.record.letter(outcome.reason))
        else:
            if document.problems:
                _tell_of_images(document, tally)
            tally.count(document, outcome.result)
    if batch.deletes:
        ledger.bury(batch.deletes, written.gone, batch.feed)
        tally.deleted += sum(outcome.result == "deleted" for outcome in written.gone)
    for letter in letters:
        tally.count_letter(letter)
        version = letter.version or ledger.version or None
        dead_letters.write(replace(letter, source=letter.source or batch.feed, version=version))


def _tell_of_images(document: Document, tally: Tally) -> None:
    """Name the first images of each kind of failure; the tally has how many there are."""
    for problem in image_problems(document):
        if tally.problems[problem] < SHOWN:
            record = document.record
            log.warning("%s:%d: %s: %.200s", record.feed, record.line, problem, document.image)
