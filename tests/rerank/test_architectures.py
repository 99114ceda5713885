"""Models of every supported kind go through one step of training, export, quantization and serving, with parity."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from tests.rerank.served import served, tiny_service, wait_ready
from tests.rerank.tiny import tiny_embedder, tiny_reranker

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
RANDOM_WEIGHTS = Budget(ndcg_share=0.98, tau=0.85, cosine=0.998)
"""Below what shipped models must keep: of a model that learned nothing the scores lie close together, and products of
24 channels average fewer errors out than those of 384."""

LENGTH = 48


def torch_inputs(folder: Path, *texts: list[str]) -> Any:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    inputs = tokenizer(*texts, padding=True, truncation="longest_first", max_length=LENGTH, return_tensors="pt")
    if getattr(config, "type_vocab_size", 0) < 2:
        inputs.pop("token_type_ids", None)
    return inputs


def torch_scores(folder: Path, query: str, documents: list[str]) -> np.ndarray:
    """Score with the trained model itself, through nothing of ours."""
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**torch_inputs(folder, [query] * len(documents), documents)).logits
    scores: np.ndarray = torch.sigmoid(logits[:, 0]).numpy()
    return scores


def ask(embedder: Path, reranker: Path, path: str, body: object) -> Any:
    """Serve the two bundles, send one request, and return the answer."""
    with served(tiny_service(embedder, reranker, embedder.parent / "resources")) as client:
        wait_ready(client)
        answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def verified(bundle: Bundle) -> Bundle:
    assert CliRunner().invoke(main, ["verify", str(bundle.path)]).exit_code == 0
    return bundle


@pytest.mark.parametrize("kind", KINDS)
def test_a_cross_encoder_goes_all_the_way(tmp_path: Path, kind: str) -> None:
    from rerank.training.cross_encoder import train
    from rerank.training.pairs import TrainingPair, write_pairs
    from rerank.training.run import TrainOptions
    from tests.rerank.training.test_cross_encoder import RECIPE

    base = save_model(tmp_path / "base", kind, labels=1)
    model = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["type"]
    assert model == {"xlm-roberta": "Unigram", "deberta-v2": "Unigram", "modernbert": "BPE"}.get(kind, "WordPiece")
    pairs = [TrainingPair(pair.query, {"title": pair.document}, number % 2) for number, pair in enumerate(SAMPLE_PAIRS)]
    write_pairs(tmp_path / "pairs.jsonl.gz", pairs[:4])
    recipe = replace(RECIPE, epochs=1, batch_size=4, max_length=48)
    train(recipe, [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / "trained", TrainOptions(progress=False))
    exported = verified(export(str(tmp_path / "trained"), tmp_path / "fp32"))
    assert exported.manifest.metrics["onnx_to_torch"]["difference_max"] < 5e-3
    assert exported.manifest.metrics["onnx_to_torch"]["kendall_tau"] > 0.999
    reduced = verified(quantize(exported.path, tmp_path / "int8", budget=RANDOM_WEIGHTS))
    before, after = (CrossEncoder(bundle).score(SAMPLE_PAIRS) for bundle in (exported, reduced))
    assert np.abs(before - after).mean() < 0.02

    query, documents = SAMPLE_PAIRS[0].query, [pair.document for pair in SAMPLE_PAIRS[:10]]
    body = {"query": query, "documents": documents}
    results = ask(tiny_embedder(tmp_path / "tiny").path, exported.path, "/rerank", body)["results"]
    answered = np.array([item["relevance_score"] for item in sorted(results, key=lambda item: item["index"])])
    assert np.abs(answered - torch_scores(tmp_path / "trained", query, documents)).max() < 1e-4


@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), ("xlm-roberta", "cls")])
def test_an_embedder_goes_all_the_way(tmp_path: Path, kind: str, pooling: str) -> None:
    import torch
    import transformers

    folder = save_model(tmp_path / "embedder", kind, pooling=pooling)
    exported = verified(export(str(folder), tmp_path / "fp32"))
    assert (exported.manifest.pooling, exported.manifest.max_length) == (pooling, 48)
    texts = [pair.document for pair in SAMPLE_PAIRS[:10]]
    model, inputs = transformers.AutoModel.from_pretrained(folder).eval(), torch_inputs(folder, texts)
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    weights = inputs["attention_mask"].unsqueeze(-1).float()
    pooled = hidden[:, 0] if pooling == "cls" else (hidden * weights).sum(1) / weights.sum(1)
    expected = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    body = {"inputs": texts, "kind": "document"}
    answered = np.array(ask(exported.path, tiny_reranker(tmp_path / "tiny").path, "/embed", body))
    assert np.abs(answered - expected).max() < 1e-5
    reduced = verified(quantize(exported.path, tmp_path / "int8", budget=RANDOM_WEIGHTS))
    assert (SentenceEmbedder(reduced).embed_documents(texts) * expected).sum(axis=1).min() > 0.995


def test_a_padded_batch_scores_as_single_pairs_in_a_model_without_segments(tmp_path: Path) -> None:
    model = CrossEncoder(export(str(save_model(tmp_path / "base", "xlm-roberta", labels=1)), tmp_path / "fp32"))
    together = model.logits(SAMPLE_PAIRS[:12])
    alone = np.concatenate([model.logits([pair]) for pair in SAMPLE_PAIRS[:12]])
    assert np.abs(together - alone).max() < 1e-4
    assert model.logits([Pair("usb", "word " * 500)]).shape == (1,)
