"""The cross-encoder: reads a query and a document together and says how probable it is that one answers the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank.batching import pad, plan_batches
from rerank.bundle import MODEL, TOKENIZER, Bundle, default_bundle, load_bundle
from rerank.errors import BundleError
from rerank.manifest import Calibration, Manifest
from rerank.protocols import Pair, Scores
from rerank.session import Session, SessionOptions
from rerank.template import DocumentTemplate
from rerank.tokenize import Tokenizer, Tokens

MAX_BATCH_TOKENS = 512
"""Small batches stay in the cache of a core: fewer idle positions, and 2048 tokens took more CPU time."""


class CrossEncoder:
    """Scores pairs with an ONNX model, sorted by length and batched by tokens; order is restored."""

    def __init__(self, bundle: Bundle, options: SessionOptions | None = None) -> None:
        """Start the model of a verified bundle."""
        self.manifest: Manifest = bundle.manifest
        self.template: DocumentTemplate = bundle.manifest.template
        self.fingerprint: str = bundle.fingerprint
        self._tokenizer = Tokenizer(bundle.path / TOKENIZER, bundle.manifest.max_length)
        self._session = Session(bundle.path / MODEL, options, weight_bits=bundle.manifest.weight_bits)
        self.providers: tuple[str, ...] = self._session.providers

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Score each pair: float32 (n,), 0..1. A pair with a blank document scores 0.0 without being read.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        return self.score_counting(pairs)[0]

    def score_counting(self, pairs: Sequence[Pair]) -> tuple[Scores, int]:
        """Score as `score` does; return the number of tokens read, padding apart, as well."""
        read = [index for index, pair in enumerate(pairs) if pair.document.strip()]
        logits, tokens = self._logits([pairs[index] for index in read])
        scores = np.zeros(len(pairs), np.float32)
        scores[read] = activate(self.manifest, logits)
        return scores, tokens

    def logits(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        """Return the model's raw output, float32 (n,), before activation and calibration."""
        return self._logits(pairs)[0]

    def tokenize(self, pairs: Sequence[Pair]) -> list[Tokens]:
        """Turn pairs into what `score_tokens` takes, in order.

        Raises:
            ModelInputError: a text holds a lone surrogate.
        """
        prefixes = self.manifest.query_prefix, self.manifest.document_prefix
        if any(prefixes):
            pairs = [Pair(prefixes[0] + pair.query, prefixes[1] + pair.document) for pair in pairs]
        return self._tokenizer.pairs(pairs)

    def score_tokens(self, batch: Sequence[Tokens]) -> Scores:
        """Score one non-empty batch of tokenized pairs in a single run: float32 (n,), 0..1."""
        return activate(self.manifest, self._run(batch))

    def _logits(self, pairs: Sequence[Pair]) -> tuple[NDArray[np.float32], int]:
        tokens = self.tokenize(pairs)
        lengths = [len(item) for item in tokens]
        logits = np.empty(len(pairs), np.float32)
        for batch in plan_batches(lengths, MAX_BATCH_TOKENS):
            logits[batch] = self._run([tokens[index] for index in batch])
        return logits, sum(lengths)

    def _run(self, batch: Sequence[Tokens]) -> NDArray[np.float32]:
        output = self._session.run(pad(batch))
        if output.shape != (len(batch), 1) and output.shape != (len(batch),):
            raise BundleError(f"{self.manifest.name} gives {output.shape} for {len(batch)} pairs, not one score each")
        return output.reshape(len(batch))


def activate(manifest: Manifest, logits: NDArray[np.float32]) -> Scores:
    """Turn logits into probabilities: sigmoid(scale * logit + shift); `identity` only clips to 0..1.

    Source: Platt, 1999, Probabilistic Outputs for Support Vector Machines.
    """
    if manifest.activation == "identity":
        return np.clip(logits, 0.0, 1.0)
    calibration = manifest.calibration or Calibration()
    scaled = np.clip(calibration.scale * logits.astype(np.float64) + calibration.shift, -80.0, 80.0)
    return (1.0 / (1.0 + np.exp(-scaled))).astype(np.float32)


def load_reranker(path: Path | None = None, options: SessionOptions | None = None) -> CrossEncoder:
    """Load the reranker bundle at `path`, or the shipped one.

    Raises:
        BundleError: there is none, it was changed, or it is for another task.
    """
    return CrossEncoder(load_bundle(path or default_bundle("rerank"), "rerank"), options)
