import numpy as np

from rerank.baselines import HashEmbedder, KeepScorer, ShuffleScorer
from rerank.protocols import Embedder, Pair, Scorer
from tests.contracts import EmbedderContract, ScorerContract


class TestHashEmbedder(EmbedderContract):
    def embedder(self) -> Embedder:
        return HashEmbedder()

    def test_shared_words_are_near(self) -> None:
        query, same, other = HashEmbedder().embed_queries(["red shoes", "shoes red", "garden hose"])
        assert query @ same > 0.999 > 0.5 > query @ other


class TestKeepScorer(ScorerContract):
    POSITIONAL = True

    def scorer(self) -> Scorer:
        return KeepScorer()

    def test_the_order_stays(self) -> None:
        scores = KeepScorer().score([Pair("q", "d")] * 3)
        assert np.allclose(scores, [3 / 4, 2 / 4, 1 / 4])


class TestShuffleScorer(ScorerContract):
    def scorer(self) -> Scorer:
        return ShuffleScorer(seed=3)

    def test_another_seed_is_another_order(self) -> None:
        pairs = [Pair("q", str(number)) for number in range(20)]
        assert list(ShuffleScorer(1).score(pairs)) != list(ShuffleScorer(2).score(pairs))
