"""The sentence embedder: one unit vector a text, from the token vectors of an ONNX model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rerank.batching import pad, plan_batches
from rerank.bundle import MODEL, TOKENIZER, Bundle, default_bundle, load_bundle
from rerank.errors import BundleError
from rerank.manifest import Manifest, Pooling
from rerank.protocols import Vectors
from rerank.session import Session, SessionOptions
from rerank.template import DocumentTemplate
from rerank.tokenize import Tokenizer, Tokens

MAX_BATCH_TOKENS = 512
"""Small batches stay in the cache of a core: fewer idle positions, and 2048 tokens took more CPU time."""


class SentenceEmbedder:
    """Embeds texts with an ONNX model, pools the token vectors and normalizes."""

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        """Start the model of a verified bundle.

        Raises:
            BundleError: the bundle does not say how to pool.
        """
        manifest = bundle.manifest
        if manifest.pooling is None or manifest.dimension is None:
            raise BundleError(f"{bundle.path} is no embedder: its manifest has no pooling and dimension")
        self.manifest: Manifest = manifest
        self.template: DocumentTemplate = manifest.template
        self.fingerprint: str = bundle.fingerprint
        self.dimension: int = manifest.dimension
        self.languages: tuple[str, ...] = manifest.languages
        self._pooling: Pooling = manifest.pooling
        self._tokenizer = Tokenizer(bundle.path / TOKENIZER, manifest.max_length)
        self._session = Session(bundle.path / MODEL, options, weight_bits=bundle.manifest.weight_bits)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries: float32 (n, dimension), unit L2 norm.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        return self._embed(self.tokenize(texts, "query"))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed documents that `template.render` has glued: float32 (n, dimension), unit L2 norm.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        return self._embed(self.tokenize(texts, "document"))

    def tokenize(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Tokens]:
        """Turn texts, with the prefix of their kind, into what `embed_tokens` takes, in order.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        prefix = self.manifest.query_prefix if kind == "query" else self.manifest.document_prefix
        return self._tokenizer.texts([prefix + text for text in texts])

    def embed_tokens(self, batch: Sequence[Tokens]) -> Vectors:
        """Embed one non-empty batch of tokenized texts in a single run: float32 (n, dimension), unit L2 norm."""
        inputs = pad(batch)
        hidden = self._session.run(inputs)
        if hidden.ndim != 3 or hidden.shape[2] != self.dimension:
            raise BundleError(f"{self.manifest.name} gives {hidden.shape}, not {self.dimension} numbers a token")
        return pool(hidden, inputs["attention_mask"], self._pooling)

    def _embed(self, tokens: Sequence[Tokens]) -> Vectors:
        vectors = np.empty((len(tokens), self.dimension), np.float32)
        for batch in plan_batches([len(item) for item in tokens], MAX_BATCH_TOKENS):
            vectors[batch] = self.embed_tokens([tokens[index] for index in batch])
        return vectors


def pool(hidden: NDArray[np.float32], mask: NDArray[np.int64], pooling: Pooling) -> Vectors:
    """Pool token vectors (n, tokens, dimension) under a mask (n, tokens) into unit vectors (n, dimension).

    Source: Reimers, Gurevych, 2019, arXiv:1908.10084 (mean over the tokens that are not padding).
    """
    if pooling == "cls":
        pooled = hidden[:, 0]
    else:
        weights = mask[..., None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    norms = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return np.asarray(pooled / norms, np.float32)


def load_embedder(path: Path | None = None, options: SessionOptions | None = None) -> SentenceEmbedder:
    """Load the embedder bundle at `path`, or the shipped one.

    Raises:
        BundleError: there is none, it was changed, or it is for another task.
    """
    return SentenceEmbedder(load_bundle(path or default_bundle("embed"), "embed"), options)
