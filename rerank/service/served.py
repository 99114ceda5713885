"""A loaded bundle with the batcher before it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from rerank.cross_encoder import CrossEncoder, load_reranker
from rerank.embedder import SentenceEmbedder, load_embedder
from rerank.manifest import Manifest
from rerank.protocols import Pair, Vectors
from rerank.service.batcher import Batcher, BatchLimits, result_of
from rerank.service.work import Work
from rerank.session import SessionOptions
from rerank.template import DocumentTemplate
from rerank.tokenize import Tokens

WARM_UP = "wireless headphones"
QUERY_PATIENCE_S = 2.0
"""A query goes before documents that are embedded meanwhile."""


class ServedReranker:
    """A cross-encoder that scores the pairs of several requests in shared batches."""

    def __init__(self, path: Path | None, options: SessionOptions, limits: BatchLimits) -> None:
        """Load and verify the bundle at `path`, or the shipped one.

        Raises:
            BundleError: it is missing, changed or for another task.
        """
        self.path = path
        self._model: CrossEncoder = load_reranker(path, options)
        self.manifest: Manifest = self._model.manifest
        self.template: DocumentTemplate = self._model.template
        self.fingerprint: str = self._model.fingerprint
        self.batcher = Batcher(f"rerank-{self.manifest.name}", self._model.score_tokens, limits)

    def tokenize(self, query: str, texts: Sequence[str]) -> tuple[list[int], list[Tokens]]:
        """Return the places of the texts that are not blank, and their tokens; a blank text scores 0.0 unread.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        read = [place for place, text in enumerate(texts) if text.strip()]
        return read, self._model.tokenize([Pair(query, texts[place]) for place in read])

    def admit(self, deadline: float | None) -> None:
        """Refuse at once what cannot end in time; see `Batcher.admit`."""
        self.batcher.admit(deadline)

    def submit(self, tokens: Sequence[Tokens], deadline: float | None, *, anytime: bool) -> Work:
        """Queue one request's pairs; see `Batcher.submit`."""
        return self.batcher.submit(tokens, deadline=deadline, anytime=anytime)

    def warm_up(self) -> None:
        """Score a few pairs of different length."""
        self._model.score([Pair(WARM_UP, WARM_UP + " bluetooth" * length) for length in (1, 8, 24)])


class ServedEmbedder:
    """An embedder whose queries and documents share batches, queries first. A `rerank.protocols.Embedder`."""

    def __init__(self, path: Path | None, options: SessionOptions, limits: BatchLimits) -> None:
        """Load and verify the bundle at `path`, or the shipped one.

        Raises:
            BundleError: it is missing, changed or for another task.
        """
        self.path = path
        self._model: SentenceEmbedder = load_embedder(path, options)
        self.manifest: Manifest = self._model.manifest
        self.template: DocumentTemplate = self._model.template
        self.fingerprint: str = self._model.fingerprint
        self.dimension: int = self._model.dimension
        self.languages: tuple[str, ...] = self._model.languages
        self.batcher = Batcher(f"embed-{self.manifest.name}", self._model.embed_tokens, limits)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries before any documents: float32 (n, dimension), unit L2 norm. Blocks.

        Raises:
            Overloaded: too much is waiting.
            ModelInputError: a text holds a lone surrogate.
        """
        return self._whole(self.submit(self.tokenize(texts, "query"), time.monotonic() + QUERY_PATIENCE_S))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed documents: float32 (n, dimension), unit L2 norm. Blocks; raises as `embed_queries`."""
        return self._whole(self.submit(self.tokenize(texts, "document"), None))

    def tokenize(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Tokens]:
        """Tokenize texts with the prefix of their kind.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        return self._model.tokenize(texts, kind)

    def submit(self, tokens: Sequence[Tokens], deadline: float | None) -> Work:
        """Queue one request's texts; see `Batcher.submit`."""
        return self.batcher.submit(tokens, deadline=deadline)

    def warm_up(self) -> None:
        """Embed one query."""
        self._model.embed_queries([WARM_UP])

    def _whole(self, work: Work) -> Vectors:
        rows = result_of(work.future)
        return rows.reshape(-1, self.dimension).astype(np.float32, copy=False)


Served = ServedReranker | ServedEmbedder
