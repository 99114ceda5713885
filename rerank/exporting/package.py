"""Package: a bundle as OpenSearch's ML Commons takes a local model: a zip, its hash and the registration body."""

import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.bundle import MODEL, TOKENIZER, Bundle, file_hash
from rerank.errors import BundleError
from rerank.exporting.onnx_file import WEIGHTS, load_model
from rerank.exporting.source import SEGMENTS

LAST_WITH_BUG = (3, 8)
"""Up to this version ML Commons sends `token_type_ids` to every cross-encoder, and those without that input fail
(opensearch-project/ml-commons issue 4924)."""

ZIP_DATE = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """The zip, the body of `POST /_plugins/_ml/models/_register`, and what the user should know."""

    archive: Path
    body: dict[str, Any]
    warnings: tuple[str, ...]


def package_for_ml_commons(
    bundle: Bundle, out: Path, *, cluster_version: str | None = None, url: str | None = None
) -> Package:
    """Write `NAME.zip` and `register.json` into `out`; the same bundle gives the same bytes.

    A cross-encoder without `token_type_ids` gets that input declared, unused, when the cluster's version would fail
    without it, or is not known.

    Args:
        bundle: a verified bundle.
        out: a folder, made if absent.
        cluster_version: such as 3.5.0; None: any.
        url: where the cluster will fetch the zip; None leaves it out of the body.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the weights stand in a file of their own, which ML Commons does not load, or the version is none.
    """
    if WEIGHTS in bundle.manifest.files:
        raise BundleError(f"{bundle.path} keeps its weights in {WEIGHTS}, which ML Commons does not load; quantize it")
    affected = cluster_version is None or _version(cluster_version) <= LAST_WITH_BUG
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{bundle.manifest.name}.zip"
    model = load_model(bundle.path / MODEL)
    lacks = bundle.manifest.task == "rerank" and SEGMENTS not in {item.name for item in model.graph.input}
    with tempfile.TemporaryDirectory() as scratch:
        source = bundle.path / MODEL
        if lacks and affected:
            source = _with_segments(model, Path(scratch) / MODEL)
        _zip(archive, {MODEL: source, TOKENIZER: bundle.path / TOKENIZER})
    body = _body(bundle, archive) | ({} if url is None else {"url": url})
    (out / "register.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    return Package(archive, body, _warnings(bundle, lacks and affected, cluster_version))


def _body(bundle: Bundle, archive: Path) -> dict[str, Any]:
    manifest = bundle.manifest
    config: dict[str, Any] = {"model_type": "bert", "embedding_dimension": manifest.dimension or 1}
    config["framework_type"] = "huggingface_transformers" if manifest.task == "rerank" else "sentence_transformers"
    if manifest.pooling is not None:
        config |= {"pooling_mode": manifest.pooling.upper(), "normalize_result": True}
    config["all_config"] = json.dumps({"max_length": manifest.max_length, "fingerprint": bundle.fingerprint})
    return {
        "name": manifest.name,
        "version": "1.0.0",
        "description": f"{manifest.name}, {manifest.precision}, from {manifest.base_model} ({manifest.licence})",
        "model_format": "ONNX",
        "function_name": "TEXT_SIMILARITY" if manifest.task == "rerank" else "TEXT_EMBEDDING",
        "model_content_size_in_bytes": archive.stat().st_size,
        "model_content_hash_value": file_hash(archive),
        "model_config": config,
    }


def _warnings(bundle: Bundle, declared: bool, cluster_version: str | None) -> tuple[str, ...]:
    manifest, found = bundle.manifest, []
    if declared:
        version = f"OpenSearch {cluster_version}" if cluster_version else "OpenSearch up to 3.8"
        found.append(
            f"{version} sends {SEGMENTS} to every cross-encoder and fails on a model without it: the packaged model "
            "declares that input and ignores it; this was not tried on such a cluster"
        )
    if manifest.task == "rerank":
        found.append("ML Commons gives the raw logit: order is the same, scores are not the bundle's probabilities")
        found.append("ML Commons does not know the document template: join the fields as the bundle does")
    if manifest.query_prefix or manifest.document_prefix:
        found.append("ML Commons does not add the bundle's prefixes: add them to the texts")
    return tuple(found)


def _version(text: str) -> tuple[int, int]:
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise BundleError(f"{text!r} is no OpenSearch version; write it as 3.5.0")
    return int(parts[0]), int(parts[1])


def _with_segments(model: Any, target: Path) -> Path:
    import onnx

    model.graph.input.append(onnx.helper.make_tensor_value_info(SEGMENTS, onnx.TensorProto.INT64, ["batch", "tokens"]))
    onnx.save(model, str(target))
    return target


def _zip(archive: Path, files: dict[str, Path]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        for name, source in files.items():
            item = zipfile.ZipInfo(name, ZIP_DATE)
            item.compress_type, item.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(item, source.read_bytes())
