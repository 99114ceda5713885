"""Quantize: an fp32 bundle to the fastest reduced form that keeps its ranking. Needs `onnx` (the `train` extra).

Weights get one scale per output column. Activations get a fixed grid or one per token, computed from that token alone,
so that a text has the same score in any batch. ONNX Runtime's own dynamic quantization takes one activation scale for
the whole batch: measured on all-MiniLM-L6-v2, its vectors keep a cosine of 0.9925 to fp32, and the vector of one text
moves by up to 0.017 with what else is in the batch. Channels that stretch a grid are evened out (`quantize_fit`): on
the same model and 400 product texts the cosine rises from 0.9963 to 0.9993 per token, and is 0.9982 with fixed grids.
Measured on a trained reranker and 544 judged pairs, CPU time for 100 pairs and Kendall's tau to fp32: fp32 1287 ms,
fixed grids 508 ms and .918, mixed 545 ms and .954, per token 566 ms and .950
(a busy machine: read the times as ratios).
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rerank.batching import Inputs, pad, plan_batches
from rerank.bundle import SEARCH_TASKS, TOKENIZER, Bundle, load_bundle, refuse_foreign_folder, write_bundle
from rerank.cross_encoder import MAX_BATCH_TOKENS, CrossEncoder
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateList, sample_lists
from rerank.exporting.model_card import model_card
from rerank.exporting.onnx_file import load_model, save_model
from rerank.quantization.calibrate import capture
from rerank.quantization.fit import Grid, fit
from rerank.quantization.graph import rewrite, weights_by_activation
from rerank.quantization.quality import Budget, Probe, Quality
from rerank.quantization.variants import Variant, cpu_variants
from rerank.session import SessionOptions
from rerank.tokenize import Tokenizer

Target = Literal["cpu", "gpu"]
PRECISIONS: Mapping[Target, str] = {"cpu": "int8", "gpu": "fp16"}
WEIGHT_BITS = (7, 8)
"""Weights of seven bits lose some precision, and are twice as fast to multiply on CPUs without VNNI; see `Session`."""

CALIBRATION_TEXTS = 200
TIMED_TEXTS = 100
TIMED_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class _Form:
    """How to write a reduced form's model into a folder, and how many bits of its int8 weights it uses."""

    make: Callable[[Path], Mapping[str, Path]]
    weight_bits: int = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """One form that was tried: its bundle, what it keeps, its CPU time for 100 texts, and why it was refused."""

    name: str
    bundle: Bundle
    quality: Quality
    milliseconds: float
    refused: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the row of the table."""
        size = sum(file.stat().st_size for file in self.bundle.path.glob("model.onnx*"))
        row = {"variant": self.name, "megabytes": round(size / 1e6, 1), "cpu_ms_per_100": round(self.milliseconds, 1)}
        return row | self.quality.to_json() | {"refused": self.refused}


def quantize(
    bundle: Path,
    out: Path,
    *,
    target: Target = "cpu",
    lists: Sequence[CandidateList] | None = None,
    budget: Budget | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Try reduced forms of an fp32 bundle and write the fastest one that keeps the budget, with the table of all.

    Args:
        bundle: an fp32 bundle.
        out: the new bundle's folder.
        target: cpu tries int8 forms; gpu writes fp16 with fused attention (int8 makes GPUs slower).
        lists: what to calibrate and measure on; None takes built-in pairs. Unjudged lists are measured against
            the fp32 model's own scores as gains.
        budget: what must be kept; None takes the defaults of `Budget`.
        report: is told what is being tried.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the bundle is damaged or already reduced, no form keeps the budget, or `out` is taken.
    """
    refuse_foreign_folder(out)
    original = load_bundle(bundle, SEARCH_TASKS)
    manifest = original.manifest
    if manifest.precision != "fp32":
        raise BundleError(f"{bundle} has precision {manifest.precision}; quantize the fp32 bundle")
    budget, lists = budget or Budget(), lists or sample_lists()
    with tempfile.TemporaryDirectory() as scratch:
        report("fp32: ranking the candidates")
        probe = Probe(original, lists)
        forms = _cpu_forms(original, lists) if target == "cpu" else _gpu_forms(original)
        bundles = {}
        for number, (name, form) in enumerate(forms.items()):
            report(f"{name}: writing")
            folder = Path(scratch) / str(number)
            folder.mkdir()
            reduced = replace(manifest, precision=PRECISIONS[target], weight_bits=form.weight_bits)
            files = {**form.make(folder), TOKENIZER: original.path / TOKENIZER}
            bundles[name] = write_bundle(folder / manifest.name, reduced, files, "")
        report("timing")
        times = _times({"fp32": original, **bundles}, lists)
        trials = []
        for name, candidate in bundles.items():
            report(f"{name}: ranking the candidates")
            quality = probe.compare(candidate)
            trials.append(Trial(name, candidate, quality, times[name], quality.missing(budget, manifest.task)))
        best = _fastest(trials, manifest.name)
        measured = {
            "variant": best.name,
            **best.quality.to_json(),
            "judged": lists[0].grades is not None,
            "pairs": sum(len(item.documents) for item in lists),
            "fp32_cpu_ms_per_100": round(times["fp32"], 1),
            "tried": [trial.to_json() for trial in trials],
        }
        final = replace(best.bundle.manifest, metrics={**manifest.metrics, f"{PRECISIONS[target]}_to_fp32": measured})
        files = {name: best.bundle.path / name for name in best.bundle.manifest.files}
        return write_bundle(out, final, files, model_card(final))


def _cpu_forms(original: Bundle, lists: Sequence[CandidateList]) -> dict[str, _Form]:
    source = original.path / "model.onnx"
    activations = capture(source, _batches(original, lists))
    weights = weights_by_activation(load_model(source))
    if not activations:
        raise BundleError(f"{source} has no weights to quantize; is it an fp32 transformer?")

    def fitted(bits: int, *, dynamic: bool) -> Mapping[str, Grid]:
        return {
            name: fit(values, weights[name], dynamic=dynamic, weight_bits=bits) for name, values in activations.items()
        }

    def form(variant: Variant) -> _Form:
        def make(folder: Path) -> Mapping[str, Path]:
            model = load_model(source)
            rewrite(model, variant.grids)
            return save_model(model, folder)

        return _Form(make, variant.weight_bits)

    return {
        variant.name: form(variant)
        for bits in WEIGHT_BITS
        for variant in cpu_variants(fitted(bits, dynamic=False), fitted(bits, dynamic=True), bits)
    }


def _gpu_forms(original: Bundle) -> dict[str, _Form]:
    from rerank.quantization.fp16 import to_fp16

    source = original.path / "model.onnx"
    return {
        "fp16, fused attention": _Form(lambda folder: to_fp16(source, folder, fused=True)),
        "fp16": _Form(lambda folder: to_fp16(source, folder, fused=False)),
    }


def _batches(original: Bundle, lists: Sequence[CandidateList]) -> list[Inputs]:
    """Return padded batches of texts taken evenly from all lists."""
    tokenizer = Tokenizer(original.path / TOKENIZER, original.manifest.max_length)
    pairs = [pair for item in lists for pair in item.pairs()]
    pairs = pairs[:: max(1, len(pairs) // CALIBRATION_TEXTS)]
    tokens = (
        tokenizer.pairs(pairs)
        if original.manifest.task == "rerank"
        else tokenizer.texts([text for pair in pairs for text in (pair.query, pair.document)])
    )
    lengths = [len(item) for item in tokens]
    return [pad([tokens[index] for index in batch]) for batch in plan_batches(lengths, MAX_BATCH_TOKENS)]


def _times(bundles: Mapping[str, Bundle], lists: Sequence[CandidateList]) -> dict[str, float]:
    """Return the median CPU milliseconds for 100 texts, the forms taking turns."""
    pairs = list(islice((pair for item in lists for pair in item.pairs()), TIMED_TEXTS))
    runs = {name: _runner(bundle, [*pairs]) for name, bundle in bundles.items()}
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(TIMED_ROUNDS):
        for name, run in runs.items():
            started = time.process_time()
            run()
            spent[name].append((time.process_time() - started) * 1000 * 100 / len(pairs))
    return {name: float(np.median(values)) for name, values in spent.items()}


def _runner(bundle: Bundle, pairs: list[Any]) -> Callable[[], Any]:
    options = SessionOptions(threads=1)
    if bundle.manifest.task == "rerank":
        scorer = CrossEncoder(bundle, options)
        return lambda: scorer.logits(pairs)
    embedder = SentenceEmbedder(bundle, options)
    texts = [pair.document for pair in pairs]
    return lambda: embedder.embed_documents(texts)


def _fastest(trials: Sequence[Trial], name: str) -> Trial:
    kept = [trial for trial in trials if trial.refused is None]
    if not kept:
        reasons = "; ".join(f"{trial.name}: {trial.refused}" for trial in trials)
        raise BundleError(f"no reduced form of {name} keeps the quality, nothing was written ({reasons})")
    return min(kept, key=lambda trial: trial.milliseconds)
