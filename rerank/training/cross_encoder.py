"""Training of a cross-encoder with sentence-transformers, by a recipe. Needs the `train` extra."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rerank.bundle import MANIFEST
from rerank.errors import MissingExtraError
from rerank.training.average import average_weights, refuse_taken
from rerank.training.checkpoints import last_checkpoint, open_work
from rerank.training.embedder_recipe import EmbedderRecipe
from rerank.training.layers import merge_adapters, prepare_layers
from rerank.training.pairs import TrainingPair, provenance, read_pairs
from rerank.training.recipe import TAUGHT, Precision, Recipe, TrainingError

POLYRANK_JSON = "polyrank.json"
"""Beside the weights: what `rerank export-onnx` writes into the bundle's manifest."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its folder, pairs seen in each epoch, optimizer steps and the mean loss."""

    path: Path
    pairs: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a training runs: dev pairs to watch, whether to go on from the last checkpoint, a bar on stderr.

    `report` is told in one sentence where a resumed training goes on, or that it starts anew.
    """

    dev: Path | None = None
    resume: bool = False
    progress: bool = True
    report: Callable[[str], None] = lambda _: None


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
    if recipe.patience and options.dev is None:
        raise TrainingError("`patience` needs dev pairs to watch: name them with --dev")
    need_extra()
    run = {
        "recipe": recipe.sha256,
        "precision": effective_precision(recipe.precision),
        "base": base,
        "data": provenance(data),
        "dev": provenance([options.dev] if options.dev else []),
    }
    work = open_work(out, run, resume=options.resume)
    job = Job(recipe, pairs, data, base, options)
    if not recipe.seeds:
        made = [_train_once(job, work, out)]
    else:
        folders = [work / f"seed-{seed}" for seed in recipe.seeds]
        made = [
            _train_once(replace(job, recipe=replace(recipe, seed=seed)), work / f"steps-{seed}", folder)
            for seed, folder in zip(recipe.seeds, folders, strict=True)
            if not (folder / POLYRANK_JSON).is_file()
        ]
        if len(folders) == 1:
            folders[0].rename(out)
        else:
            average_weights(folders, out)
    shutil.rmtree(work, ignore_errors=True)
    losses = [one.loss for one in made] or [0.0]
    return Trained(out, len(pairs), sum(one.steps for one in made), sum(losses) / len(losses))


@dataclass(frozen=True, slots=True)
class Job:
    """One training: what `train` was given, read."""

    recipe: Recipe
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


def _train_once(job: Job, work: Path, out: Path) -> Trained:
    from transformers import set_seed

    recipe = job.recipe
    set_seed(recipe.seed)
    model = _load(job.base, recipe)
    start = {name: value.detach().clone() for name, value in model.model.named_parameters()}
    prepare_layers(model.model, recipe)
    trainer = _trainer(model, job, work, out)
    last = resumed_checkpoint(work, job.options)
    result = trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if recipe.lora_rank:
        merge_adapters(model.model)
    if not recipe.keep_layers:
        _blend(model, start, recipe.base_share)
    _save(model, recipe, job.data, out)
    return Trained(out, len(job.pairs), int(result.global_step), float(result.training_loss))


def resumed_checkpoint(work: Path, options: TrainOptions) -> Path | None:
    """Return the checkpoint to go on from, None at the start; say which when the training was to be resumed."""
    if not options.resume:
        return None
    last = last_checkpoint(work)
    options.report(f"going on from {last}" if last else f"{work} holds no whole checkpoint: starting anew")
    return last


def need_extra() -> None:
    """Check that the `train` extra is installed; raises MissingExtraError with the pip line."""
    for name in ("torch", "sentence_transformers", "datasets", "accelerate"):
        if find_spec(name) is None:
            raise MissingExtraError(f"`rerank train` needs {name}; install it: pip install 'polyrank[train]'")


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


def device() -> str:
    """Return where training runs."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def effective_precision(precision: Precision) -> Precision:
    """Return the precision that training here has: what `auto` comes to, anything else as it is.

    A CPU without bf16 instructions emulates them, many times slower than fp32.
    """
    import torch

    if precision != "auto":
        return precision
    if device() == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # absent in older torch: then fp32
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"


def trainer_arguments(recipe: Recipe | EmbedderRecipe) -> dict[str, Any]:
    """Return what every training says to the trainer."""
    precision = effective_precision(recipe.precision)
    return {
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": device() == "cpu",
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "lr_scheduler_type": "linear",
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "optim": "adamw_torch_fused",
        "logging_strategy": "steps" if recipe.report_to else "no",
        "logging_steps": 10,
        "report_to": [name for name in recipe.report_to if name != "tensorboard"] or "none",
    }


def trackers(recipe: Recipe | EmbedderRecipe, out: Path) -> list[Any]:
    """Return the callbacks that track a training, TensorBoard's into OUT.runs; others come with the arguments.

    Raises:
        MissingExtraError: a tracker is not installed.
    """
    from rerank.training.callbacks import tensorboard

    for name in recipe.report_to:
        if find_spec(name) is None:
            raise MissingExtraError(f"`report_to` names {name}, which is not installed: pip install {name}")
    return [tensorboard(out.with_name(f"{out.name}.runs"))] if "tensorboard" in recipe.report_to else []


def _trainer(model: Any, job: Job, work: Path, out: Path) -> Any:
    from sentence_transformers.cross_encoder import CrossEncoderTrainingArguments

    from rerank.training.batches import SimilarLengths, dataset, rows_per_batch, steps_per_epoch
    from rerank.training.dev import NAME, DevRanking
    from rerank.training.losses import WeightedLosses
    from rerank.training.trainers import AdversarialTrainer, ResumableTrainer

    recipe = job.recipe
    table = dataset(recipe, job.pairs)
    epoch = steps_per_epoch(recipe, table)
    steps = max(1, round(recipe.epochs * epoch))
    every = max(1, round(recipe.evaluate_every * epoch))
    dev = DevRanking(recipe, read_pairs(job.options.dev)) if job.options.dev else None
    watching: dict[str, Any] = {"eval_strategy": "no"}
    if dev is not None:
        watching = {
            "eval_strategy": "steps",
            "eval_steps": every,
            "load_best_model_at_end": bool(recipe.patience),
            "metric_for_best_model": f"eval_{NAME}",
            "greater_is_better": True,
        }
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=rows_per_batch(recipe),
        gradient_accumulation_steps=recipe.accumulate,
        max_grad_norm=recipe.max_grad_norm,
        warmup_steps=round(recipe.warmup * steps),
        batch_sampler=SimilarLengths,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        **watching,
        **trainer_arguments(recipe),
    )
    trainer = AdversarialTrainer if recipe.adversarial else ResumableTrainer
    made = trainer(
        model=model,
        args=arguments,
        train_dataset=table,
        loss=WeightedLosses(model, recipe),
        evaluator=dev,
        callbacks=_callbacks(job, out),
    )
    if recipe.adversarial:
        made.distance = recipe.adversarial
    return made


def _callbacks(job: Job, out: Path) -> list[Any]:
    from transformers import EarlyStoppingCallback

    from rerank.training.callbacks import AverageLast, MarkWhole, Progress

    recipe = job.recipe
    callbacks = trackers(recipe, out)
    if recipe.average_last:
        callbacks.append(AverageLast(recipe.average_last))
    if recipe.patience:
        callbacks.append(EarlyStoppingCallback(recipe.patience))
    callbacks.append(MarkWhole())
    return [*callbacks, Progress()] if job.options.progress else callbacks


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
        "training": {
            "data": provenance(data),
            "seed": recipe.seed,
            "recipe": recipe.sha256,
            "precision": effective_precision(recipe.precision),
        },
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        model.model.save_pretrained(str(out))
        model.tokenizer.save_pretrained(str(out))
        (out / POLYRANK_JSON).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"cannot write {out}: {error}") from error
