"""Export: a torch model folder to a bundle, checked against the original. Needs the `train` extra."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs, pad
from rerank.bundle import MODEL, TOKENIZER, Bundle, refuse_foreign_folder, write_bundle
from rerank.errors import BundleError, MissingExtraError
from rerank.manifest import Calibration, Manifest, Pooling, Task
from rerank.model_card import model_card
from rerank.samples import SAMPLE_PAIRS
from rerank.session import Session
from rerank.template import DEFAULT_TEMPLATE, DocumentTemplate
from rerank.tokenize import Tokenizer

TOLERANCE = 5e-3
"""Largest absolute difference of a logit (or of a token vector's number) that counts as the same model."""

OPSET = 17
DEFAULT_MAX_LENGTH = 128
POLYRANK_JSON = "polyrank.json"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Source:
    """A torch model, ready to export: the module, its folder, what its files say, and its tokenizer.json."""

    model: Any
    task: Task
    settings: Mapping[str, Any]
    tokenizer: Path
    name: str


def export(model: str, out: Path, task: str | None = None) -> Bundle:
    """Export a model as an fp32 bundle; writes nothing when the ONNX model differs from the original.

    Args:
        model: a folder (sentence-transformers or transformers layout), or a name on the model hub.
        out: the bundle's folder.
        task: embed or rerank; None takes it from the model's files.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BundleError: the model cannot be read or exported, differs after export, or `out` is taken.
    """
    refuse_foreign_folder(out)
    with tempfile.TemporaryDirectory() as scratch:
        source = _load(model, cast(Task | None, task), Path(scratch))
        target = Path(scratch) / MODEL
        manifest = _manifest(source)
        inputs = _samples(source.tokenizer, manifest)
        _to_onnx(source, target, inputs)
        difference = _difference(source, target, inputs)
        if not difference <= TOLERANCE:
            raise BundleError(
                f"the exported {source.name} differs from the original by {difference:.2g} (at most {TOLERANCE}); "
                "nothing was written"
            )
        manifest = replace(
            manifest, metrics={**manifest.metrics, "max_abs_difference_to_torch": float(f"{difference:.3g}")}
        )
        return write_bundle(out, manifest, {MODEL: target, TOKENIZER: source.tokenizer}, model_card(manifest))


def _import_torch() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            f"`rerank export-onnx` needs {error.name}; install it: pip install 'polyrank[train]'"
        ) from error
    return torch, transformers


def _load(model: str, task: Task | None, scratch: Path) -> Source:
    torch, transformers = _import_torch()
    folder = Path(model)
    settings = _read_json(folder / POLYRANK_JSON)
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    name = str(settings.get("name") or (folder.resolve().name if folder.is_dir() else model.rsplit("/", 1)[-1]))
    try:
        config = transformers.AutoConfig.from_pretrained(model)
        scores = any("SequenceClassification" in item for item in config.architectures or ())
        task = task or cast(Task, settings.get("task")) or ("rerank" if scores and not pooling else "embed")
        kind = transformers.AutoModelForSequenceClassification if task == "rerank" else transformers.AutoModel
        loaded = kind.from_pretrained(model, attn_implementation="eager", dtype=torch.float32).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(model, use_fast=True)
        tokenizer.backend_tokenizer.save(str(scratch / TOKENIZER))
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise BundleError(f"cannot read the model {model}: {str(error).splitlines()[0]}") from error
    if task == "rerank" and loaded.config.num_labels != 1:
        raise BundleError(f"{model} gives {loaded.config.num_labels} scores a pair, a reranker gives one")
    sentence = _read_json(folder / "sentence_bert_config.json")
    merged: dict[str, Any] = {"max_length": sentence.get("max_seq_length"), "pooling": _pooling(pooling)} | dict(
        settings
    )
    positions = int(getattr(loaded.config, "max_position_embeddings", 512))
    merged["max_length"] = min(int(merged["max_length"] or DEFAULT_MAX_LENGTH), positions)
    return Source(loaded, task, merged, scratch / TOKENIZER, name)


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"cannot read {path}: {error}") from error
    if not isinstance(data, dict):
        raise BundleError(f"{path} is not a JSON object")
    return data


def _pooling(config: Mapping[str, Any]) -> Pooling:
    """Read both layouts of a sentence-transformers pooling file."""
    mode = config.get("pooling_mode")
    if mode == "cls" or config.get("pooling_mode_cls_token"):
        return "cls"
    if mode in (None, "mean") and config.get("pooling_mode_mean_tokens", True):
        return "mean"
    raise BundleError(f"the model pools by {mode or 'another mode'}; mean and cls are supported")


def _manifest(source: Source) -> Manifest:
    settings = source.settings
    embed = source.task == "embed"
    template = settings.get("template")
    calibration = settings.get("calibration") or {}
    return Manifest(
        name=source.name,
        task=source.task,
        base_model=str(settings.get("base_model") or source.name),
        licence=str(settings.get("licence") or "unknown"),
        languages=tuple(settings.get("languages") or ("en",)),
        max_length=settings["max_length"],
        template=DocumentTemplate.from_json(template) if template else DEFAULT_TEMPLATE,
        files={},
        pooling=settings["pooling"] if embed else None,
        dimension=int(source.model.config.hidden_size) if embed else None,
        activation=None if embed else settings.get("activation", "sigmoid"),
        calibration=None
        if embed
        else Calibration(float(calibration.get("scale", 1.0)), float(calibration.get("shift", 0.0))),
        query_prefix=settings.get("query_prefix", ""),
        document_prefix=settings.get("document_prefix", ""),
        training=settings.get("training", {}),
        metrics=settings.get("metrics", {}),
    )


def _samples(tokenizer_path: Path, manifest: Manifest) -> Inputs:
    tokenizer = Tokenizer(tokenizer_path, manifest.max_length)
    if manifest.task == "rerank":
        return pad(tokenizer.pairs(SAMPLE_PAIRS))
    return pad(tokenizer.texts([text for pair in SAMPLE_PAIRS for text in (pair.query, pair.document)]))


def _input_names(source: Source) -> list[str]:
    """XLM-R and its kind have one segment and want no token_type_ids."""
    segments = getattr(source.model.config, "type_vocab_size", 0)
    return list(INPUT_NAMES if segments and segments > 1 else INPUT_NAMES[:2])


def _module(source: Source, names: list[str]) -> Any:
    torch, _ = _import_torch()

    class Positional(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Takes the inputs by position, as the exporter gives them, and returns one tensor."""

        def __init__(self) -> None:
            super().__init__()
            self.model = source.model

        def forward(self, *values: Any) -> Any:
            output = self.model(**dict(zip(names, values, strict=True)))
            return output.logits if source.task == "rerank" else output.last_hidden_state

    return Positional().eval()


def _tensors(inputs: Inputs, names: list[str]) -> tuple[Any, ...]:
    torch, _ = _import_torch()
    return tuple(torch.from_numpy(inputs[name]) for name in names)


def _to_onnx(source: Source, target: Path, inputs: Inputs) -> None:
    torch, _ = _import_torch()
    names = _input_names(source)
    output = "logits" if source.task == "rerank" else "last_hidden_state"
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    axes[output] = {0: "batch"} if source.task == "rerank" else {0: "batch", 1: "tokens"}
    few = {name: value[:2] for name, value in inputs.items()}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter is called old, but its graphs run twice as fast
        try:
            torch.onnx.export(
                _module(source, names),
                _tensors(few, names),
                str(target),
                input_names=names,
                output_names=[output],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except (RuntimeError, TypeError, ValueError) as error:
            raise BundleError(f"torch cannot export {source.name}: {str(error).splitlines()[0]}") from error


def _difference(source: Source, target: Path, inputs: Inputs) -> float:
    """Return the largest difference on inputs of another shape than the exporter saw, padding apart."""
    torch, _ = _import_torch()
    names = _input_names(source)
    with torch.no_grad():
        expected: NDArray[np.float32] = _module(source, names)(*_tensors(inputs, names)).numpy()
    found = Session(target).run(inputs)
    if found.shape != expected.shape:
        raise BundleError(f"the exported {source.name} gives shape {found.shape}, the original {expected.shape}")
    difference = np.abs(found - expected)
    if source.task == "embed":
        difference = difference * inputs["attention_mask"][..., None]
    return float(difference.max())
