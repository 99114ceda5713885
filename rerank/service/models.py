"""The models behind the service: loaded bundles, understood queries, and whether they are warm."""

import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rerank.bundle import has_default
from rerank.cross_encoder import CrossEncoder, load_reranker
from rerank.embedder import SentenceEmbedder, load_embedder
from rerank.language import load_detector
from rerank.manifest import Manifest
from rerank.protocols import Pair, Scores
from rerank.resources import load_resources
from rerank.service.dictionaries import start_compiling
from rerank.session import SessionOptions
from rerank.translation.load import load_translators
from rerank.understand import Question, Understander

log = logging.getLogger("rerank.service")

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt", "pl", "sv", "ja", "zh")
"""Languages that queries are told apart in."""

WARM_UP = "wireless headphones"


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Which bundles and resources to serve; None takes the shipped bundle, or `polyrank_home()/resources`.

    `dictionaries` names a folder of dictd files; None takes those that are installed.
    """

    embedder: Path | None = None
    reranker: Path | None = None
    resources: Path | None = None
    dictionaries: Path | None = None


class Models:
    """An embedder, a reranker and what understands queries. Bundles load at once, the rest in `warm_up`."""

    def __init__(self, paths: ModelPaths, threads: int) -> None:
        """Load and verify the bundles. Without a shipped reranker and a path to one, there is none.

        A query is one short text, which two threads would not make faster: the embedder takes one.

        Raises:
            BundleError: a bundle is missing or changed.
        """
        self.embedder: SentenceEmbedder = load_embedder(paths.embedder, SessionOptions(threads=1))
        self.reranker: CrossEncoder | None = _reranker(paths.reranker, SessionOptions(threads=threads))
        self._resources, self._dictionaries = paths.resources, paths.dictionaries
        self._understander: Understander | None = None

    @property
    def understander(self) -> Understander | None:
        """None until `warm_up` is done."""
        return self._understander

    def warm_up(self) -> float:
        """Load detector and translators and run every model once; return the seconds it took.

        Raises:
            PolyrankError: a resource cannot be read.
        """
        started = time.perf_counter()
        resources = load_resources(self._resources)
        translators = load_translators(resources, dictionaries=self._dictionaries)
        log.info("%s", translators.describe())
        detector = load_detector(LANGUAGES, knowledge=translators.knowledge)
        understander = Understander(self.embedder, detector, translators, resources.vocabulary)
        understander.understand(Question(WARM_UP, locale="en"))  # nothing to translate: compiles no dictionary
        if self.reranker is not None:
            self.reranker.score([Pair(WARM_UP, WARM_UP + " bluetooth" * length) for length in (1, 8, 24)])
        self._understander = understander
        return time.perf_counter() - started

    def compile_dictionaries(self) -> subprocess.Popen[bytes] | None:
        """Start compiling the installed dictionaries beside the service; None when it uses a folder of its own."""
        return None if self._dictionaries is not None else start_compiling(LANGUAGES, self.embedder.languages)

    def embed(self, texts: Sequence[str], kind: str) -> list[list[float]]:
        """Embed texts for JSON: lists of `dimension` numbers."""
        embed = self.embedder.embed_documents if kind == "document" else self.embedder.embed_queries
        rows: list[list[float]] = np.round(embed(texts).astype(np.float64), 7).tolist()
        return rows

    def describe(self) -> list[dict[str, Any]]:
        """Return what /models says of each bundle."""
        return [_describe(model.manifest) for model in (self.embedder, self.reranker) if model is not None]


def score(reranker: CrossEncoder, query: str, texts: Sequence[str]) -> tuple[Scores, int, float]:
    """Score one query against texts; return scores, tokens read and seconds."""
    started = time.perf_counter()
    scores, tokens = reranker.score_counting([Pair(query, text) for text in texts])
    return scores, tokens, time.perf_counter() - started


def _reranker(path: Path | None, options: SessionOptions) -> CrossEncoder | None:
    if path is None and not has_default("rerank"):
        log.warning("no reranker bundle is installed: /rerank will answer 503; name one with --reranker")
        return None
    return load_reranker(path, options)


def _describe(manifest: Manifest) -> dict[str, Any]:
    data = manifest.to_json()
    hidden = ("format", "files", "training", "metrics")
    return {key: value for key, value in data.items() if key not in hidden} | {"fingerprint": manifest.fingerprint}
