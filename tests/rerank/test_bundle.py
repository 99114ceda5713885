import json
from dataclasses import replace
from pathlib import Path

import pytest

from rerank.bundle import MANIFEST, MODEL, MODELS, default_bundle, load_bundle, write_bundle
from rerank.errors import BundleError
from rerank.manifest import Calibration, Manifest
from tests.rerank.tiny import tiny_embedder, tiny_reranker


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_embedder(tmp_path / "tiny").path


def edit(bundle: Path, **changes: object) -> None:
    data = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    (bundle / MANIFEST).write_text(json.dumps(data | changes), encoding="utf-8")


def test_what_is_written_comes_back(bundle: Path) -> None:
    manifest = load_bundle(bundle, "embed").manifest
    assert Manifest.from_json(manifest.to_json(), "here") == manifest
    assert manifest.fingerprint.startswith("sha256:")


def test_a_changed_file_is_named(bundle: Path) -> None:
    data = bytearray((bundle / MODEL).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / MODEL).write_bytes(data)
    with pytest.raises(BundleError, match=r"model\.onnx was changed"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["weights.pkl", "pytorch_model.bin", "extra.onnx", "model.onnx.data", "setup.py"])
def test_a_dangerous_file_that_nobody_listed_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"\x80\x04.")
    with pytest.raises(BundleError, match="does not belong"):
        load_bundle(bundle)


def test_a_listed_pickle_is_refused_too(bundle: Path) -> None:
    files = load_bundle(bundle).manifest.files
    (bundle / "weights.pkl").write_bytes(b"")
    edit(bundle, files={**files, "weights.pkl": "0" * 64})
    with pytest.raises(BundleError, match="pickle"):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 2}, "format"),
        ({"task": "sing"}, "task"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": True}, "max_length"),
        ({"languages": "en"}, "languages"),
        ({"pooling": None}, "pooling"),
        ({"template": {}}, "template"),
        ({"files": {}}, r"model\.onnx"),
        ({"files": {"../model.onnx": "0" * 64}}, "files"),
        ({"files": {"model.onnx": "0"}}, "files"),
        ({"metrics": []}, "metrics"),
    ],
)
def test_a_wrong_manifest_names_the_key(bundle: Path, changes: dict[str, object], named: str) -> None:
    edit(bundle, **changes)
    with pytest.raises(BundleError, match=named):
        load_bundle(bundle)


@pytest.mark.parametrize("content", ["", "[]", "{", "\0", "[" * 100_000])
def test_a_manifest_that_is_no_object_is_refused(bundle: Path, content: str) -> None:
    (bundle / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match="manifest"):
        load_bundle(bundle)


def test_a_file_in_a_bundle_s_place_is_told_what_a_bundle_is(bundle: Path) -> None:
    with pytest.raises(BundleError, match="a bundle is a folder"):
        load_bundle(bundle / "model.onnx")


def test_another_task_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleError, match="one to rerank is needed"):
        load_bundle(bundle, "rerank")


def test_the_fingerprint_follows_what_shapes_the_output(tmp_path: Path) -> None:
    manifest = tiny_reranker(tmp_path / "tiny").manifest
    assert replace(manifest, name="other", metrics={"a": 1}, licence="mit").fingerprint == manifest.fingerprint
    shaping = [
        replace(manifest, max_length=31),
        replace(manifest, query_prefix="query: "),
        replace(manifest, calibration=Calibration(2.0, 0.0)),
        replace(manifest, files={**manifest.files, MODEL: "0" * 64}),
    ]
    assert len({manifest.fingerprint, *(item.fingerprint for item in shaping)}) == 5


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    bundle = tiny_embedder(tmp_path / "tiny")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter.txt").write_text("dear", encoding="utf-8")
    files = {name: bundle.path / name for name in bundle.manifest.files}
    with pytest.raises(BundleError, match="no bundle"):
        write_bundle(taken, bundle.manifest, files, "")
    assert [file.name for file in taken.iterdir()] == ["letter.txt"]


def test_an_older_bundle_is_replaced(tmp_path: Path) -> None:
    bundle = tiny_embedder(tmp_path / "tiny")
    files = {name: tmp_path / "tiny-parts" / name for name in bundle.manifest.files}
    written = write_bundle(bundle.path, replace(bundle.manifest, max_length=16), files, "")
    assert written.manifest.max_length == 16
    assert sorted(file.name for file in tmp_path.iterdir()) == ["tiny", "tiny-parts"]


def test_no_default_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="none"):
        default_bundle("rerank", tmp_path)


@pytest.mark.parametrize("folder", sorted(MODELS.glob("*/")), ids=lambda folder: folder.name)
def test_the_shipped_bundles_are_whole(folder: Path) -> None:
    manifest = load_bundle(folder).manifest
    assert default_bundle(manifest.task) == folder
    assert manifest.licence == "apache-2.0"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 25_000_000
