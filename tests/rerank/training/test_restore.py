"""A bundle goes back to torch: the same weights in every architecture, and training goes on from them."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from rerank.bundle import MODEL, load_bundle, write_bundle
from rerank.errors import BundleError
from rerank.exporting.export import export
from rerank.quantization.quality import Budget
from rerank.quantization.quantize import quantize
from rerank.training.cross_encoder import TrainOptions, train
from rerank.training.pairs import write_pairs
from rerank.training.recipe import TrainingError
from rerank.training.restore import restore_model
from tests.rerank.architectures import KINDS, save_model
from tests.rerank.training.test_cross_encoder import PAIRS, RECIPE

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [1, 2, None])
def test_the_weights_come_back(tmp_path: Path, kind: str, labels: int | None) -> None:
    from safetensors.torch import load_file

    original = save_model(tmp_path / "model", kind, labels=labels, pooling=None if labels else "cls")
    bundle = export(str(original), tmp_path / "bundle", "rerank" if labels else "embed")
    restore_model(bundle.path, tmp_path / "restored")
    before, after = (load_file(folder / "model.safetensors") for folder in (original, tmp_path / "restored"))
    assert before.keys() == after.keys()
    assert all(after[name].equal(value) for name, value in before.items() if labels or "pooler" not in name)


def test_training_goes_on_from_a_bundle_as_from_its_folder(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", labels=1)
    bundle = export(str(model), tmp_path / "bundle")
    write_pairs(tmp_path / "pairs.jsonl.gz", PAIRS)
    for name, base in (("folder", model), ("bundle-trained", bundle.path)):
        options = TrainOptions(progress=False)
        train(replace(RECIPE, epochs=2), [tmp_path / "pairs.jsonl.gz"], str(base), tmp_path / name, options)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("folder", "bundle-trained"))
    assert first == second


def test_a_reduced_bundle_is_refused(tmp_path: Path) -> None:
    bundle = export(str(save_model(tmp_path / "model", labels=1)), tmp_path / "fp32")
    reduced = quantize(bundle.path, tmp_path / "int8", budget=Budget(0, -1, 0))
    assert load_bundle(reduced.path).manifest.architecture == bundle.manifest.architecture
    with pytest.raises(TrainingError, match="is a bundle in int8; name the fp32 bundle"):
        restore_model(reduced.path, tmp_path / "out")


def test_what_does_not_come_back_the_same_is_refused(tmp_path: Path) -> None:
    bundle = export(str(save_model(tmp_path / "model", labels=1)), tmp_path / "fp32")
    graph = onnx.load(str(bundle.path / MODEL))
    norm = next(item for item in graph.graph.initializer if item.name.endswith("embeddings.LayerNorm.weight"))
    norm.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(norm)[:3].copy(), norm.name))
    onnx.save(graph, str(tmp_path / MODEL))
    files = {name: bundle.path / name for name in bundle.manifest.files} | {MODEL: tmp_path / MODEL}
    short = write_bundle(tmp_path / "short", bundle.manifest, files, "")
    with pytest.raises(TrainingError, match=r"holds no bert\.embeddings\.LayerNorm\.weight"):
        restore_model(short.path, tmp_path / "out")
    config = {**bundle.manifest.architecture["config"], "hidden_act": "relu"}
    architecture = {**bundle.manifest.architecture, "config": config}
    files = {name: bundle.path / name for name in bundle.manifest.files}
    other = write_bundle(tmp_path / "other", replace(bundle.manifest, architecture=architecture), files, "")
    with pytest.raises(BundleError, match="is not the original"):
        restore_model(other.path, tmp_path / "out2")
