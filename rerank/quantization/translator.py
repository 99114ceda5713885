"""Quantize a bundle to translate: both graphs in int8, the fastest form that still chooses the tokens of fp32.

A form is measured along the fp32 model's own translations: each token that it would choose, after the same tokens
before it, is compared with the one that fp32 chose. Free translations would tell less: after the first other token,
all further ones are of another sentence. Needs `onnx` (the `train` extra).
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rerank.batching import Inputs
from rerank.bundle import DECODER, ENCODER, Bundle, load_bundle, refuse_foreign_folder, write_bundle
from rerank.errors import BundleError
from rerank.exporting.model_card import model_card
from rerank.exporting.onnx_file import load_model, save_model
from rerank.quantization.calibrate import Activations, capture
from rerank.quantization.fit import Grid, fit
from rerank.quantization.graph import rewrite, weights_by_activation
from rerank.quantization.variants import Variant, cpu_variants
from rerank.session import SessionOptions
from rerank.translation.generate import Decoder, Ids, Kept, Written
from rerank.translation.onnx_translator import OnnxTranslator, generation_of, sample_pair

SAME_TOKENS = 0.97
WEIGHT_BITS = (7, 8)
CALIBRATION_TEXTS = 64
MEASURED_TEXTS = 200
LONGEST = 64
"""So many tokens of each text, and of its translation, are read."""

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """The texts, and what the fp32 model writes of them, padded: `tokens` (n, steps) and `counted` its mask."""

    inputs: Inputs
    tokens: Ids
    counted: Ids
    first: int | None


def quantize_translator(
    bundle: Path,
    out: Path,
    texts: Sequence[str],
    *,
    least: float = SAME_TOKENS,
    report: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Try int8 forms of an fp32 bundle to translate, and write the fastest one that keeps enough tokens.

    Args:
        bundle: an fp32 bundle to translate.
        out: the new bundle's folder.
        texts: in the language that the model reads (of NLLB: the first of its languages, English where it has it), to
            calibrate and measure on.
        least: share of tokens that must be fp32's own.
        report: is told what is being tried.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the bundle is damaged, reduced or for another task, no form keeps enough, or `out` is taken.
    """
    refuse_foreign_folder(out)
    original = load_bundle(bundle, "translate")
    manifest = original.manifest
    if manifest.precision != "fp32":
        raise BundleError(f"{bundle} has precision {manifest.precision}; quantize the fp32 bundle")
    report("fp32: translating")
    measures, activations = _observe(original, list(dict.fromkeys(texts)))
    with tempfile.TemporaryDirectory() as scratch:
        rows, best, fp32 = [], None, _Timed(original, measures)
        for number, variant in enumerate(_variants(original, activations)):
            report(f"{variant.name}: writing")
            reduced = replace(manifest, precision="int8", weight_bits=variant.weight_bits)
            folder = Path(scratch) / str(number)
            folder.mkdir()
            made = write_bundle(folder / manifest.name, reduced, _files(original, variant, folder), "")
            report(f"{variant.name}: measuring")
            row = _row(variant.name, made, fp32, least)
            rows.append(row)
            if row["refused"] is None and (best is None or row["ratio_to_fp32"] < best[0]["ratio_to_fp32"]):
                best, made = (row, made), best[1] if best else None
            if made is not None:
                shutil.rmtree(made.path.parent)  # forms of a large model fill a disk
        if best is None:
            reasons = "; ".join(f"{row['variant']}: {row['refused']}" for row in rows)
            raise BundleError(f"no reduced form of {manifest.name} keeps the tokens, nothing was written ({reasons})")
        row, chosen = best
        measured = {
            "variant": row["variant"],
            "same_tokens": row["same_tokens"],
            "tokens": fp32.tokens,
            "fp32_cpu_ms_per_100": round(fp32.milliseconds(), 1),
            "tried": rows,
        }
        final = replace(chosen.manifest, metrics={**manifest.metrics, "int8_to_fp32": measured})
        return write_bundle(out, final, {name: chosen.path / name for name in final.files}, model_card(final))


class _Timed:
    """A model that is run along what fp32 wrote: counts its same tokens, and the CPU seconds of each round."""

    def __init__(self, bundle: Bundle, measures: Sequence[Measure]) -> None:
        self._decoder, self.measures = _translator(bundle).decoder, measures
        self._texts = sum(len(measure.tokens) for measure in measures)
        self.tokens = int(sum(measure.counted.sum() for measure in measures))
        self.same = 0
        self.spent: list[float] = []

    def run(self) -> float:
        """Run once; return the CPU seconds it took."""
        started = time.process_time()
        self.same = sum(_same(self._decoder, measure) for measure in self.measures)
        self.spent.append(time.process_time() - started)
        return self.spent[-1]

    def milliseconds(self) -> float:
        """Return the median for 100 texts."""
        return float(np.median(self.spent)) * 100_000 / self._texts


class _Recording(Decoder):
    """Keeps what every step of the decoder, and the encoder, are given."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder.encoder, decoder.decoder, decoder.generation)
        self.seen: dict[str, list[Inputs]] = {ENCODER: [], DECODER: []}

    def read(self, inputs: Inputs) -> Kept:
        self.seen[ENCODER].append(inputs)
        return super().read(inputs)

    def step(self, last: Ids, mask: Ids, cross: Kept, past: Kept, choices: int) -> Any:
        self.seen[DECODER].append(self.given(last, mask, cross, past, choices))
        return super().step(last, mask, cross, past, choices)


def _observe(original: Bundle, texts: Sequence[str]) -> tuple[list[Measure], Mapping[str, Activations]]:
    """Translate by the fp32 model; return what it wrote, and what flowed into its products, as `FILE:NAME`."""
    translator = _translator(original)
    recording = _Recording(translator.decoder)
    source, target = sample_pair(original)
    spread = texts[:: max(1, len(texts) // MEASURED_TEXTS)][:MEASURED_TEXTS]
    measures = []
    for _, inputs in translator.batches(spread, source):
        made = translator.write_batch(inputs, target)
        measures.append(_measure(inputs, made, original, target))
    few = spread[:: max(1, len(spread) // CALIBRATION_TEXTS)]
    for _, inputs in translator.batches(few, source):
        translator.write_batch(inputs, target, recording)
    activations = {
        f"{name}:{key}": value
        for name in (ENCODER, DECODER)
        for key, value in capture(original.path / name, recording.seen[name]).items()
    }
    if not activations:
        raise BundleError(f"{original.path} has no weights to quantize; is it an fp32 translator?")
    return measures, activations


def _measure(inputs: Inputs, made: Sequence[Written], original: Bundle, target: str) -> Measure:
    generation = generation_of(original)
    rows = [[*one.tokens, generation.end] for one in made]
    steps = max(map(len, rows))
    tokens = np.full((len(rows), steps), generation.end)
    counted = np.zeros_like(tokens)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = ids
        counted[row, : min(len(ids), LONGEST)] = 1  # a translation that was cut off has no end
    return Measure(inputs, tokens, counted, generation.languages.get(target))


def _variants(original: Bundle, activations: Mapping[str, Activations]) -> list[Variant]:
    weights = {
        f"{name}:{key}": value
        for name in (ENCODER, DECODER)
        for key, value in weights_by_activation(load_model(original.path / name)).items()
    }

    def fitted(bits: int, dynamic: bool) -> dict[str, Grid]:
        return {key: fit(one, weights[key], dynamic=dynamic, weight_bits=bits) for key, one in activations.items()}

    return [variant for bits in WEIGHT_BITS for variant in cpu_variants(fitted(bits, False), fitted(bits, True), bits)]


def _files(original: Bundle, variant: Variant, folder: Path) -> dict[str, Path]:
    graphs = (ENCODER, DECODER)
    rest = [name for name in original.manifest.files if not name.startswith(graphs)]
    files = {name: original.path / name for name in rest}
    for name in graphs:
        model = load_model(original.path / name)
        rewrite(model, {key.split(":", 1)[1]: grid for key, grid in variant.grids.items() if key.startswith(name)})
        files |= save_model(model, folder, name=name)
    return files


def _same(decoder: Decoder, measure: Measure) -> int:
    """Count the tokens that a model would choose, too, each after fp32's tokens before it."""
    cross, mask = decoder.read(measure.inputs), measure.inputs["attention_mask"]
    last, past = decoder.begin(mask, cross, measure.first)
    same = 0
    for place in range(measure.tokens.shape[1]):
        chosen, _, past = decoder.step(last, mask, cross, past, 1)
        last = measure.tokens[:, place]
        same += int(((chosen[:, 0] == last) & (measure.counted[:, place] == 1)).sum())
    return same


def _row(name: str, bundle: Bundle, fp32: _Timed, least: float) -> dict[str, Any]:
    """Run a form and fp32 in turn, and return the form's line of the table. One form is in memory at a time, so its
    time is fp32's times the ratio that the two had side by side."""
    form = _Timed(bundle, fp32.measures)
    ratio = float(np.median([form.run() / fp32.run() for _ in range(ROUNDS)]))
    share = form.same / max(form.tokens, 1)
    size = sum(file.stat().st_size for file in bundle.path.glob("*.onnx*"))
    refused = None if share >= least else f"{share:.4f} of the tokens are fp32's own (at least {least})"
    row = {"variant": name, "megabytes": round(size / 1e6, 1), "cpu_ms_per_100": round(ratio * fp32.milliseconds(), 1)}
    return row | {"ratio_to_fp32": round(ratio, 3), "same_tokens": round(share, 5), "refused": refused}


def _translator(bundle: Bundle) -> OnnxTranslator:
    return OnnxTranslator(bundle, sample_pair(bundle), options=SessionOptions(threads=1), beam=1, max_tokens=LONGEST)
