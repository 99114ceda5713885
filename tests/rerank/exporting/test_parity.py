"""Deliberately broken exports: each is refused with an error that names what was done."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper, numpy_helper

from rerank.bundle import MODEL, TOKENIZER, Bundle, file_hash, load_bundle, write_bundle
from rerank.cli import main
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateFiles
from rerank.exporting.export import export, verify_against
from rerank.exporting.samples import SAMPLE_PAIRS
from tests.rerank.architectures import UNSEGMENTED, save_model

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


def turned(graph: Any) -> None:
    """Segment 1 for the query and 0 for the document."""
    for node in graph.node:
        node.input[:] = ["turned" if name == "token_type_ids" else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "one"))
    graph.node.insert(0, helper.make_node("Sub", ["one", "token_type_ids"], ["turned"]))


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
        (swapped("input_ids", "attention_mask"), "inputs input_ids and attention_mask are swapped"),
        (turned, "segment 0 for the document and 1 for the query"),
        (emptied, r"holds [\d,]+ of the original's [\d,]+ weights; the file was truncated"),
        (disturbed, "its weights or its computation are others"),
    ],
    ids=[
        "sigmoid",
        "tanh",
        "sign",
        "mask and segments",
        "ids and segments",
        "ids and mask",
        "segments",
        "truncated",
        "other weights",
    ],
)
def test_a_broken_export_is_refused_with_its_cause(
    tmp_path: Path, whole: tuple[Path, Bundle], damage: Callable[[Any], None], cause: str
) -> None:
    path = broken(whole[1], tmp_path / "broken", damage)
    result = CliRunner().invoke(main, ["verify", str(path), "--against", str(whole[0])])
    assert result.exit_code == 1
    assert re.search(cause, result.stderr), result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.output


def test_a_graph_without_an_input_of_the_model_says_so(tmp_path: Path, whole: tuple[Path, Bundle]) -> None:
    other = export(str(save_model(tmp_path / "model", UNSEGMENTED, labels=1)), tmp_path / "bundle")
    files = {MODEL: other.path / MODEL, TOKENIZER: whole[1].path / TOKENIZER}
    mixed = write_bundle(tmp_path / "mixed", whole[1].manifest, files, "")
    with pytest.raises(BundleError, match="reads attention_mask, input_ids, the original attention_mask, input_ids, t"):
        verify_against(mixed.path, str(whole[0]))


def test_a_tokenizer_that_numbers_segments_otherwise_is_named(tmp_path: Path, whole: tuple[Path, Bundle]) -> None:
    content = json.loads((whole[1].path / TOKENIZER).read_text())
    pair = [("SpecialToken", "[CLS]", 1), ("Sequence", "A", 1), ("SpecialToken", "[SEP]", 1)]
    pair += [("Sequence", "B", 0), ("SpecialToken", "[SEP]", 0)]
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{kind: {"id": name, "type_id": 0}} for kind, name, _ in pair[:3]],
        "pair": [{kind: {"id": name, "type_id": segment}} for kind, name, segment in pair],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]} for name, number in (("[CLS]", 2), ("[SEP]", 3))
        },
    }
    (tmp_path / TOKENIZER).write_text(json.dumps(content))
    files = {MODEL: whole[1].path / MODEL, TOKENIZER: tmp_path / TOKENIZER}
    wrong = write_bundle(tmp_path / "wrong", whole[1].manifest, files, "")
    with pytest.raises(BundleError, match=r"numbers the segments of .* unlike the model's own tokenizer"):
        verify_against(wrong.path, str(whole[0]))


def test_parity_on_judged_pairs_of_ones_own_goes_into_the_manifest(tmp_path: Path, whole: tuple[Path, Bundle]) -> None:
    pairs = [
        {"query": pair.query, "doc_id": str(number), "text": pair.document * 2, "relevance": number % 3}
        for number, pair in enumerate(SAMPLE_PAIRS[:20])
    ]
    file = tmp_path / "judged.jsonl"
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    arguments = ["export-onnx", str(whole[0]), str(tmp_path / "bundle"), "--candidates", str(file), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    parity = load_bundle(tmp_path / "bundle").manifest.metrics["onnx_to_torch"]
    assert parity == json.loads(result.stdout)["onnx_to_torch"]
    assert (parity["queries"], parity["pairs"], parity["judged"]) == (2, 20, True)
    assert parity["data"] == [{"name": "judged.jsonl", "sha256": file_hash(file)}]
    assert parity["kendall_tau"] == 1.0
    assert parity["ndcg_difference"] == 0.0
    assert verify_against(tmp_path / "bundle", str(whole[0]), CandidateFiles(file)) == parity


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda folder: shorten(folder / "model.safetensors"), "cannot read the model"),
        (lambda folder: (folder / "polyrank.json").write_text('{"activation": "relu"}'), "has the activation 'relu'"),
        (lambda folder: alter(folder / "config.json", intermediate_size=64), r"of shape .* its config.json says"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot read the model"),
    ],
    ids=["weights", "activation", "shape", "tokenizer"],
)
def test_a_broken_model_is_not_exported_and_nothing_is_left(
    tmp_path: Path, damage: Callable[[Path], object], cause: str
) -> None:
    model = save_model(tmp_path / "model", labels=1)
    damage(model)
    (tmp_path / "out").mkdir()
    result = CliRunner().invoke(main, ["export-onnx", str(model), str(tmp_path / "out" / "bundle")])
    assert result.exit_code == 1
    assert re.search(cause, result.stderr), result.stderr
    assert "Traceback" not in result.output
    assert not list((tmp_path / "out").iterdir())


def alter(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


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
