"""The recipe of a bi-encoder: everything that shapes it apart from its data, read from a TOML file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rerank.training.recipe import TrainingError, TrainingRecipe, parse_recipe

EmbedderLoss = Literal["contrastive", "cached_contrastive", "distillation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRecipe(TrainingRecipe):
    """How a bi-encoder is trained.

    `contrastive` draws a query to the documents of grade `positive` or more and away from the other documents of its
    batch and `negatives` documents of grade 0 of its own; `cached_contrastive` does so in passes of `pass_size`, for
    batches beyond memory; `distillation` draws a text and its English to the teacher's vector of the English.
    `dimensions` are lengths that a vector can be cut to (Matryoshka), the full one first. `minutes` ends the training
    early (0: never).
    """

    loss: EmbedderLoss = "contrastive"
    dimensions: tuple[int, ...] = ()
    positive: int = 2
    negatives: int = 1
    minutes: float = 0.0
    batch_size: int = 64
    pass_size: int = 32


def read_embedder_recipe(path: Path) -> EmbedderRecipe:
    """Read a recipe.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type.
    """
    recipe = parse_recipe(path, EmbedderRecipe)
    if recipe.loss not in get_args(EmbedderLoss):
        raise TrainingError(f"the recipe {path}: `loss` must be one of {', '.join(get_args(EmbedderLoss))}")
    if recipe.pass_size <= 0 or recipe.minutes < 0:
        raise TrainingError(f"the recipe {path}: pass_size must be positive, minutes not negative")
    return recipe
