"""Export of tiny, randomly initialised BERT models, as sentence-transformers and transformers save them."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rerank.bundle import MODEL, TOKENIZER, load_bundle
from rerank.cli import main
from rerank.cross_encoder import CrossEncoder
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError
from rerank.exporting.export import export
from rerank.exporting.onnx_file import WEIGHTS
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.protocols import Pair
from rerank.quantization.fp16 import fused_layers
from tests.rerank.architectures import save_model
from tests.rerank.tiny import tiny_reranker

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


def test_two_logits_become_the_one_whose_sigmoid_is_the_second_ones_softmax(tmp_path: Path) -> None:
    import torch
    import transformers

    folder = save_model(tmp_path / "two", labels=2)
    found = CrossEncoder(export(str(folder), tmp_path / "bundle", "rerank")).score(SAMPLE_PAIRS[:5])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = [pair.query for pair in SAMPLE_PAIRS[:5]], [pair.document for pair in SAMPLE_PAIRS[:5]]
    with torch.no_grad():
        inputs = tokenizer(
            *texts, padding=True, truncation=True, max_length=80, return_token_type_ids=True, return_tensors="pt"
        )
        probabilities = torch.softmax(model(**inputs).logits, dim=-1)[:, 1].numpy()
    assert np.allclose(found, probabilities, atol=1e-4)


def test_a_model_with_three_scores_is_no_reranker(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "three", labels=3)
    with pytest.raises(BundleError, match="gives 3 scores"):
        export(str(folder), tmp_path / "bundle", "rerank")
    assert not (tmp_path / "bundle").exists()


def test_a_model_without_its_head_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "encoder", pooling="mean")
    with pytest.raises(BundleError, match=r"lacks \d+ weights of a model to rerank, classifier"):
        export(str(folder), tmp_path / "bundle", "rerank")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "bare", labels=1)
    for file in folder.glob("*token*"):
        file.unlink()
    with pytest.raises(BundleError, match=r"tokenizer|cannot read the model"):
        export(str(folder), tmp_path / "bundle")


def test_a_folder_that_is_not_there_is_no_name_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no folder"):
        export(str(tmp_path / "nowhere"), tmp_path / "bundle")


def test_torch_weights_that_were_cut_short_are_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "cut", labels=1)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(BundleError, match="cannot read the model"):
        export(str(folder), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_large_weights_go_into_a_file_of_their_own(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "large", labels=1)
    bundle = export(str(folder), tmp_path / "bundle", largest_file=10_000)
    assert set(bundle.manifest.files) == {MODEL, WEIGHTS, TOKENIZER}
    plain = CrossEncoder(export(str(folder), tmp_path / "plain")).logits(SAMPLE_PAIRS)
    assert np.allclose(CrossEncoder(load_bundle(bundle.path)).logits(SAMPLE_PAIRS), plain, atol=1e-6)
    (bundle.path / WEIGHTS).write_bytes((bundle.path / WEIGHTS).read_bytes()[:-64])
    with pytest.raises(BundleError, match="was changed"):
        load_bundle(bundle.path)


def test_fp16_is_written_for_gpus(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", labels=1)
    result = CliRunner().invoke(main, ["export-onnx", str(folder), str(tmp_path / "fp16"), "--fp16", "--json"])
    assert result.exit_code == 0, result.output
    assert load_bundle(tmp_path / "fp16").manifest.precision == "fp16"
    assert fused_layers(tmp_path / "fp16" / MODEL) in (0, 2)


def test_of_a_bundle_only_fp16_is_made(tmp_path: Path) -> None:
    bundle, out = tiny_reranker(tmp_path / "bundle"), tmp_path / "out"
    result = CliRunner().invoke(main, ["export-onnx", str(bundle.path), str(out)])
    assert result.exit_code == 1
    assert "is a bundle already" in result.stderr
    assert not out.exists()
    result = CliRunner().invoke(main, ["export-onnx", str(bundle.path), str(out), "--fp16"])
    assert result.exit_code == 0, result.output
    assert load_bundle(out).manifest.precision == "fp16"


def test_what_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="cannot read the model"):
        export(str(tmp_path / "empty"), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
