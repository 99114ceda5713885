from collections.abc import Sequence

import numpy as np
import pytest

from rerank.baselines import KeepScorer, ShuffleScorer
from rerank.cascade import Cascade
from rerank.protocols import Pair, Scorer, Scores
from tests.contracts import ScorerContract


class Counting:
    """Scores by the number in the document and remembers what it read."""

    fingerprint = "counting"

    def __init__(self) -> None:
        self.read: list[str] = []

    def score(self, pairs: Sequence[Pair]) -> Scores:
        self.read += [pair.document for pair in pairs]
        return np.array([int(pair.document) / 100 for pair in pairs], np.float32)


class TestCascade(ScorerContract):
    POSITIONAL = True

    def scorer(self) -> Scorer:
        return Cascade(KeepScorer(), ShuffleScorer(), 2)


def test_the_second_reads_the_head_alone_and_orders_it() -> None:
    second = Counting()
    scores = Cascade(KeepScorer(), second, 2).score([Pair("q", text) for text in ("1", "9", "50", "3")])
    assert second.read == ["1", "9"]
    assert np.argsort(-scores).tolist() == [1, 0, 2, 3]


def test_each_query_has_its_own_head() -> None:
    second = Counting()
    Cascade(KeepScorer(), second, 1).score([Pair(query, text) for query in "ab" for text in ("1", "2")])
    assert second.read == ["1", "1"]


def test_a_head_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Cascade(KeepScorer(), KeepScorer(), 0)
