"""The training recipe: everything that shapes a model apart from its data, read from a TOML file."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from rerank.errors import ModelInputError, PolyrankError
from rerank.template import DocumentTemplate

Loss = Literal[
    "binary_cross_entropy", "teacher_cross_entropy", "margin_mse", "list_net", "rank_net", "lambda", "contrast"
]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Adapters = Literal["", "lora", "dora", "ia3"]

POINTWISE: frozenset[Loss] = frozenset(("binary_cross_entropy", "teacher_cross_entropy"))
"""Losses of one pair alone; all others compare the documents of a query, which then share a batch."""

TAUGHT: frozenset[Loss] = frozenset(("teacher_cross_entropy", "margin_mse"))
"""Losses towards a teacher's score, which the training pairs must carry."""


TRACKERS = ("tensorboard", "wandb", "mlflow")


class TrainingError(PolyrankError):
    """A recipe or a file of training pairs cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """What the recipes of all models share.

    `seeds` trains once for each and averages the weights; empty means `seed` alone. `precision` auto is bf16 where the
    hardware multiplies bf16, fp32 elsewhere. `warmup` is a share of all steps. `accumulate` batches make a step;
    gradients longer than `max_grad_norm` are cut.

    `frozen_layers` -1 trains all, 0 freezes the embeddings, n the n lowest layers too; `keep_layers` are the base's
    layers that the model keeps, from 0 (empty: all). `adapters` trains adapters alone and merges them: lora and dora
    of rank `lora_rank`, which alone means lora, or ia3 ("" with rank 0: none). `adversarial` is the distance of FGM's
    move of the embeddings (0: none).

    `evaluate_every` is in epochs, with dev pairs: a checkpoint is written each time, `patience` evaluations without a
    gain end the training (0: never), and the best checkpoint is the result. `report_to` names trackers: tensorboard,
    wandb, mlflow.
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
    precision: Precision = "fp32"
    epochs: float = 1.0
    learning_rate: float = 5e-5
    batch_size: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    accumulate: int = 1
    max_grad_norm: float = 1.0
    frozen_layers: int = -1
    keep_layers: tuple[int, ...] = ()
    adapters: Adapters = ""
    lora_rank: int = 0
    adversarial: float = 0.0
    evaluate_every: float = 0.5
    patience: int = 0
    report_to: tuple[str, ...] = ()

    @property
    def adapted(self) -> Adapters:
        """Which adapters are trained, `lora_rank` alone taken for lora."""
        return self.adapters or ("lora" if self.lora_rank else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(TrainingRecipe):
    """How a cross-encoder is trained.

    `loss` gives each loss its weight in the sum. `gains` gives each grade (its position) the probability to learn;
    `temperature` sharpens list_net's target, the softmax of gain / temperature. With a loss that compares documents
    a batch is `queries_per_batch` queries with all their pairs, and `batch_size` the pairs of one forward pass.
    `init_from` is the folder to start from when the caller names none. `average_last` is the number of checkpoints,
    evenly spread over the last fifth of the steps, whose weights are averaged (0: the last weights); `base_share` is
    the share of the weights it started from in the result (0: none), for a stage that must not forget the one before.
    """

    init_from: str = ""
    loss: Mapping[Loss, float] = field(default_factory=lambda: {"binary_cross_entropy": 1.0})
    gains: tuple[float, ...] = (0.0, 0.25, 0.6, 1.0)
    temperature: float = 0.25
    epochs: float = 2.0
    learning_rate: float = 7e-5
    queries_per_batch: int = 1
    average_last: int = 0
    base_share: float = 0.0

    @property
    def pointwise(self) -> bool:
        """Whether every loss looks at one pair alone."""
        return self.loss.keys() <= POINTWISE


Kind = TypeVar("Kind", bound=TrainingRecipe)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type.
    """
    recipe = parse_recipe(path, Recipe)
    if fault := _fault(recipe):
        raise TrainingError(f"the recipe {path}: {fault}")
    return recipe


def parse_recipe(path: Path, kind: type[Kind]) -> Kind:
    """Make a recipe of some kind from a TOML file: its keys are the fields of `kind`, `template` and `sha256` apart.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type, or what all recipes
            share makes no sense.
    """
    try:
        content = path.read_bytes()
        data = tomllib.loads(content.decode())
        template = DocumentTemplate.from_json(data.pop("template", None))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ModelInputError) as error:
        raise TrainingError(f"cannot read the recipe {path}: {error}") from error
    types: dict[str, Any] = {item.name: item.type for item in fields(kind) if item.name not in ("template", "sha256")}
    for key, value in data.items():
        if key in types and not _is(value, types[key]):
            raise TrainingError(f"the recipe {path}: `{key}` cannot be {value!r}")
    if isinstance(loss := data.get("loss"), str) and issubclass(kind, Recipe):
        data["loss"] = {loss: 1.0}
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    try:
        recipe = kind(template=template, sha256=hashlib.sha256(content).hexdigest(), **values)
    except TypeError as error:
        raise TrainingError(f"the recipe {path}: {error}; keys are {', '.join(types)} and [template]") from error
    if fault := _shared_fault(recipe):
        raise TrainingError(f"the recipe {path}: {fault}")
    return recipe


def _is(value: Any, kind: Any) -> bool:
    """Whether a TOML value can be what a field is declared as; the values of a Literal are looked at later."""
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(_is(item, get_args(kind)[0]) for item in value)
    if kind == Mapping[Loss, float]:
        return isinstance(value, str) or (isinstance(value, dict) and all(_is(item, float) for item in value.values()))
    types: dict[Any, Any] = {int: int, float: (int, float)}
    return isinstance(value, types.get(kind, str)) and not isinstance(value, bool)


def _shared_fault(recipe: TrainingRecipe) -> str | None:
    if recipe.precision not in get_args(Precision):
        return f"`precision` must be one of {', '.join(get_args(Precision))}"
    if min(recipe.epochs, recipe.batch_size, recipe.learning_rate) <= 0 or recipe.max_length < 8:
        return "epochs, batch_size and learning_rate must be positive, max_length 8 or more"
    if min(recipe.accumulate, recipe.max_grad_norm, recipe.evaluate_every) <= 0 or recipe.adversarial < 0:
        return "accumulate, max_grad_norm and evaluate_every must be positive, adversarial not negative"
    if recipe.adapters not in get_args(Adapters):
        return f"`adapters` must be one of {', '.join(filter(None, get_args(Adapters)))}, not {recipe.adapters}"
    if recipe.lora_rank < 0 or (recipe.adapters in ("lora", "dora")) > bool(recipe.lora_rank):
        return f"`adapters` {recipe.adapted} needs a positive `lora_rank`, such as 8"
    if recipe.adapters == "ia3" and recipe.lora_rank:
        return "`adapters` ia3 has no rank: remove `lora_rank`"
    if recipe.adversarial and (recipe.frozen_layers >= 0 or recipe.adapted):
        return "`adversarial` moves the embeddings, which `frozen_layers` and `adapters` do not train"
    if unknown := set(recipe.report_to) - set(TRACKERS):
        return f"`report_to` knows {', '.join(TRACKERS)}, not {', '.join(sorted(unknown))}"
    return None


def _fault(recipe: Recipe) -> str | None:
    if not recipe.loss or not recipe.loss.keys() <= set(get_args(Loss)):
        return f"`loss` must be one of {', '.join(get_args(Loss))}, or a table of them with weights"
    if not all(weight > 0 for weight in recipe.loss.values()):
        return "every weight of `loss` must be positive"
    if min(recipe.queries_per_batch, recipe.temperature) <= 0 or not recipe.gains:
        return "queries_per_batch, temperature and gains must be positive"
    if not 0.0 <= recipe.base_share <= 1.0:
        return "`base_share` must be from 0 to 1"
    if recipe.average_last and (recipe.patience or recipe.adapted):
        return "`average_last` cannot go with `patience` (the best checkpoint is the result) or `adapters`"
    return None
