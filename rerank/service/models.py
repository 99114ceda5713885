"""The models behind the service: what is loaded, what understands queries, and whether all is warm."""

import logging
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.bundle import MANIFEST, has_default
from rerank.devices import CPU
from rerank.resources import Resources, load_resources
from rerank.service.batcher import BatchLimits
from rerank.service.dictionaries import start_compiling
from rerank.service.faults import NotReady, UnknownModel
from rerank.service.served import ServedEmbedder, ServedReranker
from rerank.service.shelf import Shelf
from rerank.session import SessionOptions
from rerank.translation.load import Translators, load_translators
from rerank.understanding.language import LanguageDetector, load_detector
from rerank.understanding.understand import Question, Understander

log = logging.getLogger("rerank.service")

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt", "pl", "sv", "ja", "zh")
"""Languages that queries are told apart in."""

WARM_UP = Question("wireless headphones", locale="en")  # nothing to translate: compiles no dictionary

GPU_BATCH_TOKENS = 16_384
THREADS_PER_BATCH = 4
"""More gain little on one batch."""


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Which bundles and resources to serve; none named takes the shipped bundle, or `polyrank_home()/resources`.

    The first embedder and the first reranker are the defaults. `dictionaries` names a folder of dictd files; None takes
    those that are installed. `shelf` is the folder whose bundles may be loaded while serving; None forbids it.
    """

    embedders: tuple[Path, ...] = ()
    rerankers: tuple[Path, ...] = ()
    resources: Path | None = None
    dictionaries: Path | None = None
    shelf: Path | None = None


@dataclass(frozen=True, slots=True)
class Workers:
    """What computes: CPU threads, shared among batches by fours, or one worker that feeds a GPU; `providers` as in
    `SessionOptions`.

    The threads of one batch read the weights together. Batches of one thread each, side by side, each read all of them,
    and took half as long again for 50 products on two cores (`python -m bench.service_latency`, 716 and 463 ms).
    """

    threads: int = 1
    providers: tuple[str, ...] | None = CPU

    @property
    def gpu(self) -> bool:
        """Whether a GPU is wanted."""
        return self.providers is None or self.providers[0] != CPU[0]

    def reranking(self) -> tuple[SessionOptions, BatchLimits]:
        """Return how to run a reranker, and its batches."""
        threads = min(self.threads, THREADS_PER_BATCH)
        return self._session(threads), self._limits(max(1, self.threads // THREADS_PER_BATCH))

    def embedding(self) -> tuple[SessionOptions, BatchLimits]:
        """Return how to run an embedder, and its batches: a query is one short text, two threads make it no faster."""
        return self._session(1), self._limits(1)

    def _session(self, threads: int) -> SessionOptions:
        return SessionOptions(threads=threads, providers=self.providers)

    def _limits(self, workers: int) -> BatchLimits:
        return BatchLimits(workers=1, batch_tokens=GPU_BATCH_TOKENS) if self.gpu else BatchLimits(workers=workers)


class Models:
    """Embedders, rerankers and what understands queries. Bundles load at once, the rest in `warm_up`."""

    def __init__(self, paths: ModelPaths, workers: Workers) -> None:
        """Load and verify the bundles. Without a shipped reranker and a path to one, there is none.

        Raises:
            BundleError: a bundle is missing or changed, or the device is not there.
        """
        self._paths = paths
        self.embedders = Shelf("embed", lambda path: ServedEmbedder(path, *workers.embedding()))
        self.rerankers = Shelf("rerank", lambda path: ServedReranker(path, *workers.reranking()))
        for path in paths.embedders or (None,):
            self.embedders.add(path)
        for path in paths.rerankers or ((None,) if has_default("rerank") else ()):
            self.rerankers.add(path)
        if not self.rerankers.all():
            log.warning("no reranker bundle is installed: /rerank will answer 503; name one with --reranker")
        self._lock = threading.Lock()
        self._language: tuple[Resources, LanguageDetector, Translators] | None = None
        self._understanders: dict[str, tuple[ServedEmbedder, Understander]] = {}

    @property
    def ready(self) -> bool:
        """False until `warm_up` is done."""
        return self._language is not None

    def shelf(self, task: str) -> Shelf[Any]:
        """Return the models of a task.

        Raises:
            UnknownModel: there is no such task.
        """
        if task not in ("embed", "rerank"):
            raise UnknownModel(f"no model has the task {task[:40]!r}; there are embed and rerank")
        return self.embedders if task == "embed" else self.rerankers

    def bundle(self, name: str) -> Path:
        """Return the folder of a bundle that may be loaded while serving, by its plain name.

        Raises:
            UnknownModel: there is none, or no folder of models was given.
        """
        if self._paths.shelf is None:
            raise UnknownModel("this instance loads no models; start it with --models FOLDER")
        path = self._paths.shelf / name
        if Path(name).name != name or name in (".", "..") or not (path / MANIFEST).is_file():
            raise UnknownModel(f"the models folder has no bundle {name[:80]!r}")
        return path

    def warm_up(self) -> float:
        """Load detector and translators and understand one query; return the seconds it took.

        Raises:
            PolyrankError: a resource cannot be read.
        """
        started = time.perf_counter()
        resources = load_resources(self._paths.resources)
        own = self._paths.dictionaries
        # No query waits a minute for a dictionary, nor the queries behind it: `compile_dictionaries` makes them beside.
        translators = load_translators(resources, dictionaries=own, compiles=own is not None)
        log.info("%s", translators.describe())
        detector = load_detector(LANGUAGES, knowledge=translators.knowledge)
        language = (resources, detector, translators)
        self._build(self.embedders.choose(), language).understand(WARM_UP)
        self._language = language
        return time.perf_counter() - started

    def language(self) -> tuple[LanguageDetector, Translators]:
        """Return what tells and translates languages.

        Raises:
            NotReady: before `warm_up` is done.
        """
        if self._language is None:
            raise NotReady("the models are warming up")
        return self._language[1:]

    def understander(self, embedder: ServedEmbedder) -> Understander:
        """Return what understands queries for an embedder; it keeps the vectors of repeated queries.

        Raises:
            NotReady: before `warm_up` is done.
        """
        language, name = self._language, embedder.manifest.name
        if language is None:
            raise NotReady("the models are warming up")
        with self._lock:
            known = self._understanders.get(name)
            if known is None or known[0] is not embedder:
                known = (embedder, self._build(embedder, language))
                loaded = self.embedders.all()
                kept = {key: pair for key, pair in self._understanders.items() if pair[0] in loaded}
                self._understanders = {**kept, name: known}
            return known[1]

    def compile_dictionaries(self) -> subprocess.Popen[bytes] | None:
        """Start compiling the installed dictionaries beside the service; None when it uses a folder of its own."""
        embedder = self.embedders.default()
        if self._paths.dictionaries is not None or embedder is None:
            return None
        return start_compiling(LANGUAGES, embedder.languages)

    def compiled(self) -> None:
        """Take note that what was started has ended: a dictionary that is still missing is made for who needs it."""
        if self._language is not None:
            self._language[2].compiles = True

    def describe(self) -> list[dict[str, Any]]:
        """Return what /models says of each bundle."""
        return [*self.embedders.describe(), *self.rerankers.describe()]

    def close(self) -> None:
        """Finish what waits and end the workers."""
        self.embedders.close()
        self.rerankers.close()

    @staticmethod
    def _build(embedder: ServedEmbedder, language: tuple[Resources, LanguageDetector, Translators]) -> Understander:
        resources, detector, translators = language
        return Understander(embedder, detector, translators, resources.vocabulary, resources)
