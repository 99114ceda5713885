"""Trivial implementations of the model Protocols: the floor that a real model must beat, fallbacks and test doubles."""

import hashlib
from collections.abc import Sequence

import numpy as np

from rerank.protocols import Pair, Scores, Vectors


class KeepScorer:
    """Keeps the given order: scores fall with the position in the batch."""

    fingerprint = "keep"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Return (n - i) / (n + 1) for the i-th of n pairs."""
        count = len(pairs)
        return np.arange(count, 0, -1, dtype=np.float32) / np.float32(count + 1)


class ShuffleScorer:
    """Scores by a hash of the pair and a seed: a random order that is the same at every run."""

    def __init__(self, seed: int = 0) -> None:
        """Choose one of the random orders."""
        self.fingerprint = f"shuffle-{seed}"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Return a uniform number 0..1 for each pair."""
        keys = (f"{self.fingerprint}\0{pair.query}\0{pair.document}" for pair in pairs)
        return np.array([_seed(key) / 2**64 for key in keys], np.float32)


class HashEmbedder:
    """Sums a random unit vector for each word: equal words are near, meaning is not known."""

    def __init__(self, dimension: int = 64) -> None:
        """Choose the length of a vector."""
        self.dimension = dimension
        self.fingerprint = f"hash-{dimension}"
        self.languages: tuple[str, ...] = ("en",)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: float32 (n, dimension), unit L2 norm."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                generator = np.random.default_rng(_seed(word))
                vectors[row] += generator.standard_normal(self.dimension).astype(np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    embed_documents = embed_queries


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
