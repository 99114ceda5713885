"""One run from what the shell said: finds the cluster, models, translators and index, runs the stages, reports."""

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter

from ingest.clean import NO_ALIASES, Brands
from ingest.dead_letters import DeadLetterFile
from ingest.feeds import Feed
from ingest.fusion.config import FusionRules
from ingest.fusion.fuse import Fusion
from ingest.fusion.stage import fuse_batches, title_vectors
from ingest.report import RunReport, Tally
from ingest.run import BATCH_SIZE, Stages, count_words, read_batches, run_stages
from ingest.sinks import IndexSink
from ingest.translate import TranslationMemory
from ingest.translation_store import TranslationStore
from ingest.translators import DICTIONARIES_ALONE, TranslationConfig, build_translator
from plugin.client import OpenSearch, cluster_errors, connect
from plugin.index import DEFAULT_LANGUAGES, IndexSpec, VectorField, ensure_index, read_meta
from plugin.pipelines import config_for, find_pipeline, install_pipeline
from rerank.embedder import SentenceEmbedder, load_embedder
from rerank.field_values import write_values
from rerank.home import polyrank_home
from rerank.language import ScriptDetector, load_detector
from rerank.resources import load_resources, write_glossary
from rerank.translation.chain import Limited
from rerank.translation.load import Translators, load_translators
from rerank.vocabulary import VocabularyCounter, write_vocabulary

NO_TRANSLATION = "off"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to ingest into and with what. None means the default: `resources` and `dead_letters` below
    `polyrank_home()`, the shipped embedder, the running node.

    `fusion` None: every record is a document. `whole_catalogue`: the feeds are all there is, so their words replace
    the alias' vocabulary. `into`: an existing index to fill beside the one behind the alias; None: that one.
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
    batch_size: int = BATCH_SIZE
    dead_letters: Path | None = None
    limit: int | None = None
    url: str | None = None
    shards: int = 1
    replicas: int | None = None
    whole_catalogue: bool = True
    brands: Brands = NO_ALIASES
    fusion: FusionRules | None = None
    translation: TranslationConfig = DICTIONARIES_ALONE
    into: str | None = None


def ingest(
    feeds: Sequence[Feed],
    options: RunOptions,
    *,
    tell: Callable[[str], None] = lambda message: None,
    on_batch: Callable[[Tally], None] = lambda tally: None,
) -> RunReport:
    """Bring feeds into the index behind an alias, and make it searchable through a pipeline of the same name.

    Repeating a run gives the same index. An installed pipeline is left as it is: somebody may have tuned it.

    Args:
        feeds: read one after the other, twice when there is a translator (first for its vocabulary).
        options: see `RunOptions`.
        tell: told what is about to happen where that takes a while.
        on_batch: called after each written batch.

    Raises:
        PolyrankError: the cluster, the index, a model, a glossary or a feed cannot be used; the message says which.
    """
    start = perf_counter()
    client = connect(options.url)
    resources = load_resources(options.resources)
    for path in options.glossaries:
        write_glossary(resources.folder, glossary_name(path), path)
    embedder = load_embedder(options.embedder) if options.embed else None
    spec = IndexSpec(options.languages, vector_field(embedder), options.shards, options.replicas)
    index = options.into or ensure_index(client, options.alias, spec)
    pipeline = _pipeline(client, index, options)
    languages = tuple(read_meta(client, index)["languages"])
    translators = load_translators(resources) if options.translate else None
    detector = load_detector(languages, knowledge=translators.knowledge if translators else None, thorough=True)
    bare = Stages(detector, ScriptDetector(), languages, options.prior, translated_fields=options.translate_fields)
    limited, memory = None, None
    if translators is not None and (translators.available or options.translation.engine):
        tell("compiling dictionaries and counting the catalogue's words ...")
        translators.prepare(languages)
        if options.whole_catalogue:
            _write_vocabulary(
                resources.folder,
                options,
                count_words(read_batches(feeds, options.batch_size, options.limit, options.brands), bare),
            )
        limited = build_translator(options.translation, partial(translators.translator, options.alias))
        memory = _memory(limited, options)
    counter = VocabularyCounter() if options.whole_catalogue and memory is None else None
    stages = _stages(bare, memory, embedder)
    with (
        DeadLetterFile(options.dead_letters or _dead_letter_path(options.alias)) as letters,
        closing(memory) if memory is not None else nullcontext(),
    ):
        batches = read_batches(feeds, options.batch_size, options.limit, options.brands)
        if options.fusion is not None:
            vectorize = title_vectors(embedder, memory) if embedder is not None else None
            batches = fuse_batches(batches, bare, Fusion(options.fusion, vectorize), options.batch_size)
        sink = IndexSink(client, index, languages)
        tally = run_stages(batches, stages, sink, letters, on_batch=on_batch, counter=counter)
    with cluster_errors(f"refresh {index}"):
        client.indices.refresh(index=index)
    if counter is not None:
        _write_vocabulary(resources.folder, options, counter)
    return RunReport(
        alias=options.alias,
        index=index,
        feeds=tuple(feed.name for feed in feeds),
        tally=tally,
        seconds=perf_counter() - start,
        embedder=embedder.manifest.name if embedder else None,
        translator=_translator_sentence(translators, limited, options.translation),
        pipeline=pipeline,
        dead_letters=letters.path if letters.count else None,
    )


def _memory(translator: Limited, options: RunOptions) -> TranslationMemory:
    """Return the translator's memory of this run and of earlier ones for the alias."""
    path = polyrank_home() / "translations" / f"{options.alias}.sqlite"
    store = TranslationStore(path, translator.name, translator.version)
    return TranslationMemory(translator, store=store, protect=options.translation.protect)


def _stages(bare: Stages, memory: TranslationMemory | None, embedder: SentenceEmbedder | None) -> Stages:
    return replace(bare, memory=memory, embedder=embedder, template=embedder.template if embedder else None)


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


def _write_vocabulary(folder: Path, options: RunOptions, counter: VocabularyCounter) -> None:
    write_vocabulary(folder, options.alias, counter.vocabulary())
    write_values(folder, options.alias, counter.values.rows())


def _translator_sentence(translators: Translators | None, limited: Limited | None, config: TranslationConfig) -> str:
    if translators is None:
        return NO_TRANSLATION
    said = f"Translating with {limited.name}." if limited and config.engine else translators.describe()
    return said if limited is None else f"{said} {limited.spent.describe(config.budget())}"


def _dead_letter_path(alias: str) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return polyrank_home() / "dead-letters" / f"{alias}-{moment}.jsonl"
