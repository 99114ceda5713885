import hashlib
import json
import zipfile
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from rerank.cli import main
from rerank.errors import BundleError
from rerank.exporting.model_card import model_card
from rerank.exporting.package import package_for_ml_commons
from tests.rerank.tiny import DIMENSION, tiny_embedder, tiny_reranker

pytestmark = pytest.mark.train


def inputs(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == ["model.onnx", "tokenizer.json"]
        graph = onnx.load_from_string(opened.read("model.onnx")).graph
    return {item.name for item in graph.input}


def test_the_body_holds_the_hash_of_the_zip_which_is_always_the_same(tmp_path: Path) -> None:
    bundle = tiny_reranker(tmp_path / "bundle")
    made = [package_for_ml_commons(bundle, tmp_path / name) for name in ("one", "two")]
    content = made[0].archive.read_bytes()
    assert content == made[1].archive.read_bytes()
    body = json.loads((tmp_path / "one" / "register.json").read_text())
    assert body["model_content_hash_value"] == hashlib.sha256(content).hexdigest()
    assert body["model_content_size_in_bytes"] == len(content)
    assert (body["function_name"], body["model_format"]) == ("TEXT_SIMILARITY", "ONNX")


@pytest.mark.parametrize(
    ("version", "declared"), [("3.5.0", True), ("2.19.1", True), ("3.8.0", True), ("3.9.0", False), (None, True)]
)
def test_a_model_without_segments_is_made_fit_for_the_clusters_that_send_them(
    tmp_path: Path, version: str | None, declared: bool
) -> None:
    made = package_for_ml_commons(tiny_reranker(tmp_path / "bundle"), tmp_path / "out", cluster_version=version)
    assert ("token_type_ids" in inputs(made.archive)) is declared
    assert any("token_type_ids" in warning for warning in made.warnings) is declared


def test_an_embedder_says_how_it_pools(tmp_path: Path) -> None:
    made = package_for_ml_commons(tiny_embedder(tmp_path / "bundle"), tmp_path / "out", url="https://x.test/a.zip")
    assert made.body["function_name"] == "TEXT_EMBEDDING"
    assert made.body["model_config"]["pooling_mode"] == "MEAN"
    assert made.body["model_config"]["embedding_dimension"] == DIMENSION
    assert made.body["url"] == "https://x.test/a.zip"


def test_what_is_no_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="write it as"):
        package_for_ml_commons(tiny_reranker(tmp_path / "bundle"), tmp_path / "out", cluster_version="latest")


def test_the_commands(tmp_path: Path) -> None:
    bundle = tiny_reranker(tmp_path / "bundle")
    shown = CliRunner().invoke(main, ["card", str(bundle.path)])
    assert shown.stdout == model_card(bundle.manifest)
    options = ["--for", "ml-commons", "--cluster-version", "3.5.0"]
    done = CliRunner().invoke(main, ["package", str(bundle.path), str(tmp_path / "out"), *options, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["register"]["name"] == "bundle"
    assert "warning: OpenSearch 3.5.0 sends token_type_ids" in done.stderr
