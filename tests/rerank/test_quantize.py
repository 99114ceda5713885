from pathlib import Path

import numpy as np
import onnx
import pytest

from rerank.bundle import MODEL, load_bundle
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError
from rerank.quantize import quantize
from tests.rerank.tiny import WORDS, tiny_embedder, tiny_reranker

pytestmark = pytest.mark.train


@pytest.mark.parametrize("make", [tiny_embedder, tiny_reranker])
def test_the_loss_is_measured_and_written_down(tmp_path: Path, make: object) -> None:
    assert callable(make)
    original = make(tmp_path / "fp32")
    texts = tmp_path / "texts.tsv"
    lines = [f"{first} {second}\t{second} usb" for first in WORDS[:3] for second in WORDS]
    texts.write_text("\n".join(lines), encoding="utf-8")
    made = quantize(original.path, tmp_path / "int8", calibration=texts, floor=0.5)
    assert made.manifest.precision == "int8"
    assert made.fingerprint != original.fingerprint
    loss = load_bundle(made.path).manifest.metrics["int8_to_fp32"]
    assert loss["cosine_mean"] > 0.999 if original.manifest.task == "embed" else loss["score_difference_max"] < 0.02
    types = {node.op_type for node in onnx.load(str(made.path / MODEL)).graph.node}
    assert "MatMulIntegerToFloat" in types


def test_a_text_has_one_vector_in_any_batch(tmp_path: Path) -> None:
    model = SentenceEmbedder(quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8"))
    texts = [" ".join(WORDS[: length + 1]) for length in range(len(WORDS))]
    alone = np.concatenate([model.embed_documents([text]) for text in texts])
    assert np.abs(model.embed_documents(texts) - alone).max() < 1e-6


def test_too_great_a_loss_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="costs fp32 too much"):
        quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8", floor=1.1)
    assert not (tmp_path / "int8").exists()


def test_int8_is_not_quantized_again(tmp_path: Path) -> None:
    quantize(tiny_embedder(tmp_path / "fp32").path, tmp_path / "int8")
    with pytest.raises(BundleError, match="precision int8"):
        quantize(tmp_path / "int8", tmp_path / "int4")
