"""Teachers: the mean of what bundles say, pair by pair."""

from pathlib import Path

import pytest

from rerank.cross_encoder import CrossEncoder
from rerank.data.teach import load_teacher, teach
from rerank.embedder import SentenceEmbedder
from rerank.protocols import Pair
from rerank.training.pairs import TrainingPair
from tests.rerank.tiny import tiny_embedder, tiny_reranker

PAIRS = [TrainingPair("usb cable", {"title": title}, grade) for grade, title in enumerate(("red shoes", "usb cable"))]


def test_several_teachers_are_averaged_by_their_scores(tmp_path: Path) -> None:
    reranker, embedder = tiny_reranker(tmp_path / "r"), tiny_embedder(tmp_path / "e")
    done: list[int] = []
    taught = teach(PAIRS, [load_teacher(tmp_path / "r"), load_teacher(tmp_path / "e")], advance=done.append)
    probability = CrossEncoder(reranker).score([Pair("usb cable", "usb cable")])[0]
    vectors = SentenceEmbedder(embedder).embed_queries(["usb cable"])
    assert taught[1].teacher == pytest.approx((probability + vectors[0] @ vectors[0]) / 2, abs=1e-5)
    assert [pair.relevance for pair in taught] == [0, 1]
    assert all(0.0 <= (pair.teacher or 0.0) <= 1.0 for pair in taught)
    assert sum(done) == len(PAIRS)
    assert teach([], [load_teacher(tmp_path / "r")]) == []
