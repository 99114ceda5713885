"""One run from what the shell said: finds the cluster, models, translators and index, runs the stages, reports."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from ingest.books import BookRules, Deletes, all_whole, begin_feeds, end_feeds, open_books, settled_feeds
from ingest.clean import NO_ALIASES, Brands
from ingest.dead_letters import DeadLetterFile, letters_path
from ingest.ends import growing
from ingest.feeds import Feed
from ingest.fusion.config import FusionRules
from ingest.fusion.fuse import Fusion, Vectorize
from ingest.fusion.stage import fuse_batches, title_vectors
from ingest.garbage import seldom_searched
from ingest.images import ImageConfig, Images, images_of_index, open_images
from ingest.lanes import Lanes, On, open_lanes
from ingest.lock import locked
from ingest.plan import Plan, bare_stages, is_local, open_memory
from ingest.record import RunRecord, failures_recorded
from ingest.report import RunReport, Tally
from ingest.run import BATCH_SIZE, batch_size, count_languages, read_chunks, run_stages
from ingest.sinks import RehearsalSink
from ingest.stages import Batch, Chunk, Stages, check, prepare
from ingest.sweep import MAX_DELETE_FRACTION
from ingest.target import Target
from ingest.translators import DICTIONARIES_ALONE, TranslationConfig, build_translator
from ingest.words import count_words, pack_words
from plugin.client import OpenSearch, cluster_id, connect
from plugin.filling import begin_filling, filling
from plugin.index import (
    DEFAULT_LANGUAGES,
    IMAGE_FIELD,
    VECTOR_FIELD,
    IndexSpec,
    VectorField,
    ensure_index,
    find_index,
    image_field_of,
    read_meta,
    vector_field_of,
)
from plugin.patience import PATIENCE_S, Patience
from plugin.pipelines import config_for, find_pipeline, install_pipeline
from rerank.embedder import SentenceEmbedder, load_embedder
from rerank.packed import Packed
from rerank.resources import load_resources, write_glossary
from rerank.translation.chain import Limited
from rerank.translation.load import Translators, load_translators
from rerank.understanding.vocabulary import VocabularyCounter

NO_TRANSLATION = "off"
WRITERS = 4
"""Bulk requests that are under way at once; a node works on each with one thread a shard."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to ingest into and with what. None means the default: `resources` and `dead_letters` below
    `polyrank_home()`, the shipped embedder, the running node.

    `fusion` None: every record is a document. `whole_catalogue`: the feeds are all there is, so their words replace
    the alias' vocabulary. `into`: an existing index to fill beside the one behind the alias; None: that one.
    `replayed`: the dead-letter file that is read, and goes when its records are indexed or in `dead_letters`; None
    where none is, or where it stays. `workers`: processes that clean, translate and embed, below 2 this one; with `on`
    "ray": tasks at once, 0 for as many as the cluster has CPUs. `batch_size`: None: by what is done, see
    `run.batch_size`.
    """

    alias: str
    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    prior: str | None = None
    glossaries: tuple[Path, ...] = ()
    resources: Path | None = None
    embedder: Path | None = None
    embed: bool = True
    translate: bool = True
    translate_fields: tuple[str, ...] = ("title",)
    pipeline: bool = True
    batch_size: int | None = None
    dead_letters: Path | None = None
    limit: int | None = None
    url: str | None = None
    shards: int = 1
    replicas: int | None = None
    replayed: Path | None = None
    whole_catalogue: bool = True
    brands: Brands = NO_ALIASES
    fusion: FusionRules | None = None
    translation: TranslationConfig = DICTIONARIES_ALONE
    into: str | None = None
    deletes: Deletes = "feed"
    max_delete_fraction: float = MAX_DELETE_FRACTION
    rewrite: bool = False
    patience_s: float = PATIENCE_S
    manifest: Path | None = None
    metrics: Path | None = None
    images: ImageConfig | None = None
    workers: int = 0
    on: On = "here"

    def plan(self, languages: tuple[str, ...], *, translates: bool = False) -> Plan:
        """Return what other processes build their stages from; services and budgets stay in this one."""
        return Plan(
            self.alias,
            languages,
            self.prior,
            self.brands.pairs(),
            self.resources,
            knows=self.translate,
            translates=translates and is_local(self.translation),
            translated_fields=self.translate_fields,
            protect=tuple(self.translation.protect),
            embeds=self.embed,
            embedder=self.embedder,
            images=self.images,
        )

    def book_rules(self) -> BookRules:
        """Return what may be deleted, and whether bookmarks are kept."""
        whole = self.whole_catalogue and self.limit is None
        return BookRules(self.deletes, self.max_delete_fraction, whole, self.fusion is not None)


def ingest(
    feeds: Sequence[Feed],
    options: RunOptions,
    *,
    tell: Callable[[str], None] = lambda message: None,
    on_batch: Callable[[Tally], None] = lambda tally: None,
) -> RunReport:
    """Bring feeds into the index behind an alias, and make it searchable through a pipeline of the same name.

    Repeating a run gives the same index and writes only what changed. What a feed read to its end no longer holds is
    deleted, see `RunOptions.deletes`. An installed pipeline is left as it is: somebody may have tuned it. A manifest
    of the run is written, also when it fails.

    Args:
        feeds: read one after the other, twice when there is a translator (first for its vocabulary).
        options: see `RunOptions`.
        tell: told what is about to happen where that takes a while.
        on_batch: called after each written batch.

    Raises:
        LockedError: another run writes into the index.
        PolyrankError: the cluster, the index, a model, a glossary or a feed cannot be used; the message says which.
            What was acknowledged until then stays, and the next run goes on from there.
    """
    record = RunRecord(options.alias, tuple(feed.name for feed in feeds), options.manifest, options.metrics)
    with failures_recorded(record):
        client = connect(options.url)
        with locked(options.into or options.alias, cluster_id(client)), seldom_searched():
            report = _run(client, feeds, options, record, tell, on_batch)
    told: dict[str, Any] = {"notes": list(report.notes), "refused": list(report.refused)}
    told["dead_letters_waiting"] = report.unindexed
    record.write(report.exit_code, details={**told, "drift": report.drift, "schemas": report.schemas})
    return report


def _run(
    client: OpenSearch,
    feeds: Sequence[Feed],
    options: RunOptions,
    record: RunRecord,
    tell: Callable[[str], None],
    on_batch: Callable[[Tally], None],
) -> RunReport:
    start = perf_counter()
    resources = load_resources(options.resources)
    for path in options.glossaries:
        write_glossary(resources.folder, glossary_name(path), path)
    embedder = load_embedder(options.embedder) if options.embed else None
    images = open_images(options.images)
    pictures = images.vector if images else None
    spec = IndexSpec(options.languages, vector_field(embedder), options.shards, options.replicas, pictures)
    index = options.into or _index(client, options.alias, spec, tell)
    pipeline = _pipeline(client, index, options)
    meta = read_meta(client, index)
    images = images or images_of_index(meta, index)
    fields = _field(meta, embedder), Patience(options.patience_s), _image_field(meta, images)
    target = Target(client, index, tuple(meta["languages"]), *fields)
    translators = load_translators(resources) if options.translate else None
    working = translators if _can_translate(translators, options) else None
    plan = options.plan(target.languages, translates=working is not None)
    kept_images = None if options.rewrite else target.images
    bare = replace(bare_stages(plan, translators), images=images, kept_images=kept_images)
    record.fingerprints = _fingerprints(target.languages, options, working, embedder, images)
    with (
        ThreadPoolExecutor(2, thread_name_prefix="ending") as beside,
        open_books(options.alias, target, record.fingerprints, rewrite=options.rewrite, tell=tell) as ledger,
    ):
        record.started(index, ledger.version)
        rules = options.book_rules()
        before = begin_feeds(ledger, feeds, rules)
        limited, memory = None, None
        if working is not None:
            tell("compiling dictionaries and counting the catalogue's words ...")
            working.prepare(target.languages)
            if options.whole_catalogue:
                reading = replace(plan, translates=False, embeds=False, images=None)
                with closing(open_lanes(options.on, options.workers, reading, bare)) as lanes:
                    counted = count_words(read_chunks(feeds, options.batch_size or BATCH_SIZE, options.limit), lanes)
                if all_whole(feeds):
                    for packed in pack_words(resources.folder, options.alias, counted):
                        packed.write()
            limited = build_translator(options.translation, partial(working.translator, options.alias))
            memory = open_memory(options.alias, limited, plan.protect)
        counter = VocabularyCounter() if options.whole_catalogue and memory is None else None
        sink = target.sink(ledger.version)
        stages = replace(bare, memory=memory, embedder=embedder, kept_vectors=target.vectors)
        stages = replace(stages, template=embedder.template if embedder else None)
        if limited is not None:
            stages = replace(stages, untranslated=limited.spent.left_out)
        vectorize = title_vectors(embedder, memory) if embedder else None
        words: list[Future[tuple[Packed, Packed]]] = []  # one, once the feeds were read

        def nearing_end() -> None:
            """Do what may be done before all is acknowledged, so that less is left after it."""
            beside.submit(target.refresh)
            if counter is not None and all_whole(feeds):  # changes alone are not the catalogue's words
                words.append(beside.submit(pack_words, resources.folder, options.alias, counter))

        with (
            _letter_file(options) as letters,
            closing(memory) if memory is not None else nullcontext(),
            closing(open_lanes(options.on, options.workers, plan, stages)) as lanes,
            _impatient_on_failure(target.patience),
            filling(client, index, target.patience),
        ):
            run_stages(
                _items(feeds, options, stages, lanes, record.tally, vectorize),
                stages,
                sink,
                letters,
                lanes=lanes,
                on_batch=on_batch,
                counter=counter,
                ledger=ledger,
                tally=record.tally,
                writers=WRITERS,
                nearing_end=nearing_end,
            )
            waiting = [
                beside.submit(target.refresh),
                *[beside.submit(_write, one) for one in words],
            ]
            letters.settle(None if letters.replayed else settled_feeds(feeds, rules))
        ending = end_feeds(ledger, feeds, before, sink, rules, record.tally)
        notes = (*ending.notes, *_settle_letters(letters, options))
        for one in waiting:
            one.result()
    if record.tally.deleted:
        target.refresh()  # they went meanwhile
    return RunReport(
        alias=options.alias,
        index=index,
        feeds=tuple(feed.name for feed in feeds),
        tally=record.tally,
        seconds=perf_counter() - start,
        embedder=embedder.manifest.name if embedder else None,
        translator=_translator_sentence(translators, limited, options.translation),
        pipeline=pipeline,
        dead_letters=letters.path if letters.count else None,
        waiting_letters=letters.waiting,
        notes=notes,
        refused=ending.refused,
        schemas=ending.schemas,
        drift=ending.drift,
    )


def rehearse(
    feeds: Sequence[Feed], options: RunOptions, *, on_batch: Callable[[Tally], None] = lambda tally: None
) -> RunReport:
    """Tell what `ingest` would write and delete. Changes neither the index nor anything that runs keep."""
    start = perf_counter()
    client = connect(options.url)
    resources = load_resources(options.resources)
    index = find_index(client, options.alias)
    embedder = load_embedder(options.embedder) if options.embed else None
    translators = load_translators(resources) if options.translate else None
    working = translators if _can_translate(translators, options) else None
    languages, target = options.languages, None
    if index is not None:
        served = tuple(read_meta(client, index)["languages"])
        languages = tuple(dict.fromkeys([*served, *options.languages]))
        target = Target(client, index, languages, VECTOR_FIELD, Patience(0.0))
    plan = replace(options.plan(languages), embeds=False, images=None)
    images = open_images(options.images) or (images_of_index(read_meta(client, index), index) if index else None)
    stages = replace(bare_stages(plan, translators), images=images, sees=False)
    fingerprint = _fingerprints(languages, options, working, embedder, images)
    tally, rules = Tally(), options.book_rules()
    with (
        TemporaryDirectory() as folder,
        open_books(options.alias, target, fingerprint, rewrite=options.rewrite, copy=True) as ledger,
        DeadLetterFile(Path(folder) / "dead.jsonl") as letters,
        closing(open_lanes(options.on, options.workers, plan, stages)) as lanes,
    ):
        before = begin_feeds(ledger, feeds, rules)
        sink = RehearsalSink(ledger.state)
        vectorize = title_vectors(embedder, None) if embedder else None
        items = _items(feeds, options, stages, lanes, tally, vectorize)
        run_stages(items, stages, sink, letters, lanes=lanes, on_batch=on_batch, ledger=ledger, tally=tally)
        ending = end_feeds(ledger, feeds, before, sink, rules, tally)
    return RunReport(
        alias=options.alias,
        index=index or f"{options.alias}-000001, to be made",
        feeds=tuple(feed.name for feed in feeds),
        tally=tally,
        seconds=perf_counter() - start,
        embedder=None,
        translator=NO_TRANSLATION,
        pipeline="not touched",
        dead_letters=None,
        notes=ending.notes,
        refused=ending.refused,
        schemas=ending.schemas,
        drift=ending.drift,
        dry_run=True,
    )


def _index(client: OpenSearch, alias: str, spec: IndexSpec, tell: Callable[[str], None]) -> str:
    """Return the index behind the alias, made where there is none."""
    new = find_index(client, alias) is None
    index = ensure_index(client, alias, spec, tell=tell)
    if new:
        begin_filling(client, index)
    return index


@contextmanager
def _impatient_on_failure(patience: Patience) -> Iterator[None]:
    """Let threads that still write when the block fails end at the next answer of a busy cluster."""
    try:
        yield
    except BaseException:
        patience.give_up()
        raise


def _items(
    feeds: Sequence[Feed],
    options: RunOptions,
    stages: Stages,
    lanes: Lanes,
    tally: Tally,
    vectorize: Vectorize | None,
) -> Iterable[Chunk | Batch]:
    size = options.batch_size or batch_size(stages)
    chunks = read_chunks(feeds, size, options.limit, first=growing(size))
    if options.fusion is None:
        return chunks
    prepared = (check(batch, stages) for batch in lanes.run((prepare,), chunks))
    return fuse_batches(count_languages(prepared, tally), Fusion(options.fusion, vectorize), size)


def _can_translate(translators: Translators | None, options: RunOptions) -> bool:
    return translators is not None and (translators.available or bool(options.translation.engine))


def _fingerprints(
    languages: Sequence[str],
    options: RunOptions,
    translators: Translators | None,
    embedder: SentenceEmbedder | None,
    images: Images | None,
) -> dict[str, Any]:
    """Return what a document goes through: when it changes, every document is made again."""
    translation = None
    if translators is not None:
        asked = [[one.kind, one.url, one.model, one.source, one.target] for one in options.translation.engine]
        translation = {
            "dictionaries": translators.translator(options.alias).version,
            "engines": asked,
            "fields": list(options.translate_fields),
            "protect": list(options.translation.protect),
        }
    vectors = None
    if embedder is not None:
        vectors = {"model": embedder.fingerprint, "template": embedder.template.to_json()}
    found = {"languages": list(languages), "translation": translation, "vectors": vectors}
    return found if images is None else {**found, "images": images.fingerprint()}


def _field(meta: Mapping[str, Any], embedder: SentenceEmbedder | None) -> str:
    """Return the field for the embedder's vectors."""
    return (vector_field_of(meta, embedder.fingerprint) if embedder else None) or VECTOR_FIELD


def _image_field(meta: Mapping[str, Any], images: Images | None) -> str:
    """Return the field for vectors of images."""
    return (image_field_of(meta, images.vector) if images else None) or IMAGE_FIELD


def glossary_name(path: Path) -> str:
    """Return the name a glossary file has among the resources: its own, without folders and suffixes."""
    return path.name.removesuffix(".gz").removesuffix(".tsv")


def vector_field(embedder: SentenceEmbedder | None) -> VectorField | None:
    """Return what an index says of the embedder's vectors; None without one."""
    if embedder is None:
        return None
    return VectorField(embedder.fingerprint, embedder.dimension, embedder.manifest.name)


def _pipeline(client: OpenSearch, index: str, options: RunOptions) -> str:
    """Install the alias' pipeline unless there is one; return what was done in a word or two."""
    if not options.pipeline:
        return "not installed (--no-pipeline)"
    if find_pipeline(client, options.alias) is not None:
        return "kept as it was"
    install_pipeline(client, options.alias, config_for(read_meta(client, index), options.alias))
    return "installed"


def _write(words: Future[tuple[Packed, Packed]]) -> None:
    for one in words.result():
        one.write()


def _translator_sentence(translators: Translators | None, limited: Limited | None, config: TranslationConfig) -> str:
    if translators is None:
        return NO_TRANSLATION
    said = f"Translating with {limited.name}." if limited and config.engine else translators.describe()
    return said if limited is None else f"{said} {limited.spent.describe(config.budget())}"


def _letter_file(options: RunOptions) -> DeadLetterFile:
    path = options.dead_letters or letters_path(options.into or options.alias)
    return DeadLetterFile(path, replayed=options.replayed is not None and _same_file(path, options.replayed))


def _settle_letters(letters: DeadLetterFile, options: RunOptions) -> list[str]:
    """Let a file go whose letters were replayed into another one; say what became of the letters of earlier runs."""
    said = []
    if letters.waiting:
        said.append(
            f"{letters.waiting} dead letters of earlier runs wait in {letters.path}, because this run did not read"
            f" their records again: ingest replay {letters.path} --index {options.alias}"
        )
    if options.replayed is not None and not letters.replayed:
        options.replayed.unlink(missing_ok=True)
    if options.replayed is not None and not letters.count:
        said.append(f"nothing waits in {options.replayed} any more: it was removed")
    return said


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
