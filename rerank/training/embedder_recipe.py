"""The recipe of a bi-encoder: everything that shapes it apart from its data, read from a TOML file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from rerank.template import DocumentTemplate
from rerank.training.recipe import TRACKERS, UNKNOWN_TRACKER, Precision, TrainingError, parse_recipe

EmbedderLoss = Literal["contrastive", "cached_contrastive", "distillation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRecipe:
    """How a bi-encoder is trained.

    `contrastive` draws a query to the documents of grade `positive` or more and away from the other documents of its
    batch and `negatives` documents of grade 0 of its own; `cached_contrastive` does so in passes of `pass_size`, for
    batches beyond memory; `distillation` draws a text and its English to the teacher's vector of the English.
    `dimensions` are lengths that a vector can be cut to (Matryoshka), the full one first. `minutes` ends the training
    early (0: never). `report_to` names trackers: tensorboard, wandb, mlflow.
    """

    name: str
    base_model: str
    licence: str
    template: DocumentTemplate
    sha256: str
    languages: tuple[str, ...] = ("en",)
    max_length: int = 64
    seed: int = 1
    precision: Precision = "fp32"
    loss: EmbedderLoss = "contrastive"
    dimensions: tuple[int, ...] = ()
    positive: int = 2
    negatives: int = 1
    epochs: float = 1.0
    minutes: float = 0.0
    learning_rate: float = 5e-5
    batch_size: int = 64
    pass_size: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    report_to: tuple[str, ...] = ()


def read_embedder_recipe(path: Path) -> EmbedderRecipe:
    """Read a recipe.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type.
    """
    recipe = parse_recipe(path, EmbedderRecipe, lambda path, key, value: _tuples(value))
    for item in fields(EmbedderRecipe):
        if (expected := _KINDS.get(item.type)) and not _is(getattr(recipe, item.name), expected):
            raise TrainingError(f"the recipe {path}: `{item.name}` cannot be {getattr(recipe, item.name)!r}")
    if recipe.loss not in get_args(EmbedderLoss) or recipe.precision not in get_args(Precision):
        raise TrainingError(f"the recipe {path}: `loss` must be one of {', '.join(get_args(EmbedderLoss))}")
    if min(recipe.epochs, recipe.batch_size, recipe.pass_size, recipe.learning_rate) <= 0 or recipe.minutes < 0:
        raise TrainingError(f"the recipe {path}: epochs, batch_size, pass_size and learning_rate must be positive")
    if unknown := set(recipe.report_to) - set(TRACKERS):
        raise TrainingError(f"the recipe {path}: {UNKNOWN_TRACKER.format(', '.join(sorted(map(str, unknown))))}")
    return recipe


_KINDS: dict[Any, Any] = {str: str, int: int, float: (int, float), tuple[str, ...]: tuple, tuple[int, ...]: tuple}


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
