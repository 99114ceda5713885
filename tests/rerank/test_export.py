"""Export of tiny, randomly initialised BERT models, as sentence-transformers and transformers save them."""

import json
from pathlib import Path

import numpy as np
import pytest

from rerank.bundle import load_bundle
from rerank.cross_encoder import CrossEncoder
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError
from rerank.export import export
from rerank.protocols import Pair

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
PAIRS = [Pair("wireless headphones", "usb cable"), Pair("usb", "wireless headphones with a usb cable " * 9)]


def save(folder: Path, *, labels: int | None = None, **settings: object) -> Path:
    """Write a model folder; an embedder without labels, a cross-encoder with."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(3)
    folder.mkdir()
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] wireless headphones usb cable with a".split()  # noqa: SIM905
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    shape = {"vocab_size": len(words), "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.BertConfig(**shape, intermediate_size=48, max_position_embeddings=64, num_labels=labels or 2)
    kind = transformers.BertForSequenceClassification if labels else transformers.BertModel
    kind(config).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    if settings:
        (folder / "polyrank.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_a_cross_encoder_scores_like_the_original(tmp_path: Path) -> None:
    import torch
    import transformers

    template = {"fields": [{"name": "title", "max_tokens": 12}], "separator": " ; "}
    calibration = {"scale": 2.0, "shift": -1.0}
    folder = save(tmp_path / "ce", labels=1, max_length=32, template=template, calibration=calibration, licence="mit")
    bundle = export(str(folder), tmp_path / "bundle")
    manifest = load_bundle(bundle.path, "rerank").manifest
    assert (manifest.max_length, manifest.licence, manifest.template.to_json()) == (32, "mit", template)
    assert manifest.metrics["max_abs_difference_to_torch"] < 5e-3

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = [pair.query for pair in PAIRS], [pair.document for pair in PAIRS]
    inputs = tokenizer(*texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits.numpy().reshape(-1)
    found = CrossEncoder(bundle)
    assert np.allclose(found.logits(PAIRS), logits, atol=5e-3)
    assert np.allclose(found.score(PAIRS), 1 / (1 + np.exp(-(2.0 * logits - 1.0))), atol=5e-3)


def test_an_embedder_takes_its_pooling_and_length_from_its_folder(tmp_path: Path) -> None:
    folder = save(tmp_path / "embedder")
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 24, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}', encoding="utf-8")
    manifest = export(str(folder), tmp_path / "bundle").manifest
    assert (manifest.task, manifest.pooling, manifest.dimension, manifest.max_length) == ("embed", "cls", 24, 48)
    assert SentenceEmbedder(load_bundle(tmp_path / "bundle")).embed_queries(["usb"]).shape == (1, 24)


def test_a_model_with_two_scores_is_no_reranker(tmp_path: Path) -> None:
    folder = save(tmp_path / "two", labels=2)
    with pytest.raises(BundleError, match="gives 2 scores"):
        export(str(folder), tmp_path / "bundle", "rerank")
    assert not (tmp_path / "bundle").exists()


def test_what_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="cannot read the model"):
        export(str(tmp_path / "empty"), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
