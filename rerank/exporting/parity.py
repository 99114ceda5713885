"""Parity: whether an ONNX model is the torch model it came from, and if not, what was done to it.

Needs the `train` extra: the torch model is run with its own tokenizer, on real pairs, end to end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank.batching import Inputs, pad
from rerank.bundle import MODEL, TOKENIZER, Bundle
from rerank.embedder import pool
from rerank.errors import BundleError
from rerank.evaluation.candidates import CandidateList
from rerank.exporting.onnx_file import import_onnx, load_model
from rerank.exporting.source import SEGMENTS, Source, input_names, torch_output
from rerank.quantization.quality import compare_rankings
from rerank.session import Session
from rerank.tokenize import Tokenizer

TOLERANCE = 5e-3
"""Largest absolute difference of a logit (or of a token vector's number) that counts as the same model."""

CLOSE = 1e-2
"""How near a transformed output must come to name the transformation as the cause."""

BATCH = 64
"""Texts of one run."""

TIE_DECIMALS = 4
"""Scores that are equal to here are a tie: of two copies of a document either may come first by the last digits."""

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
    """What was found; `tau` and `ndcg_difference` are of rankings by the two models, over the same lists.

    `judged` tells whether nDCG@10 is of judgements; otherwise the torch model's own scores are the gains.
    """

    queries: int
    pairs: int
    judged: bool
    difference_max: float
    tau: float
    ndcg_difference: float

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's form."""
        return {
            "queries": self.queries,
            "pairs": self.pairs,
            "judged": self.judged,
            "difference_max": float(f"{self.difference_max:.3g}"),
            "kendall_tau": round(self.tau, 5),
            "ndcg_difference": round(self.ndcg_difference, 5),
        }


def check_parity(
    source: Source,
    bundle: Bundle,
    lists: Sequence[CandidateList],
    *,
    advance: Callable[[int], None] = lambda done: None,
) -> Parity:
    """Compare a bundle with the torch model it should be.

    Args:
        source: the torch model.
        bundle: the ONNX bundle, fp32.
        lists: real queries and documents.
        advance: is told how many pairs were compared since the last call.

    Raises:
        BundleError: they differ; the message names the cause where it can be found.
    """
    if cause := _activation_cause(source, bundle):
        raise BundleError(f"{bundle.manifest.name}: {cause}")
    check_weights(source, bundle.path / MODEL)
    both = _Both(source, bundle)
    found, expected = [], []
    for item in lists:
        ours, theirs = both.scores(item)
        found.append(np.round(ours, TIE_DECIMALS))
        expected.append(np.round(theirs, TIE_DECIMALS))
        advance(len(item.documents))
    tau, before, after = compare_rankings(bundle.manifest, lists, expected, found)
    if not tau >= LEAST_TAU:
        raise BundleError(f"{bundle.manifest.name} orders documents unlike the original: Kendall's tau {tau:.4f}")
    pairs = sum(len(item.documents) for item in lists)
    judged = all(item.grades is not None for item in lists)
    return Parity(len(lists), pairs, judged, both.difference_max, tau, after - before)


class _Both:
    """The two models side by side, each with its own tokenizer; `difference_max` is of all outputs so far."""

    def __init__(self, source: Source, bundle: Bundle) -> None:
        self._source, self._manifest = source, bundle.manifest
        self._session = Session(bundle.path / MODEL)
        self._tokenizer = Tokenizer(bundle.path / TOKENIZER, bundle.manifest.max_length)
        self.difference_max = 0.0

    def scores(self, item: CandidateList) -> tuple[Floats, Floats]:
        """Return how the ONNX and the torch model score a list: logits, or cosines with the query."""
        texts: list[Any] = item.pairs()
        if self._manifest.task == "embed":
            texts = [item.query.text, *item.documents]
        parts = [self._compare(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
        ours, theirs = (np.concatenate(side) for side in zip(*parts, strict=True))
        return (ours[1:] @ ours[0], theirs[1:] @ theirs[0]) if self._manifest.task == "embed" else (ours, theirs)

    def _compare(self, texts: list[Any]) -> tuple[Floats, Floats]:
        """Run both on texts or pairs: their logits or unit vectors, which are known to be alike."""
        rerank, name = self._manifest.task == "rerank", self._manifest.name
        inputs = pad(self._tokenizer.pairs(texts) if rerank else self._tokenizer.texts(texts))
        _check_tokens(self._source, texts, inputs)
        output, expected = _run(self._session, inputs, inputs), torch_output(self._source, inputs)
        expected = expected if rerank else expected * inputs["attention_mask"][..., None]
        if output is None:
            cause = diagnose(self._session, self._source, inputs, expected)
            raise BundleError(f"{name} cannot be run on real texts; {cause}")
        if output.shape != expected.shape:
            raise BundleError(f"{name} gives shape {output.shape}, the original {expected.shape}; export it again")
        difference = float(np.abs(output - expected).max())
        if not difference <= TOLERANCE:
            cause = diagnose(self._session, self._source, inputs, expected)
            raise BundleError(
                f"{name} is not the original: outputs differ by {difference:.2g} (at most {TOLERANCE}); {cause}"
            )
        self.difference_max = max(self.difference_max, difference)
        pooling = self._manifest.pooling
        if pooling is None:
            return output.reshape(-1), expected.reshape(-1)
        return pool(output, inputs["attention_mask"], pooling), pool(expected, inputs["attention_mask"], pooling)


def diagnose(session: Session, source: Source, inputs: Inputs, expected: Floats) -> str:
    """Say what turns the original's output into this model's, as one clause of a sentence."""
    wanted = input_names(source)
    for names in permutations(wanted):
        swapped = dict(zip(wanted, (inputs[name] for name in names), strict=True))
        wrong = [name for name, other in zip(wanted, names, strict=True) if name != other]
        if wrong and _near(_run(session, swapped, inputs), expected):
            return f"its inputs {' and '.join(wrong)} are swapped; export it again with the names in their order"
    turned = {**inputs, SEGMENTS: (1 - inputs[SEGMENTS]) * inputs["attention_mask"]}
    if _near(_run(session, turned, inputs), expected):
        return "it takes segment 0 for the document and 1 for the query; export it again with 0 for the query"
    output = _run(session, inputs, inputs)
    for cause, transform in _ACTIVATIONS.items():
        if output is not None and _near(output, transform(expected)):
            return f"the graph {cause}"
    if session.inputs != set(wanted):
        return f"it reads {_listed(session.inputs)}, the original {_listed(wanted)}; export it again from this model"
    return "its weights or its computation are others; export it again from this model"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


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


def _check_tokens(source: Source, texts: Sequence[Any], inputs: Inputs) -> None:
    """Compare ids, and segments where the model has them, with those of the model's own tokenizer."""
    sides: tuple[list[str], ...] = (list(texts),)
    if source.task == "rerank":
        sides = ([pair.query for pair in texts], [pair.document for pair in texts])
    own = source.tokenizer_object(*sides, truncation=True, max_length=source.settings["max_length"])
    lengths = inputs["attention_mask"].sum(axis=1)
    for name in (name for name in input_names(source) if name != "attention_mask"):
        for text, row, length, expected in zip(texts, inputs[name], lengths, own[name], strict=True):
            if row[:length].tolist() != list(expected):
                kind = "numbers the segments of" if name == SEGMENTS else "splits"
                shown = text.document if source.task == "rerank" else text
                raise BundleError(
                    f"tokenizer.json of {source.name} {kind} {shown[:40]!r} unlike the model's own tokenizer; "
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
