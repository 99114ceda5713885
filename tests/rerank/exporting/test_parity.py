"""Deliberately broken exports: each is refused with an error that names what was done."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from rerank.bundle import MODEL, TOKENIZER, Bundle, write_bundle
from rerank.errors import BundleError
from rerank.exporting.export import export, verify_against
from tests.rerank.architectures import save_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    """A torch cross-encoder and its faithful bundle."""
    folder = tmp_path_factory.mktemp("parity")
    model = save_model(folder / "model", labels=1)
    return model, export(str(model), folder / "bundle")


def broken(bundle: Bundle, out: Path, damage: Callable[[Any], None]) -> Path:
    """Write the bundle with a damaged graph, its hashes in order."""
    model = onnx.load(str(bundle.path / MODEL))
    damage(model.graph)
    out.mkdir()
    onnx.save(model, str(out / MODEL))
    files = {MODEL: out / MODEL, TOKENIZER: bundle.path / TOKENIZER}
    return write_bundle(out / "bundle", bundle.manifest, files, "").path


def appended(kind: str) -> Callable[[Any], None]:
    def damage(graph: Any) -> None:
        for node in graph.node:
            node.output[:] = ["raw" if name == "logits" else name for name in node.output]
        graph.node.append(helper.make_node(kind, ["raw"], ["logits"]))

    return damage


def swapped(first: str, second: str) -> Callable[[Any], None]:
    def damage(graph: Any) -> None:
        names = {first: second, second: first}
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]

    return damage


def emptied(graph: Any) -> None:
    """Zeros where the second half of the weights was: what a copy that was cut short leaves."""
    for item in list(graph.initializer)[len(graph.initializer) // 2 :]:
        if item.data_type == onnx.TensorProto.FLOAT and len(item.dims) == 2:
            item.CopyFrom(numpy_helper.from_array(np.zeros(tuple(item.dims), np.float32), item.name))


def disturbed(graph: Any) -> None:
    for item in graph.initializer:
        if item.data_type == onnx.TensorProto.FLOAT and len(item.dims) == 2:
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * np.float32(1.3), item.name))


def test_a_faithful_bundle_passes(whole: tuple[Path, Bundle]) -> None:
    found = verify_against(whole[1].path, str(whole[0]))
    assert found["difference_max"] < 1e-4
    assert found["kendall_tau"] > 0.999


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (appended("Sigmoid"), "the graph applies a sigmoid itself"),
        (appended("Tanh"), "the graph applies tanh itself"),
        (appended("Neg"), "opposite sign"),
        (swapped("attention_mask", "token_type_ids"), "inputs attention_mask and token_type_ids are swapped"),
        (swapped("input_ids", "token_type_ids"), "inputs input_ids and token_type_ids are swapped"),
        (emptied, r"holds [\d,]+ of the original's [\d,]+ weights; the file was truncated"),
        (disturbed, "its weights or its computation are others"),
    ],
    ids=["sigmoid", "tanh", "sign", "mask and segments", "ids and segments", "truncated", "other weights"],
)
def test_a_broken_export_is_refused_with_its_cause(
    tmp_path: Path, whole: tuple[Path, Bundle], damage: Callable[[Any], None], cause: str
) -> None:
    path = broken(whole[1], tmp_path / "broken", damage)
    with pytest.raises(BundleError, match=cause):
        verify_against(path, str(whole[0]))


def test_a_wrong_activation_in_the_manifest_is_named(tmp_path: Path, whole: tuple[Path, Bundle]) -> None:
    files = {name: whole[1].path / name for name in (MODEL, TOKENIZER)}
    wrong = write_bundle(tmp_path / "wrong", replace(whole[1].manifest, activation="identity"), files, "")
    with pytest.raises(BundleError, match="activation is identity, the original's is sigmoid"):
        verify_against(wrong.path, str(whole[0]))


def test_a_file_cut_short_is_no_whole_model(tmp_path: Path, whole: tuple[Path, Bundle]) -> None:
    (tmp_path / MODEL).write_bytes((whole[1].path / MODEL).read_bytes()[:-5000])
    files = {MODEL: tmp_path / MODEL, TOKENIZER: whole[1].path / TOKENIZER}
    cut = write_bundle(tmp_path / "cut", whole[1].manifest, files, "")
    with pytest.raises(BundleError, match="no whole ONNX model"):
        verify_against(cut.path, str(whole[0]))
