"""Mined negatives: of the run, never judged, never too like an answer."""

from pathlib import Path

import numpy as np
import pytest

from rerank.data.mine import MiningOptions, mine
from rerank.embedder import SentenceEmbedder
from rerank.evaluation.judgements import JudgedQuery, JudgementError, read_run
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from tests.rerank.tiny import tiny_embedder

DOCUMENTS = {
    "c1": {"title": "usb cable"},
    "c2": {"title": "USB cable"},
    "c3": {"title": "cable usb"},
    "s1": {"title": "red shoes"},
    "h1": {"title": "garden hose"},
    "m1": {"title": "usb cable red shoes"},
}
PAIRS = [TrainingPair("usb cable", DOCUMENTS["c1"], 3), TrainingPair("usb cable", DOCUMENTS["h1"], 1)]
QUERIES = [JudgedQuery("7", "usb cable")]


@pytest.fixture
def embedder(tmp_path: Path) -> SentenceEmbedder:
    return SentenceEmbedder(tiny_embedder(tmp_path / "embedder"))


def test_hits_that_nobody_judged_become_negatives(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    path = tmp_path / "hybrid.run"
    path.write_text("".join(f"7 Q0 {doc} {rank} {9 - rank} hybrid\n" for rank, doc in enumerate(DOCUMENTS, start=1)))
    done: list[int] = []
    built = mine(PAIRS, QUERIES, read_run(path), DOCUMENTS, embedder, advance=done.append)
    mined = built.pairs[len(PAIRS) :]
    vectors = embedder.embed_documents([row["title"] for row in DOCUMENTS.values()])
    cosines = dict(zip(DOCUMENTS, vectors @ embedder.embed_queries(["usb cable"])[0], strict=True))
    # c2 and c3 have the answer's vector: the mean over the same tokens in any case and order.
    assert np.allclose([cosines["c2"], cosines["c3"]], 1.0, atol=1e-5)
    expected = [doc for doc in ("s1", "m1") if cosines[doc] <= 0.95 * 1.0]
    assert mined == [TrainingPair("usb cable", DOCUMENTS[doc], 0) for doc in expected]
    assert built.left_out["hits too like an answer"] == 4 - len(expected)
    assert done == [1]


def test_without_a_margin_only_what_is_judged_is_left_out(embedder: SentenceEmbedder) -> None:
    run = {"7": dict.fromkeys(DOCUMENTS, 1.0)}
    options = MiningOptions(margin=2.0, count=9)
    mined = mine(PAIRS, QUERIES, run, DOCUMENTS, embedder, options).pairs[len(PAIRS) :]
    assert [pair.fields for pair in mined] == [DOCUMENTS[doc] for doc in ("c2", "c3", "s1", "m1")]
    options = MiningOptions(margin=2.0, count=1, first=3)
    assert mine(PAIRS, QUERIES, run, DOCUMENTS, embedder, options).pairs[-1].fields == DOCUMENTS["c3"]


def test_a_query_without_an_answer_gets_none(embedder: SentenceEmbedder) -> None:
    built = mine(PAIRS[1:], QUERIES, {"7": {"s1": 1.0}}, DOCUMENTS, embedder)
    assert built.pairs == PAIRS[1:]
    assert built.left_out["queries without an answer"] == 1


def test_a_foreign_run_is_refused(embedder: SentenceEmbedder) -> None:
    with pytest.raises(TrainingError, match="belong together"):
        mine(PAIRS, QUERIES, {"8": {"s1": 1.0}}, DOCUMENTS, embedder)


def test_a_broken_run_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    path.write_text("7 Q0 s1 1 high\n")
    with pytest.raises(JudgementError, match="line 1"):
        read_run(path)
