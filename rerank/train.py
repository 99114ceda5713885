"""Training of a cross-encoder with sentence-transformers, by a recipe. Needs the `train` extra."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rerank.errors import MissingExtraError
from rerank.train_average import average_weights, refuse_taken
from rerank.train_data import TrainingPair, provenance, read_pairs
from rerank.train_embedder_recipe import EmbedderRecipe
from rerank.train_recipe import TAUGHT, Recipe, TrainingError

POLYRANK_JSON = "polyrank.json"
"""Beside the weights: what `rerank export-onnx` writes into the bundle's manifest."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its folder, pairs seen in each epoch, optimizer steps and the mean loss."""

    path: Path
    pairs: int
    steps: int
    loss: float


def train(recipe: Recipe, data: Sequence[Path], base: str, out: Path, *, progress: bool = True) -> Trained:
    """Fine-tune a cross-encoder and save it as a transformers folder with a polyrank.json.

    The same recipe, data, base and library versions give the same weights on one machine. Evaluates nothing:
    measure the exported bundle.

    Args:
        recipe: template, losses, steps and seeds.
        data: files of training pairs, all used.
        base: folder (or hub name) of the model to start from: an encoder, or an earlier stage's cross-encoder;
            empty takes the recipe's `init_from`.
        out: the folder to write; must be absent or empty.
        progress: show a progress bar on stderr.

    Raises:
        MissingExtraError: the `train` extra is not installed.
        TrainingError: a file is unreadable, a grade has no gain, a pair has no teacher where a loss needs one, the
            base cannot be read, or `out` is taken.
    """
    refuse_taken(out)
    pairs = _pairs(recipe, data)
    base = base or recipe.init_from
    if not base:
        raise TrainingError("no model to start from: name one with --base, or `init_from` in the recipe")
    need_extra()
    if not recipe.seeds:
        return _train_once(recipe, pairs, data, base, out, progress)
    with tempfile.TemporaryDirectory(dir=_parent(out), prefix=f".{out.name}-") as scratch:
        made = [
            _train_once(replace(recipe, seed=seed), pairs, data, base, Path(scratch) / str(seed), progress)
            for seed in recipe.seeds
        ]
        if len(made) == 1:
            made[0].path.rename(out)
        else:
            average_weights([one.path for one in made], out)
    return Trained(out, len(pairs), sum(one.steps for one in made), sum(one.loss for one in made) / len(made))


def _parent(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
    return out.parent


def _pairs(recipe: Recipe, data: Sequence[Path]) -> list[TrainingPair]:
    pairs = [pair for path in data for pair in read_pairs(path)]
    if not pairs:
        raise TrainingError("no training pairs were given; name at least one file")
    if (highest := max(pair.relevance for pair in pairs)) >= len(recipe.gains):
        raise TrainingError(f"a pair has grade {highest}, the recipe's gains end at grade {len(recipe.gains) - 1}")
    if recipe.loss.keys() <= TAUGHT and (untaught := sum(pair.teacher is None for pair in pairs)):
        raise TrainingError(
            f"{untaught} of {len(pairs)} pairs have no `teacher` and the recipe has no other loss; "
            "add it with `rerank data teach`"
        )
    return pairs


def _train_once(
    recipe: Recipe, pairs: list[TrainingPair], data: Sequence[Path], base: str, out: Path, progress: bool
) -> Trained:
    from transformers import set_seed

    set_seed(recipe.seed)
    model = _load(base, recipe)
    start = {name: value.detach().clone() for name, value in model.model.named_parameters()}
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(model, recipe, pairs, Path(scratch), progress)
        result = trainer.train()
    _blend(model, start, recipe.base_share)
    _save(model, recipe, data, out)
    return Trained(out, len(pairs), int(result.global_step), float(result.training_loss))


def need_extra() -> None:
    """Check that the `train` extra is installed; raises MissingExtraError with the pip line."""
    for name in ("torch", "sentence_transformers", "datasets", "accelerate"):
        if find_spec(name) is None:
            raise MissingExtraError(f"`rerank train` needs {name}; install it: pip install 'polyrank[train]'")


def _load(base: str, recipe: Recipe) -> Any:
    import torch
    from sentence_transformers import CrossEncoder

    if recipe.precision == "fp16" and device() == "cpu":
        raise TrainingError('`precision = "fp16"` needs a GPU; on a CPU use "bf16" or "fp32"')
    try:
        model = CrossEncoder(base, num_labels=1, max_length=recipe.max_length, device=device())
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read the base model {base}: {str(error).splitlines()[0]}") from error
    encoder = model.model.base_model
    if recipe.frozen_layers >= 0:
        for part in (encoder.embeddings, *encoder.encoder.layer[: recipe.frozen_layers]):
            for parameter in part.parameters():
                parameter.requires_grad = False
    model.activation_fn = torch.nn.Sigmoid()
    return model


def device() -> str:
    """Return where training runs."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def trainer_arguments(recipe: Recipe | EmbedderRecipe) -> dict[str, Any]:
    """Return what every training says to the trainer."""
    return {
        "bf16": recipe.precision == "bf16",
        "fp16": recipe.precision == "fp16",
        "use_cpu": device() == "cpu",
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "lr_scheduler_type": "linear",
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "optim": "adamw_torch_fused",
    }


def _trainer(model: Any, recipe: Recipe, pairs: list[TrainingPair], scratch: Path, progress: bool) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments

    from rerank.losses import WeightedLosses
    from rerank.train_batches import SimilarLengths, dataset, rows_per_batch, steps_per_epoch
    from rerank.train_callbacks import AverageLast, Progress

    table = dataset(recipe, pairs)
    steps = max(1, round(recipe.epochs * steps_per_epoch(recipe, table)))
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=rows_per_batch(recipe),
        warmup_steps=round(recipe.warmup * steps),
        batch_sampler=SimilarLengths,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        **trainer_arguments(recipe),
    )
    callbacks = [AverageLast(recipe.average_last)] if recipe.average_last else []
    if progress:
        callbacks.append(Progress())
    return CrossEncoderTrainer(
        model=model, args=arguments, train_dataset=table, loss=WeightedLosses(model, recipe), callbacks=callbacks
    )


def _blend(model: Any, start: Mapping[str, Any], share: float) -> None:
    """Move the weights back towards where they started.

    Source: Wortsman et al., 2022, Robust fine-tuning of zero-shot models, arXiv:2109.01903.
    """
    import torch

    with torch.no_grad():
        for name, value in model.model.named_parameters():
            if name in start:
                value.lerp_(start[name].to(value.device), share)


def _save(model: Any, recipe: Recipe, data: Sequence[Path], out: Path) -> None:
    settings = {
        "name": recipe.name,
        "task": "rerank",
        "base_model": recipe.base_model,
        "licence": recipe.licence,
        "languages": list(recipe.languages),
        "max_length": recipe.max_length,
        "template": recipe.template.to_json(),
        "activation": "sigmoid",
        "calibration": {"scale": 1.0, "shift": 0.0},
        "training": {"data": provenance(data), "seed": recipe.seed, "recipe": recipe.sha256},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        model.model.save_pretrained(str(out))
        model.tokenizer.save_pretrained(str(out))
        (out / POLYRANK_JSON).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
