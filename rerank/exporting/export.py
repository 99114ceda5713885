"""Export: a torch model to a bundle, checked against the original. Needs the `train` extra."""

import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rerank.batching import pad
from rerank.bundle import MODEL, TOKENIZER, Bundle, load_bundle, refuse_foreign_folder, write_bundle
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateFiles, CandidateList, sample_lists
from rerank.exporting.first_token import keep_first_token
from rerank.exporting.model_card import model_card
from rerank.exporting.onnx_file import LARGEST_FILE, load_model, save_model
from rerank.exporting.parity import check_parity
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.exporting.source import POLYRANK_JSON, Source, import_torch, input_names, load_source, module
from rerank.exporting.translator import check_translator, export_translator, is_translator, load_translator_source
from rerank.manifest import Calibration, Manifest, Task
from rerank.template import DEFAULT_TEMPLATE, DocumentTemplate
from rerank.tokenize import Tokenizer
from rerank.training.pairs import provenance

__all__ = ["POLYRANK_JSON", "export", "verify_against"]

OPSET = 17


def export(
    model: str,
    out: Path,
    task: Task | None = None,
    *,
    texts: CandidateFiles | None = None,
    report: Callable[[str], None] = lambda _: None,
    largest_file: int = LARGEST_FILE,
) -> Bundle:
    """Export a model as an fp32 bundle; writes nothing when the ONNX model differs from the original.

    Args:
        model: a folder (sentence-transformers or transformers layout), or a name on the model hub.
        out: the bundle's folder.
        task: embed, rerank or translate; None takes it from the model's files.
        texts: the queries and documents to compare on; None takes built-in ones.
        report: is told what is being done.
        largest_file: bytes from which on the weights go into a file of their own.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BundleError: the model cannot be read or exported, differs after export, or `out` is taken.
        JudgementError: `texts` cannot be read.
    """
    refuse_foreign_folder(out)
    if task == "translate" or is_translator(model):
        if task not in (None, "translate") or texts is not None:
            raise BundleError(
                f"{model} is a model to translate: give neither --task {task or 'embed'} nor --candidates"
            )
        return export_translator(model, out, report=report, largest_file=largest_file)
    with tempfile.TemporaryDirectory() as scratch:
        source = load_source(model, task, Path(scratch))
        manifest = _manifest(source)
        lists = texts.read(manifest.template) if texts else sample_lists()
        traced, folder = Path(scratch) / "traced", Path(scratch) / "model"
        traced.mkdir()
        folder.mkdir()
        report(f"{source.name}: tracing")
        _to_onnx(source, traced / MODEL, manifest)
        graph = load_model(traced / MODEL)
        if source.task == "rerank":
            keep_first_token(graph)
        files = {**save_model(graph, folder, largest=largest_file), TOKENIZER: source.tokenizer}
        trial = write_bundle(Path(scratch) / "trial", manifest, files, "")
        parity = _compared(source, trial, lists, texts, report)
        metrics = {
            **manifest.metrics,
            "max_abs_difference_to_torch": parity["difference_max"],
            "onnx_to_torch": parity,
        }
        manifest = replace(manifest, metrics=metrics)
        return write_bundle(out, manifest, files, model_card(manifest))


def verify_against(
    bundle: Path, model: str, texts: CandidateFiles | None = None, *, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Check that a bundle, whoever made it, is the torch model it should be.

    Args:
        bundle: the bundle's folder.
        model: the torch model, a folder or a name on the hub.
        texts: what to compare on; None takes built-in pairs.
        report: is told what is being done.

    Returns:
        What `export` writes into the manifest as `onnx_to_torch`.

    Raises:
        BundleError: it is not; the message names the cause where it can be found.
        JudgementError: `texts` cannot be read.
    """
    loaded = load_bundle(bundle)
    if loaded.manifest.task == "translate":
        return check_translator(load_translator_source(model), loaded)
    with tempfile.TemporaryDirectory() as scratch:
        source = load_source(model, loaded.manifest.task, Path(scratch))
        length = {"max_length": loaded.manifest.max_length}
        source = replace(source, settings={**source.settings, **length})
        lists = texts.read(loaded.manifest.template) if texts else sample_lists()
        return _compared(source, loaded, lists, texts, report)


def _compared(
    source: Source,
    bundle: Bundle,
    lists: Sequence[CandidateList],
    texts: CandidateFiles | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Return the parity, and name and sha256 of the files it was found on."""
    total, done = sum(len(item.documents) for item in lists), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        report(f"{source.name}: compared with torch on {done:,} of {total:,} pairs")

    found = check_parity(source, bundle, lists, advance=advance).to_json()
    return found | {"data": provenance(texts.paths) if texts else "built-in pairs"}


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
        architecture=_architecture(source),
    )


def _architecture(source: Source) -> dict[str, Any]:
    """Return what is needed to build the torch model again: its configuration, and its tokenizer's special tokens."""
    config = json.loads(source.model.config.to_json_string(use_diff=True))
    tokenizer = source.tokenizer_object
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return {
        "config": {key: value for key, value in config.items() if key not in ("_name_or_path", "transformers_version")},
        "tokenizer": special | {"model_input_names": list(tokenizer.model_input_names)},
    }


def _to_onnx(source: Source, target: Path, manifest: Manifest) -> None:
    """Trace the model on two pairs of unequal length, so that no shape is taken for a constant."""
    torch, _ = import_torch()
    tokenizer = Tokenizer(source.tokenizer, manifest.max_length)
    few = SAMPLE_PAIRS[:2]
    inputs = pad(tokenizer.pairs(few) if source.task == "rerank" else tokenizer.texts([pair.document for pair in few]))
    names = input_names(source)
    output = "logits" if source.task == "rerank" else "last_hidden_state"
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    axes[output] = {0: "batch"} if source.task == "rerank" else {0: "batch", 1: "tokens"}
    tensors: tuple[Any, ...] = tuple(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in names)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter is called old, but its graphs run twice as fast
        try:
            torch.onnx.export(
                module(source),
                tensors,
                str(target),
                input_names=names,
                output_names=[output],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise BundleError(f"torch cannot export {source.name}: {reason}") from error
