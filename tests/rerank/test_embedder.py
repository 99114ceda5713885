from pathlib import Path

import numpy as np
import pytest

from rerank.bundle import MODELS
from rerank.embedder import SentenceEmbedder, load_embedder, pool
from rerank.protocols import Embedder
from tests.contracts import EmbedderContract
from tests.rerank.tiny import tiny_embedder


class TestTinyEmbedder(EmbedderContract):
    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        self.model = SentenceEmbedder(tiny_embedder(tmp_path / "tiny"))

    def embedder(self) -> Embedder:
        return self.model


@pytest.mark.skipif(not list(MODELS.glob("*embedder")), reason="no embedder bundle is shipped yet")
class TestShippedEmbedder(EmbedderContract):
    model: SentenceEmbedder | None = None

    def embedder(self) -> Embedder:
        if TestShippedEmbedder.model is None:
            TestShippedEmbedder.model = load_embedder()
        return TestShippedEmbedder.model

    def test_like_is_near_like(self) -> None:
        query, near, far = self.embedder().embed_documents(
            ["wireless headphones", "Bluetooth over-ear headset", "garden hose with brass couplings"]
        )
        assert query @ near > 0.5 > 0.2 > query @ far


def test_the_mean_leaves_padding_out() -> None:
    hidden = np.array([[[3.0, 0.0], [1.0, 4.0], [9.0, 9.0]]], np.float32)
    mean = np.array([(3 + 1) / 2, (0 + 4) / 2])
    assert np.allclose(pool(hidden, np.array([[1, 1, 0]]), "mean")[0], mean / np.linalg.norm(mean))
    assert np.allclose(pool(hidden, np.array([[1, 1, 0]]), "cls")[0], [1.0, 0.0])


def test_prefixes_shape_the_vector(tmp_path: Path) -> None:
    model = SentenceEmbedder(tiny_embedder(tmp_path / "prefixed", query_prefix="usb ", document_prefix="red "))
    plain = SentenceEmbedder(tiny_embedder(tmp_path / "plain"))
    assert np.allclose(model.embed_queries(["cable"]), plain.embed_queries(["usb cable"]))
    assert np.allclose(model.embed_documents(["shoes"]), plain.embed_documents(["red shoes"]))
