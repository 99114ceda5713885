"""Parity: whether an ONNX model is the torch model it came from, and if not, what was done to it.

Needs the `train` extra: the torch model is run with its own tokenizer, on real pairs, end to end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs, pad
from rerank.bundle import MODEL, TOKENIZER, Bundle
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateList
from rerank.exporting.onnx_file import import_onnx, load_model
from rerank.exporting.source import Source, input_names, torch_output
from rerank.quantization.quality import compare_rankings
from rerank.session import Session
from rerank.tokenize import Tokenizer

TOLERANCE = 5e-3
"""Largest absolute difference of a logit (or of a token vector's number) that counts as the same model."""

CLOSE = 1e-2
"""How near a transformed output must come to name the transformation as the cause."""

LEAST_TAU = 0.999
LEAST_WEIGHTS = 0.9
"""Share of the original's numbers: a graph keeps equal vectors once, and leaves out what the output does not need."""

Floats = NDArray[np.float32]


def _sigmoid(values: Floats) -> Floats:
    return np.float32(1) / (np.float32(1) + np.exp(-values))


_ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "applies a sigmoid itself; export the logits, the bundle's activation comes after": _sigmoid,
    "applies tanh itself; export the logits, the bundle's activation comes after": np.tanh,
    "gives the logits with the opposite sign": np.negative,
}


@dataclass(frozen=True, slots=True)
class Parity:
    """What was found; `tau` and `ndcg_difference` are of rankings by the two models, over the same lists."""

    pairs: int
    difference_max: float
    tau: float
    ndcg_difference: float

    def to_json(self) -> dict[str, float]:
        """Return the manifest's form."""
        return {
            "pairs": self.pairs,
            "difference_max": float(f"{self.difference_max:.3g}"),
            "kendall_tau": round(self.tau, 5),
            "ndcg_difference": round(self.ndcg_difference, 5),
        }


def check_parity(source: Source, bundle: Bundle, lists: Sequence[CandidateList]) -> Parity:
    """Compare a bundle with the torch model it should be.

    Args:
        source: the torch model.
        bundle: the ONNX bundle, fp32.
        lists: real queries and documents.

    Raises:
        BundleError: they differ; the message names the cause where it can be found.
    """
    if cause := _activation_cause(source, bundle):
        raise BundleError(f"{bundle.manifest.name}: {cause}")
    check_weights(source, bundle.path / MODEL)
    found, expected = [], []
    session, tokenizer = Session(bundle.path / MODEL), Tokenizer(bundle.path / TOKENIZER, bundle.manifest.max_length)
    rerank = bundle.manifest.task == "rerank"
    for item in lists:
        inputs = pad(tokenizer.pairs(item.pairs()) if rerank else tokenizer.texts([item.query.text, *item.documents]))
        _check_tokens(source, item, inputs)
        output, torch_side = _run(session, inputs, inputs), torch_output(source, inputs)
        mask = 1.0 if rerank else inputs["attention_mask"][..., None]
        if output is None:
            cause = diagnose(session, source, inputs, torch_side * mask)
            raise BundleError(f"{bundle.manifest.name} cannot be run on real pairs; {cause}")
        if output.shape != torch_side.shape:
            raise BundleError(
                f"{bundle.manifest.name} gives shape {output.shape}, the original {torch_side.shape}; export it again"
            )
        found.append(output)
        expected.append(torch_side * mask)
        difference = float(np.abs(found[-1] - expected[-1]).max())
        if not difference <= TOLERANCE:
            cause = diagnose(session, source, inputs, expected[-1])
            raise BundleError(
                f"{bundle.manifest.name} is not the original: outputs differ by {difference:.2g} "
                f"(at most {TOLERANCE}); {cause}"
            )
    return _parity(lists, expected, found, bundle)


def _parity(
    lists: Sequence[CandidateList], expected: Sequence[Floats], found: Sequence[Floats], bundle: Bundle
) -> Parity:
    def rank(outputs: Sequence[Floats]) -> list[Floats]:
        if bundle.manifest.task == "rerank":
            return [output.reshape(-1) for output in outputs]
        means = [output.mean(axis=1) for output in outputs]
        return [mean[1:] @ mean[0] for mean in means]

    tau, before, after = compare_rankings(bundle.manifest, lists, rank(expected), rank(found))
    if not tau >= LEAST_TAU:
        raise BundleError(f"{bundle.manifest.name} orders documents unlike the original: Kendall's tau {tau:.4f}")
    pairs = sum(len(item.documents) for item in lists)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    return Parity(pairs, difference, tau, after - before)


def diagnose(session: Session, source: Source, inputs: Inputs, expected: Floats) -> str:
    """Say what turns the original's output into this model's, as one clause of a sentence."""
    for names in permutations(input_names(source)):
        swapped = dict(zip(input_names(source), (inputs[name] for name in names), strict=True))
        wrong = [name for name, other in zip(input_names(source), names, strict=True) if name != other]
        if wrong and _near(_run(session, swapped, inputs), expected):
            return f"its inputs {' and '.join(wrong)} are swapped; export it again with the names in their order"
    output = _run(session, inputs, inputs)
    for cause, transform in _ACTIVATIONS.items():
        if output is not None and _near(output, transform(expected)):
            return f"the graph {cause}"
    return "its weights or its computation are others; export it again from this model"


def check_weights(source: Source, model: Path) -> None:
    """Check that the graph holds as many numbers as the torch model, and no matrix of zeros in their place.

    Raises:
        BundleError: weights are missing; the message says how many.
    """
    to_array = import_onnx().numpy_helper.to_array
    arrays = [to_array(item) for item in load_model(model).graph.initializer]
    kept = sum(array.size for array in arrays if array.dtype == np.float32 and array.any())
    wanted = sum(
        value.numel() for name, value in source.model.named_parameters() if "pooler" not in name and value.any()
    )
    if kept < LEAST_WEIGHTS * wanted:
        raise BundleError(
            f"{model} holds {kept:,} of the original's {wanted:,} weights; the file was truncated, export it again"
        )


def _activation_cause(source: Source, bundle: Bundle) -> str | None:
    wanted, found = source.settings.get("activation", "sigmoid"), bundle.manifest.activation
    if bundle.manifest.task == "rerank" and found != wanted:
        return f"the bundle's activation is {found}, the original's is {wanted}; set `activation` to {wanted}"
    return None


def _check_tokens(source: Source, item: CandidateList, inputs: Inputs) -> None:
    """Compare ids with those of the model's own tokenizer."""
    length = source.settings["max_length"]
    texts: tuple[list[str], ...] = ([item.query.text] * len(item.documents), list(item.documents))
    if source.task == "embed":
        texts = ([item.query.text, *item.documents],)
    own = source.tokenizer_object(*texts, truncation=True, max_length=length)["input_ids"]
    for ids, mask, expected in zip(inputs["input_ids"], inputs["attention_mask"], own, strict=True):
        if ids[: int(mask.sum())].tolist() != list(expected):
            raise BundleError(
                f"tokenizer.json of {source.name} splits {item.documents[0][:40]!r} unlike the model's own tokenizer; "
                "save the tokenizer with save_pretrained and export again"
            )


def _run(session: Session, inputs: Mapping[str, Any], masked_by: Inputs) -> Floats | None:
    try:
        output = session.run(inputs)
    except Exception:  # noqa: BLE001  (a swapped input may be out of any table: then this was not the swap)
        return None
    return output if output.ndim < 3 else output * masked_by["attention_mask"][..., None].astype(np.float32)


def _near(found: Floats | None, expected: Floats) -> bool:
    return found is not None and found.shape == expected.shape and bool(np.abs(found - expected).max() <= CLOSE)
