"""Peers of the bench: which of them are offered, and that each scores as the bundle of the same weights does."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rerank.benchmark.peers import peer_loaders
from rerank.bundle import Bundle
from rerank.cross_encoder import CrossEncoder
from rerank.exporting.export import export
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.protocols import Pair
from tests.rerank.architectures import save_model
from tests.rerank.tiny import tiny_reranker

LENGTH = 16
PACKAGES = {
    "sentence_transformers": "sentence-transformers torch",
    "rerankers": "rerankers",
    "flashrank": "FlashRank on bundle",
    "fastembed": "fastembed on bundle",
    "infinity_emb": "Infinity",
}
LOGITS = ("rerankers", "fastembed")
"""These give the model's raw output, the others its sigmoid."""


def test_what_is_installed_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_reranker(tmp_path / "bundle").path
    for package in PACKAGES:
        (tmp_path / "packages" / package).mkdir(parents=True)
        (tmp_path / "packages" / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "packages")
    importlib.invalidate_caches()
    assert set(PACKAGES.values()) <= peer_loaders("model", bundle, LENGTH).keys()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    """The same weights for torch and as a bundle that reads no more than LENGTH tokens."""
    folder = tmp_path_factory.mktemp("weights")
    model = save_model(folder / "model", labels=1)
    bundle = export(str(model), folder / "bundle")
    return model, Bundle(bundle.path, replace(bundle.manifest, max_length=LENGTH))


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", PACKAGES)
def test_a_peer_scores_as_the_bundle_does(package: str, weights: tuple[Path, Bundle]) -> None:
    """Of one query, forty documents (two batches), some longer than what is read."""
    pytest.importorskip(package)
    model, bundle = weights
    documents = [pair.document for pair in SAMPLE_PAIRS[:39]] + [" ".join(pair.document for pair in SAMPLE_PAIRS)]
    pairs = [Pair(SAMPLE_PAIRS[0].query, document) for document in documents]
    peer = peer_loaders(str(model), bundle.path, LENGTH)[PACKAGES[package]]()
    found: np.ndarray = np.asarray(peer.score(pairs))
    expected: np.ndarray = CrossEncoder(bundle).logits(pairs)
    assert found.shape == (len(pairs),)
    if package not in LOGITS:
        expected = 1 / (1 + np.exp(-expected))
    assert np.ptp(expected) > 0.05
    assert np.abs(found - expected).max() < 1e-3
