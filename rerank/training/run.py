"""What all trainings have: options, seeds, arguments of the library's trainer, trackers. Needs the `train` extra."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from rerank.errors import MissingExtraError
from rerank.training.average import average_weights
from rerank.training.checkpoints import last_checkpoint
from rerank.training.pairs import provenance
from rerank.training.recipe import Precision, TrainingError, TrainingRecipe

POLYRANK_JSON = "polyrank.json"
"""Beside the weights: what `rerank export-onnx` writes into the bundle's manifest."""

Kind = TypeVar("Kind", bound=TrainingRecipe)


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

    def check(self, recipe: TrainingRecipe) -> None:
        """Check that there are dev pairs where the recipe stops by them.

        Raises:
            TrainingError: there are none.
        """
        if recipe.patience and self.dev is None:
            raise TrainingError("`patience` needs dev pairs to watch: name them with --dev")

    def provenance(self) -> list[dict[str, str]]:
        """Return name and sha256 of the dev file, in a list that is empty without one."""
        return provenance([self.dev] if self.dev else [])


def train_seeds(
    recipe: Kind, pairs: int, work: Path, out: Path, once: Callable[[Kind, Path, Path], tuple[int, float]]
) -> Trained:
    """Train once, or once for each of the recipe's seeds and average the weights; then remove the checkpoints.

    Args:
        recipe: `seeds`; each training gets it with one of them as its `seed`.
        pairs: how many are seen in each epoch.
        work: folder of the checkpoints; seeds that are trained already are taken from there.
        out: the folder to write.
        once: trains by a recipe, with its checkpoints in the first folder, writes the second, and returns the number of
            steps and the mean loss.
    """
    if not recipe.seeds:
        made = [once(recipe, work, out)]
    else:
        folders = [work / f"seed-{seed}" for seed in recipe.seeds]
        made = [
            once(replace(recipe, seed=seed), work / f"steps-{seed}", folder)
            for seed, folder in zip(recipe.seeds, folders, strict=True)
            if not (folder / POLYRANK_JSON).is_file()
        ]
        if len(folders) == 1:
            folders[0].rename(out)
        else:
            average_weights(folders, out)
    for runs in work.glob("seed-*.runs"):
        shutil.copytree(runs, out.with_name(f"{out.name}.runs") / runs.stem, dirs_exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    losses = [loss for _, loss in made] or [0.0]
    return Trained(out, pairs, sum(steps for steps, _ in made), sum(losses) / len(losses))


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


def trainer_arguments(recipe: TrainingRecipe, work: Path, steps: int) -> dict[str, Any]:
    """Return what every training of so many steps says to the library's trainer."""
    precision = effective_precision(recipe.precision)
    return {
        "output_dir": str(work),
        "max_steps": steps,
        "gradient_accumulation_steps": recipe.accumulate,
        "max_grad_norm": recipe.max_grad_norm,
        "warmup_steps": round(recipe.warmup * steps),
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
        "save_total_limit": 2,
        "logging_strategy": "steps" if recipe.report_to else "no",
        "logging_steps": 10,
        "report_to": [name for name in recipe.report_to if name != "tensorboard"] or "none",
    }


def dev_arguments(recipe: TrainingRecipe, every: int) -> dict[str, Any]:
    """Return what the trainer is told where dev pairs are watched each `every` steps."""
    from rerank.training.dev import NAME

    return {
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "load_best_model_at_end": bool(recipe.patience),
        "metric_for_best_model": f"eval_{NAME}",
        "greater_is_better": True,
    }


def shared_callbacks(recipe: TrainingRecipe, options: TrainOptions, out: Path) -> list[Any]:
    """Return the callbacks of every training: trackers, TensorBoard's into OUT.runs, early stopping, the bar.

    Raises:
        MissingExtraError: a tracker is not installed.
    """
    from transformers import EarlyStoppingCallback

    from rerank.training.callbacks import Progress, tensorboard

    for name in recipe.report_to:
        if find_spec(name) is None:
            raise MissingExtraError(f"`report_to` names {name}, which is not installed: pip install {name}")
    callbacks = [tensorboard(out.with_name(f"{out.name}.runs"))] if "tensorboard" in recipe.report_to else []
    if recipe.patience:
        callbacks.append(EarlyStoppingCallback(recipe.patience))
    return [*callbacks, Progress()] if options.progress else callbacks


def write_settings(recipe: TrainingRecipe, task: str, data: Sequence[dict[str, str]], out: Path, **more: Any) -> None:
    """Write polyrank.json beside the weights.

    Args:
        recipe: what the manifest says of the model comes from it.
        task: rerank or embed.
        data: name and sha256 of each training file.
        out: the model's folder.
        more: further keys; those of `training` are added to it.
    """
    training = {
        "data": data,
        "seed": recipe.seed,
        "recipe": recipe.sha256,
        "precision": effective_precision(recipe.precision),
    }
    settings = {
        "name": recipe.name,
        "task": task,
        "base_model": recipe.base_model,
        "licence": recipe.licence,
        "languages": list(recipe.languages),
        "max_length": recipe.max_length,
        "template": recipe.template.to_json(),
        **more,
        "training": training | more.get("training", {}),
    }
    (out / POLYRANK_JSON).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
