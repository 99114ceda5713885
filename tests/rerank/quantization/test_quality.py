"""The budget holds in each language: what is lost in one is not made up for by another."""

from pathlib import Path

import numpy as np
import pytest

from rerank.embedder import SentenceEmbedder
from rerank.evaluation.candidates import CandidateList
from rerank.evaluation.judgements import JudgedQuery
from rerank.quantization.quality import Budget, Probe, Quality, compare_by_language
from tests.rerank.quantization.test_quantize import lists
from tests.rerank.tiny import tiny_embedder, tiny_reranker


def test_a_language_that_loses_its_order_is_refused_by_its_name(tmp_path: Path) -> None:
    judged = [
        CandidateList(JudgedQuery(code, code, code), ("a", "b"), ("x", "y"), {"a": 1})
        for code in ("en", "en", "en", "de")
    ]
    before = [np.array([2.0, 1.0], np.float32)] * 4
    after = [*before[:3], np.array([1.0, 2.0], np.float32)]
    manifest = tiny_reranker(tmp_path / "one").manifest
    found = compare_by_language(manifest, judged, before, after)
    second = 1 / np.log2(3)
    assert found["en"]["ndcg_share"] == found["en"]["tau"] == 1.0
    assert found["de"]["ndcg_share"] == pytest.approx(second, abs=1e-5)
    assert found["de"]["tau"] == -1.0
    worst = Quality(4, found["de"]["ndcg_share"], -1.0, 1.0, None, found)
    said = worst.missing(Budget(), "rerank")
    share = f"nDCG@10 is {second:.4f} of fp32 in de (at least 0.995)"
    assert said == f"{share}, Kendall's tau is -1.0000 in de (at least 0.95)"
    assert worst.missing(Budget(0.6, -1.0), "rerank") is None


def test_the_cosine_is_of_the_worst_language(tmp_path: Path) -> None:
    original = tiny_embedder(tmp_path / "one")
    probe = Probe(original, lists())
    same = probe.compare(original)
    assert same.cosine == pytest.approx(1.0, abs=1e-5)
    turned = tiny_embedder(tmp_path / "two", query_prefix="garden ")
    found = probe.compare(turned)
    vectors = [SentenceEmbedder(bundle) for bundle in (original, turned)]
    expected = {}
    for code in ("en", "de"):
        chosen = [item for item in lists() if item.query.language == code]
        queries = [item.query.text for item in chosen]
        pairs = [model.embed_queries(queries) for model in vectors]
        documents = len(chosen[0].documents)
        expected[code] = ((pairs[0] * pairs[1]).sum() + documents) / (len(queries) + documents)
    assert {code: values["cosine"] for code, values in found.languages.items()} == pytest.approx(expected, abs=1e-4)
    assert found.cosine == min(values["cosine"] for values in found.languages.values()) < 1.0
