"""Quantize: an fp32 bundle to 8-bit integers, and how much quality that costs. Needs `onnx` (the `train` extra).

Weights get one scale per output column, activations one per token, computed from that token alone. ONNX Runtime's own
dynamic quantization takes one activation scale for the whole batch instead: measured on all-MiniLM-L6-v2 with 200
product texts, its vectors keep a cosine of 0.9925 to fp32 (0.957 without a scale per column) and the vector of one text
moves by up to 0.017 with what else is in the batch; here it is 0.996, and a text has the same vector in any batch.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from rerank.bundle import MODEL, TOKENIZER, Bundle, load_bundle, refuse_foreign_folder, write_bundle
from rerank.cross_encoder import CrossEncoder
from rerank.embedder import SentenceEmbedder
from rerank.errors import BundleError, MissingExtraError
from rerank.model_card import model_card
from rerank.protocols import Pair
from rerank.samples import SAMPLE_PAIRS

WEIGHT_LEVELS = 63
"""Weights use 7 of 8 bits: on CPUs without VNNI two products are added in 16 bits, and 2 * 255 * 63 just fits, so that
every CPU computes the same."""

ACTIVATION_LEVELS = 127
TABLE_ROWS = 256
"""Embedding tables with fewer rows stay fp32."""

FLOORS = {"embed": 0.99, "rerank": 0.9}
"""Least mean cosine to fp32, and least mean Kendall's tau of a query's documents."""


def quantize(bundle: Path, out: Path, *, calibration: Path | None = None, floor: float | None = None) -> Bundle:
    """Write an int8 bundle and its loss against the fp32 one; writes nothing below the floor.

    Args:
        bundle: an fp32 bundle.
        out: the new bundle's folder.
        calibration: texts to measure on, one a line: a text, or query<TAB>document; None takes built-in pairs.
        floor: least mean cosine (embed) or Kendall's tau (rerank), -1..1; None takes `FLOORS`.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the bundle is damaged or already quantized, the loss is too great, or `out` is taken.
    """
    refuse_foreign_folder(out)
    original = load_bundle(bundle)
    manifest = original.manifest
    if manifest.precision != "fp32":
        raise BundleError(f"{bundle} has precision {manifest.precision}; quantize the fp32 bundle")
    pairs = SAMPLE_PAIRS if calibration is None else _read_pairs(calibration)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / MODEL
        quantize_model(bundle / MODEL, target)
        files = {MODEL: target, TOKENIZER: bundle / TOKENIZER}
        reduced = replace(manifest, precision="int8")
        trial = write_bundle(Path(scratch) / manifest.name, reduced, files, "")
        quality = (
            _embedding_quality(original, trial, pairs)
            if manifest.task == "embed"
            else _rank_quality(original, trial, pairs)
        )
        measure = "cosine_mean" if manifest.task == "embed" else "kendall_tau"
        floor = FLOORS[manifest.task] if floor is None else floor
        if not quality[measure] >= floor:
            raise BundleError(
                f"int8 costs {manifest.name} too much: {measure} {quality[measure]:.4f} to fp32 is under {floor}; "
                "nothing was written"
            )
        final = replace(reduced, metrics={**manifest.metrics, "int8_to_fp32": quality})
        return write_bundle(out, final, files, model_card(final))


def quantize_model(source: Path, target: Path) -> None:
    """Rewrite an fp32 ONNX model: constant matrix products and embedding tables in int8.

    Raises:
        MissingExtraError: `onnx` is not installed.
        BundleError: the model has no matrix product with constant weights.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("`rerank quantize` needs onnx; install it: pip install 'polyrank[train]'") from error
    model = onnx.load(str(source))
    rewriter = _Rewriter(model.graph, onnx)
    if not rewriter.rewrite():
        raise BundleError(f"{source} has no weights to quantize; is it an fp32 transformer?")
    if not any(item.domain == "com.microsoft" for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(target))


class _Rewriter:
    """Replaces nodes of one graph, sharing the quantized form of an activation that several products read."""

    def __init__(self, graph: Any, onnx: Any) -> None:
        self._graph, self._helper, self._numpy = graph, onnx.helper, onnx.numpy_helper
        self._float = onnx.TensorProto.FLOAT
        self._weights = {item.name: item for item in graph.initializer}
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {
            "int8_scale": np.array(1 / ACTIVATION_LEVELS, np.float32),
            "int8_zero": np.array(128, np.uint8),
            "int8_least": np.array(1e-12, np.float32),
        }
        self._replaced: set[str] = set()
        self._activations: dict[str, str] = {}

    def rewrite(self) -> bool:
        for node in self._graph.node:
            if node.op_type == "MatMul" and self._is_matrix(node.input[1]):
                self._product(node)
            elif node.op_type == "Gather" and self._is_matrix(node.input[0], TABLE_ROWS):
                self._table(node)
            else:
                self._nodes.append(node)
        still_read = {name for node in self._nodes for name in node.input}
        kept = [item for item in self._graph.initializer if item.name in still_read]
        constants = [self._numpy.from_array(value, name) for name, value in self._constants.items()]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(kept + constants)
        return bool(self._activations)

    def _is_matrix(self, name: str, least_rows: int = 1) -> bool:
        weight = self._weights.get(name)
        return (
            weight is not None
            and weight.data_type == self._float
            and len(weight.dims) == 2
            and weight.dims[0] >= least_rows
        )

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _quantized(self, name: str, axis: int) -> tuple[str, str]:
        """Return the names of a weight's int8 form and of its scales, one for each index that `axis` leaves."""
        if f"{name}_int8" not in self._constants:
            weight = self._numpy.to_array(self._weights[name])
            levels = WEIGHT_LEVELS if axis == 0 else ACTIVATION_LEVELS
            scales = np.maximum(np.abs(weight).max(axis=axis, keepdims=True), 1e-12) / levels
            self._constants[f"{name}_int8"] = np.clip(np.round(weight / scales), -levels, levels).astype(np.int8)
            flat = scales.astype(np.float32)
            self._constants[f"{name}_scales"] = flat.reshape(-1) if axis == 0 else flat
        return f"{name}_int8", f"{name}_scales"

    def _activation(self, name: str) -> tuple[str, str]:
        """Return the names of an activation's uint8 form and of each token's largest absolute value."""
        prefix = self._activations.get(name)
        if prefix is None:
            prefix = self._activations[name] = f"int8_{len(self._activations)}"
            absolute = self._add("Abs", [name], f"{prefix}_abs")
            peak = self._add("ReduceMax", [absolute], f"{prefix}_peak", axes=[-1], keepdims=1)
            largest = self._add("Max", [peak, "int8_least"], f"{prefix}_max")
            relative = self._add("Div", [name, largest], f"{prefix}_relative")
            self._add("QuantizeLinear", [relative, "int8_scale", "int8_zero"], f"{prefix}_uint8")
        return f"{prefix}_uint8", f"{prefix}_max"

    def _product(self, node: Any) -> None:
        activation, largest = self._activation(node.input[0])
        weight, scales = self._quantized(node.input[1], axis=0)
        inputs = [activation, weight, "int8_scale", scales, "int8_zero"]
        product = self._add("MatMulIntegerToFloat", inputs, f"{node.output[0]}_relative", domain="com.microsoft")
        self._add("Mul", [product, largest], node.output[0])

    def _table(self, node: Any) -> None:
        weight, scales = self._quantized(node.input[0], axis=1)
        output = node.output[0]
        rows = self._add("Gather", [weight, node.input[1]], f"{output}_int8", axis=0)
        numbers = self._add("Cast", [rows], f"{output}_float", to=self._float)
        scale = self._add("Gather", [scales, node.input[1]], f"{output}_scale", axis=0)
        self._add("Mul", [numbers, scale], output)


def _read_pairs(path: Path) -> tuple[Pair, ...]:
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise BundleError(f"{path} holds no text to measure on")
    return tuple(Pair(parts[0], parts[1] if len(parts) > 1 else parts[0]) for parts in lines)


def _embedding_quality(original: Bundle, reduced: Bundle, pairs: Sequence[Pair]) -> Mapping[str, float]:
    queries = list(dict.fromkeys(pair.query for pair in pairs))
    documents = list(dict.fromkeys(pair.document for pair in pairs))
    before, after = SentenceEmbedder(original), SentenceEmbedder(reduced)
    cosines = np.concatenate(
        [
            (before.embed_queries(queries) * after.embed_queries(queries)).sum(axis=1),
            (before.embed_documents(documents) * after.embed_documents(documents)).sum(axis=1),
        ]
    )
    return {"texts": len(cosines), "cosine_mean": _short(cosines.mean()), "cosine_min": _short(cosines.min())}


def _rank_quality(original: Bundle, reduced: Bundle, pairs: Sequence[Pair]) -> Mapping[str, float]:
    before, after = CrossEncoder(original).score(pairs), CrossEncoder(reduced).score(pairs)
    difference = np.abs(before - after)
    rows: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        rows.setdefault(pair.query, []).append(index)
    several = [indices for indices in rows.values() if len(indices) > 1] or [list(range(len(pairs)))]
    taus = np.nan_to_num([kendalltau(before[indices], after[indices]).statistic for indices in several], nan=1.0)
    return {
        "pairs": len(pairs),
        "score_difference_mean": _short(difference.mean()),
        "score_difference_max": _short(difference.max()),
        "kendall_tau": _short(taus.mean()),
    }


def _short(number: Any) -> float:
    return round(float(number), 5)
