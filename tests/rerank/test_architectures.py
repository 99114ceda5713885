"""Models of every supported kind go through one step of training, export, quantization and serving, with parity."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rerank.bundle import Bundle
from rerank.cli import main
from rerank.cross_encoder import CrossEncoder
from rerank.embedder import SentenceEmbedder
from rerank.exporting.export import export
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.protocols import Pair
from rerank.quantization.quality import Budget
from rerank.quantization.quantize import quantize
from tests.rerank.architectures import KINDS, save_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
RANDOM_WEIGHTS = Budget(ndcg_share=0.9, tau=0.7, cosine=0.99)
"""Scores of a model that learned nothing lie close together, so their order is easily changed."""


def verified(bundle: Bundle) -> Bundle:
    assert CliRunner().invoke(main, ["verify", str(bundle.path)]).exit_code == 0
    return bundle


@pytest.mark.parametrize("kind", KINDS)
def test_a_cross_encoder_goes_all_the_way(tmp_path: Path, kind: str) -> None:
    from rerank.training.cross_encoder import TrainOptions, train
    from rerank.training.pairs import TrainingPair, write_pairs
    from tests.rerank.training.test_cross_encoder import RECIPE

    base = save_model(tmp_path / "base", kind, labels=1)
    pairs = [TrainingPair(pair.query, {"title": pair.document}, number % 2) for number, pair in enumerate(SAMPLE_PAIRS)]
    write_pairs(tmp_path / "pairs.jsonl.gz", pairs[:4])
    recipe = replace(RECIPE, epochs=1, batch_size=4, max_length=48)
    train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "trained", TrainOptions(progress=False))
    exported = verified(export(str(tmp_path / "trained"), tmp_path / "fp32"))
    assert exported.manifest.metrics["onnx_to_torch"]["difference_max"] < 5e-3
    assert exported.manifest.metrics["onnx_to_torch"]["kendall_tau"] > 0.999
    reduced = verified(quantize(exported.path, tmp_path / "int8", budget=RANDOM_WEIGHTS))
    before, after = (CrossEncoder(bundle).score(SAMPLE_PAIRS) for bundle in (exported, reduced))
    assert np.abs(before - after).mean() < 0.05


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), ("xlm-roberta", "cls")])
def test_an_embedder_goes_all_the_way(tmp_path: Path, kind: str, pooling: str) -> None:
    import torch
    import transformers

    folder = save_model(tmp_path / "embedder", kind, pooling=pooling)
    exported = verified(export(str(folder), tmp_path / "fp32"))
    assert (exported.manifest.pooling, exported.manifest.max_length) == (pooling, 48)
    texts = [pair.document for pair in SAMPLE_PAIRS[:10]]
    vectors = SentenceEmbedder(exported).embed_documents(texts)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=48, return_tensors="pt")
    if kind == "xlm-roberta":
        inputs.pop("token_type_ids", None)
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    weights = inputs["attention_mask"].unsqueeze(-1).float()
    pooled = hidden[:, 0] if pooling == "cls" else (hidden * weights).sum(1) / weights.sum(1)
    expected = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    assert (vectors * expected).sum(axis=1).min() > 0.9999
    reduced = verified(quantize(exported.path, tmp_path / "int8", budget=RANDOM_WEIGHTS))
    assert (SentenceEmbedder(reduced).embed_documents(texts) * expected).sum(axis=1).min() > 0.98


def test_a_padded_batch_scores_as_single_pairs_in_a_model_without_segments(tmp_path: Path) -> None:
    model = CrossEncoder(export(str(save_model(tmp_path / "base", "xlm-roberta", labels=1)), tmp_path / "fp32"))
    together = model.logits(SAMPLE_PAIRS[:12])
    alone = np.concatenate([model.logits([pair]) for pair in SAMPLE_PAIRS[:12]])
    assert np.abs(together - alone).max() < 1e-4
    assert model.logits([Pair("usb", "word " * 500)]).shape == (1,)
