"""A cascade: a fast reranker orders everything, a better one the head of that order."""

from collections.abc import Sequence

import numpy as np

from rerank.protocols import Pair, Scorer, Scores


class Cascade:
    """Scores each batch with `first`, and its best `head` pairs of each query again with `second`.

    The head keeps its place before the rest: its scores are squeezed into the upper half of 0..1, the others into the
    lower. So the order is meaningful, the numbers are no probabilities.
    """

    def __init__(self, first: Scorer, second: Scorer, head: int) -> None:
        """Join two scorers.

        Args:
            first: scores every pair.
            second: scores the head.
            head: pairs of each query that `second` reads, at least 1.
        """
        if head < 1:
            raise ValueError("a cascade's head holds at least one pair")
        self._first, self._second, self._head = first, second, head
        self.fingerprint = f"cascade-{head}:{first.fingerprint}:{second.fingerprint}"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Score each pair: float32 (n,), 0..1."""
        scores = self._first.score(pairs) / 2
        rows: dict[str, list[int]] = {}
        for index, pair in enumerate(pairs):
            rows.setdefault(pair.query, []).append(index)
        head = [
            index
            for indices in rows.values()
            for index in sorted(indices, key=lambda place: -scores[place])[: self._head]
        ]
        scores[head] = 0.5 + self._second.score([pairs[index] for index in head]) / 2
        return np.asarray(scores, np.float32)
