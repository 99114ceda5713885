"""The training recipe: everything that shapes a cross-encoder apart from its data, read from a TOML file."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from rerank.errors import ModelInputError, PolyrankError
from rerank.template import DocumentTemplate

Kind = TypeVar("Kind")
Loss = Literal[
    "binary_cross_entropy", "teacher_cross_entropy", "margin_mse", "list_net", "rank_net", "lambda", "contrast"
]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

POINTWISE: frozenset[Loss] = frozenset(("binary_cross_entropy", "teacher_cross_entropy"))
"""Losses of one pair alone; all others compare the documents of a query, which then share a batch."""

TAUGHT: frozenset[Loss] = frozenset(("teacher_cross_entropy", "margin_mse"))
"""Losses towards a teacher's score, which the training pairs must carry."""


TRACKERS = ("tensorboard", "wandb", "mlflow")
UNKNOWN_TRACKER = f"`report_to` knows {', '.join(TRACKERS)}, not {{}}"


class TrainingError(PolyrankError):
    """A recipe or a file of training pairs cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a cross-encoder is trained.

    `loss` gives each loss its weight in the sum. `gains` gives each grade (its position) the probability to learn;
    `temperature` sharpens list_net's target, the softmax of gain / temperature. With a loss that compares documents
    a batch is `queries_per_batch` queries with all their pairs, and `batch_size` the pairs of one forward pass.
    `init_from` is the folder to start from when the caller names none. `seeds` trains once for each and averages the
    weights; empty means `seed` alone. `precision` auto is bf16 where the hardware multiplies bf16, fp32 elsewhere.
    `warmup` is a share of all steps; `frozen_layers` -1 trains all, 0 freezes the embeddings, n the n lowest layers
    too; `average_last` is the number of checkpoints, evenly spread over the last fifth of the steps, whose weights
    are averaged (0: the last weights); `base_share` is the share of the weights it started from in the result (0:
    none), for a stage that must not forget the one before it.

    `accumulate` batches make a step; gradients longer than `max_grad_norm` are cut. `keep_layers` are the base's layers
    that the model keeps, from 0 (empty: all); `lora_rank` trains adapters of this rank alone and merges them (0: none);
    `adversarial` is the distance of FGM's move of the embeddings (0: none). `evaluate_every` is in epochs, with dev
    pairs: a checkpoint is written each time, `patience` evaluations without a gain end the training (0: never), and
    the best checkpoint is the result. `report_to` names trackers: tensorboard, wandb, mlflow.
    """

    name: str
    base_model: str
    licence: str
    template: DocumentTemplate
    sha256: str
    languages: tuple[str, ...] = ("en",)
    max_length: int = 64
    seed: int = 1
    seeds: tuple[int, ...] = ()
    init_from: str = ""
    precision: Precision = "fp32"
    loss: Mapping[Loss, float] = field(default_factory=lambda: {"binary_cross_entropy": 1.0})
    gains: tuple[float, ...] = (0.0, 0.25, 0.6, 1.0)
    temperature: float = 0.25
    epochs: float = 2.0
    learning_rate: float = 7e-5
    batch_size: int = 32
    queries_per_batch: int = 1
    warmup: float = 0.1
    weight_decay: float = 0.01
    frozen_layers: int = -1
    average_last: int = 0
    base_share: float = 0.0
    accumulate: int = 1
    max_grad_norm: float = 1.0
    keep_layers: tuple[int, ...] = ()
    lora_rank: int = 0
    adversarial: float = 0.0
    evaluate_every: float = 0.5
    patience: int = 0
    report_to: tuple[str, ...] = ()

    @property
    def pointwise(self) -> bool:
        """Whether every loss looks at one pair alone."""
        return self.loss.keys() <= POINTWISE


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type.
    """
    recipe = parse_recipe(path, Recipe, _value)
    if fault := _fault(recipe):
        raise TrainingError(f"the recipe {path}: {fault}")
    return recipe


def parse_recipe(path: Path, kind: Callable[..., Kind], convert: Callable[[Path, str, Any], Any]) -> Kind:
    """Make a recipe of some kind from a TOML file: its keys are the fields of `kind`, `template` and `sha256` apart.

    Args:
        path: the file.
        kind: a dataclass with `template` and `sha256`.
        convert: turns the file, a key and its value into the field's value, or refuses it.

    Raises:
        TrainingError: the file is unreadable, or a key is unknown or missing.
    """
    try:
        content = path.read_bytes()
        data = tomllib.loads(content.decode())
        template = DocumentTemplate.from_json(data.pop("template", None))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ModelInputError) as error:
        raise TrainingError(f"cannot read the recipe {path}: {error}") from error
    values = {key: convert(path, key, value) for key, value in data.items()}
    try:
        return kind(template=template, sha256=hashlib.sha256(content).hexdigest(), **values)
    except TypeError as error:
        known = ", ".join(item.name for item in fields(cast(Any, kind)) if item.name not in ("template", "sha256"))
        raise TrainingError(f"the recipe {path}: {error}; keys are {known} and [template]") from error


def _fault(recipe: Recipe) -> str | None:
    if not recipe.loss or not recipe.loss.keys() <= set(get_args(Loss)):
        return f"`loss` must be one of {', '.join(get_args(Loss))}, or a table of them with weights"
    if not all(weight > 0 for weight in recipe.loss.values()):
        return "every weight of `loss` must be positive"
    if recipe.precision not in get_args(Precision):
        return f"`precision` must be one of {', '.join(get_args(Precision))}"
    counts = (recipe.epochs, recipe.batch_size, recipe.queries_per_batch, recipe.temperature)
    if min(counts) <= 0 or recipe.max_length < 8 or not recipe.gains:
        return "epochs, batch_size, queries_per_batch, temperature, max_length and gains must be positive"
    if not 0.0 <= recipe.base_share <= 1.0:
        return "`base_share` must be from 0 to 1"
    if min(recipe.accumulate, recipe.max_grad_norm, recipe.evaluate_every) <= 0 or recipe.adversarial < 0:
        return "accumulate, max_grad_norm and evaluate_every must be positive, adversarial not negative"
    if recipe.adversarial and (recipe.frozen_layers >= 0 or recipe.lora_rank):
        return "`adversarial` moves the embeddings, which `frozen_layers` and `lora_rank` do not train"
    if recipe.average_last and (recipe.patience or recipe.lora_rank):
        return "`average_last` cannot go with `patience` (the best checkpoint is the result) or `lora_rank`"
    if unknown := set(recipe.report_to) - set(TRACKERS):
        return UNKNOWN_TRACKER.format(", ".join(sorted(unknown)))
    return None


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "base_model", "licence", "init_from", "precision"), str),
    **dict.fromkeys(("max_length", "seed", "batch_size", "queries_per_batch", "frozen_layers", "average_last"), int),
    **dict.fromkeys(("accumulate", "lora_rank", "patience"), int),
    **dict.fromkeys(("max_grad_norm", "adversarial", "evaluate_every"), (int, float)),
    **dict.fromkeys(("epochs", "learning_rate", "warmup", "weight_decay", "base_share", "temperature"), (int, float)),
    **dict.fromkeys(("languages", "gains", "seeds", "keep_layers", "report_to"), list),
    "loss": (str, dict),
}


def _value(path: Path, key: str, value: Any) -> Any:
    if key in _KINDS and (not isinstance(value, _KINDS[key]) or isinstance(value, bool)):
        raise TrainingError(f"the recipe {path}: `{key}` cannot be {value!r}")
    if key == "loss":
        weights = {value: 1.0} if isinstance(value, str) else value
        if not all(isinstance(weight, int | float) and not isinstance(weight, bool) for weight in weights.values()):
            raise TrainingError(f"the recipe {path}: `loss` cannot be {value!r}")
        return weights
    return tuple(value) if isinstance(value, list) else value
