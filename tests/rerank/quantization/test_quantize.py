from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from rerank.bundle import MODEL, Bundle, load_bundle
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateList
from rerank.evaluation.judgements import JudgedQuery
from rerank.quantization.quality import Budget
from rerank.quantization.quantize import quantize
from tests.rerank.tiny import WORDS, tiny_embedder, tiny_reranker

pytestmark = pytest.mark.train

DOCUMENTS = tuple(f"{first} {second}" for first in WORDS[:4] for second in WORDS[4:8])


def lists(*, judged: bool = False) -> list[CandidateList]:
    """Queries in two languages over the same documents; the document that begins with the query's word is relevant."""
    ids = tuple(str(number) for number in range(len(DOCUMENTS)))
    made = []
    for word, language in zip(WORDS[:4], ("en", "en", "de", "de"), strict=True):
        grades = {i: int(text.startswith(word)) for i, text in zip(ids, DOCUMENTS, strict=True)} if judged else None
        made.append(CandidateList(JudgedQuery(word, word, language), ids, DOCUMENTS, grades))
    return made


@pytest.mark.parametrize("make", [tiny_embedder, tiny_reranker])
@pytest.mark.parametrize("judged", [True, False])
def test_the_fastest_form_that_keeps_the_ranking_is_written_with_the_table(
    tmp_path: Path, make: Callable[[Path], Bundle], judged: bool
) -> None:
    original = make(tmp_path / "fp32")
    made = quantize(original.path, tmp_path / "int8", lists=lists(judged=judged), budget=Budget(0.99, 0.8, 0.99))
    assert made.manifest.precision == "int8"
    assert made.fingerprint != original.fingerprint
    measured = load_bundle(made.path).manifest.metrics["int8_to_fp32"]
    assert measured["judged"] is judged
    assert set(measured["languages"]) == {"en", "de"}
    kept = [row for row in measured["tried"] if row["refused"] is None]
    chosen = next(row for row in kept if row["variant"] == measured["variant"])
    assert chosen["cpu_ms_per_100"] == min(row["cpu_ms_per_100"] for row in kept)
    assert "MatMulIntegerToFloat" in {node.op_type for node in onnx.load(str(made.path / MODEL)).graph.node}


def test_a_text_has_one_vector_in_any_batch(tmp_path: Path) -> None:
    model = SentenceEmbedder(quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8", budget=Budget(0, 0, 0)))
    texts = [" ".join(WORDS[: length + 1]) for length in range(len(WORDS))]
    alone = np.concatenate([model.embed_documents([text]) for text in texts])
    assert np.abs(model.embed_documents(texts) - alone).max() < 1e-6


def test_when_no_form_keeps_the_quality_nothing_is_written(tmp_path: Path) -> None:
    said = r"no reduced form of fp32 keeps the quality.*static, 8 bits: the cosine is 1\.0"
    with pytest.raises(BundleError, match=said):
        quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8", budget=Budget(cosine=1.1))
    assert not (tmp_path / "int8").exists()


def test_int8_is_not_quantized_again(tmp_path: Path) -> None:
    quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8")
    with pytest.raises(BundleError, match="precision int8"):
        quantize(tmp_path / "int8", tmp_path / "int4")


def test_for_a_gpu_the_weights_are_fp16_and_the_ranking_stays(tmp_path: Path) -> None:
    original = tiny_embedder(tmp_path / "fp32")
    made = quantize(original.path, tmp_path / "fp16", target="gpu", lists=lists())
    assert made.manifest.precision == "fp16"
    assert made.manifest.metrics["fp16_to_fp32"]["cosine"] > 0.9999
    types = {item.name: item.data_type for item in onnx.load(str(made.path / MODEL)).graph.initializer}
    assert types["weights"] == onnx.TensorProto.FLOAT16
