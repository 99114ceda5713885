"""Training of a cross-encoder with sentence-transformers, by a recipe. Needs the `train` extra."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rerank.bundle import MANIFEST
from rerank.training.average import refuse_taken
from rerank.training.checkpoints import open_work
from rerank.training.layers import merge_adapters, prepare_layers
from rerank.training.pairs import TrainingPair, provenance, read_pairs
from rerank.training.recipe import TAUGHT, Recipe, TrainingError
from rerank.training.run import (
    Trained,
    TrainOptions,
    dev_arguments,
    device,
    effective_precision,
    need_extra,
    resumed_checkpoint,
    shared_callbacks,
    train_seeds,
    trainer_arguments,
    write_settings,
)

__all__ = ["TrainOptions", "Trained", "train"]


def train(recipe: Recipe, data: Sequence[Path], base: str, out: Path, options: TrainOptions | None = None) -> Trained:
    """Fine-tune a cross-encoder and save it as a transformers folder with a polyrank.json.

    The same recipe, data, base and library versions give the same weights on one machine, resumed or not. Measure the
    exported bundle: dev pairs are for stopping alone. Checkpoints lie in OUT.checkpoints until the training is done.

    Args:
        recipe: template, losses, steps and seeds.
        data: files of training pairs, all used.
        base: folder (or hub name) of the model to start from: an encoder, an earlier stage's cross-encoder, or an fp32
            bundle; empty takes the recipe's `init_from`.
        out: the folder to write; must be absent or empty.
        options: see there.

    Raises:
        MissingExtraError: the `train` extra or a tracker is not installed.
        TrainingError: a file is unreadable, a grade has no gain, a pair has no teacher where a loss needs one, the
            base cannot be read, or `out` is taken.
        BundleError: the base is a bundle that is damaged or cannot be read back as a torch model.
    """
    options = options or TrainOptions()
    refuse_taken(out)
    pairs = _pairs(recipe, data)
    base = base or recipe.init_from
    if not base:
        raise TrainingError("no model to start from: name one with --base, or `init_from` in the recipe")
    options.check(recipe)
    need_extra()
    run = {
        "recipe": recipe.sha256,
        "precision": effective_precision(recipe.precision),
        "base": base,
        "data": provenance(data),
        "dev": options.provenance(),
    }
    work = open_work(out, run, resume=options.resume)
    job = Job(pairs, data, base, options)
    return train_seeds(recipe, len(pairs), work, out, partial(_train_once, job))


@dataclass(frozen=True, slots=True)
class Job:
    """What `train` was given, read, apart from the recipe."""

    pairs: list[TrainingPair]
    data: Sequence[Path]
    base: str
    options: TrainOptions


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


def _train_once(job: Job, recipe: Recipe, work: Path, out: Path) -> tuple[int, float]:
    from transformers import set_seed

    set_seed(recipe.seed)
    model = _load(job.base, recipe)
    start = {name: value.detach().clone() for name, value in model.model.named_parameters()}
    prepare_layers(model.model, recipe)
    trainer = _trainer(model, job, recipe, work, out)
    last = resumed_checkpoint(work, job.options)
    result = trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if recipe.adapted:
        merge_adapters(model.model)
    if not recipe.keep_layers:
        _blend(model, start, recipe.base_share)
    _save(model, recipe, job.data, out)
    return int(result.global_step), float(result.training_loss)


def _load(base: str, recipe: Recipe) -> Any:
    import torch
    from sentence_transformers import CrossEncoder

    from rerank.training.restore import restore_model

    if recipe.precision == "fp16" and device() == "cpu":
        raise TrainingError('`precision = "fp16"` needs a GPU; on a CPU use "bf16" or "fp32"')
    if (Path(base) / MANIFEST).is_file():
        with tempfile.TemporaryDirectory() as folder:
            restore_model(Path(base), Path(folder))
            return _load(folder, recipe)
    try:
        model = CrossEncoder(base, num_labels=1, max_length=recipe.max_length, device=device())
    except (OSError, ValueError) as error:
        raise TrainingError(f"cannot read the base model {base}: {str(error).splitlines()[0]}") from error
    model.activation_fn = torch.nn.Sigmoid()
    return model


def _trainer(model: Any, job: Job, recipe: Recipe, work: Path, out: Path) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments

    from rerank.training.batches import SimilarLengths, dataset, rows_per_batch, steps_per_epoch
    from rerank.training.dev import DevRanking, score_together
    from rerank.training.losses import WeightedLosses
    from rerank.training.trainers import trainer_for

    table = dataset(recipe, job.pairs)
    epoch = steps_per_epoch(recipe, table)
    every = max(1, round(recipe.evaluate_every * epoch))
    dev = DevRanking(recipe, read_pairs(job.options.dev), score_together) if job.options.dev else None
    saving = dev_arguments(recipe, every) if dev else {"save_strategy": "steps", "save_steps": every}
    arguments = CrossEncoderTrainingArguments(
        per_device_train_batch_size=rows_per_batch(recipe),
        batch_sampler=SimilarLengths,
        **saving,
        **trainer_arguments(recipe, work, max(1, round(recipe.epochs * epoch))),
    )
    return trainer_for(
        recipe,
        CrossEncoderTrainer,
        model=model,
        args=arguments,
        train_dataset=table,
        loss=WeightedLosses(model, recipe),
        evaluator=dev,
        callbacks=_callbacks(recipe, job.options, out),
    )


def _callbacks(recipe: Recipe, options: TrainOptions, out: Path) -> list[Any]:
    from rerank.training.callbacks import AverageLast, MarkWhole

    averaging = [AverageLast(recipe.average_last)] if recipe.average_last else []
    return [*shared_callbacks(recipe, options, out), *averaging, MarkWhole()]


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
    scoring = {"activation": "sigmoid", "calibration": {"scale": 1.0, "shift": 0.0}}
    try:
        out.mkdir(parents=True, exist_ok=True)
        model.model.save_pretrained(str(out))
        model.tokenizer.save_pretrained(str(out))
        write_settings(recipe, "rerank", provenance(data), out, **scoring)
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
