"""The training recipe: everything that shapes a cross-encoder apart from its data, read from a TOML file."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from rerank.errors import ModelInputError, PolyrankError
from rerank.template import DocumentTemplate

Loss = Literal["binary_cross_entropy", "lambda"]


class TrainingError(PolyrankError):
    """A recipe or a file of training pairs cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a cross-encoder is trained.

    `gains` gives each grade (its position) the probability to learn; `warmup` is a share of all steps;
    `frozen_layers` -1 trains all, 0 freezes the embeddings, n the n lowest layers too; `average_last` is the number
    of checkpoints, evenly spread over the last fifth of the steps, whose weights are averaged (0: the last weights);
    `base_share` is the share of the weights it started from in the result (0: none), for a stage that must not forget
    the one before it.
    """

    name: str
    base_model: str
    licence: str
    template: DocumentTemplate
    sha256: str
    languages: tuple[str, ...] = ("en",)
    max_length: int = 64
    seed: int = 1
    loss: Loss = "binary_cross_entropy"
    gains: tuple[float, ...] = (0.0, 0.25, 0.6, 1.0)
    epochs: float = 2.0
    learning_rate: float = 7e-5
    batch_size: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    frozen_layers: int = -1
    average_last: int = 0
    base_share: float = 0.0


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        TrainingError: the file is unreadable, a key is unknown, missing or of the wrong type.
    """
    try:
        content = path.read_bytes()
        data = tomllib.loads(content.decode())
        template = DocumentTemplate.from_json(data.pop("template", None))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ModelInputError) as error:
        raise TrainingError(f"cannot read the recipe {path}: {error}") from error
    values = {key: _value(path, key, value) for key, value in data.items()}
    try:
        recipe = Recipe(template=template, sha256=hashlib.sha256(content).hexdigest(), **values)
    except TypeError as error:
        known = ", ".join(field.name for field in fields(Recipe) if field.name not in ("template", "sha256"))
        raise TrainingError(f"the recipe {path}: {error}; keys are {known} and [template]") from error
    if recipe.loss not in get_args(Loss):
        raise TrainingError(f"the recipe {path}: `loss` must be one of {', '.join(get_args(Loss))}")
    if recipe.epochs <= 0 or recipe.batch_size < 1 or recipe.max_length < 8 or not recipe.gains:
        raise TrainingError(f"the recipe {path}: epochs, batch_size, max_length and gains must be positive")
    if not 0.0 <= recipe.base_share <= 1.0:
        raise TrainingError(f"the recipe {path}: `base_share` must be from 0 to 1")
    return recipe


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "base_model", "licence", "loss"), str),
    **dict.fromkeys(("max_length", "seed", "batch_size", "frozen_layers", "average_last"), int),
    **dict.fromkeys(("epochs", "learning_rate", "warmup", "weight_decay", "base_share"), (int, float)),
    **dict.fromkeys(("languages", "gains"), list),
}


def _value(path: Path, key: str, value: Any) -> Any:
    if key in _KINDS and (not isinstance(value, _KINDS[key]) or isinstance(value, bool)):
        raise TrainingError(f"the recipe {path}: `{key}` cannot be {value!r}")
    return tuple(value) if isinstance(value, list) else value
