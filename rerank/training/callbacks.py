"""What happens beside the steps of a training: the progress bar, and the average of the last weights."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import TrainerCallback

from rerank.progress import bar
from rerank.training.checkpoints import WHOLE

LAST_SHARE = 0.2
"""The share of the steps whose weights are averaged."""

SUM = "average.safetensors"
SPENT = "seconds.txt"


class Progress(TrainerCallback):  # type: ignore[misc]
    """A bar on stderr, one step at a time."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the bar."""
        self._open = ExitStack()
        self._advance = self._open.enter_context(bar("training", state.max_steps))
        self._advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move it."""
        self._advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop it."""
        self._open.close()


class MarkWhole(TrainerCallback):  # type: ignore[misc]
    """Marks a checkpoint that is written whole; must be the last of the callbacks that write into it."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the mark."""
        (_checkpoint(args, state) / WHOLE).touch()


class SaveEvery(TrainerCallback):  # type: ignore[misc]
    """Has a checkpoint written after the step in which some minutes have passed since the last one."""

    def __init__(self, minutes: float) -> None:
        """The time starts with the training."""
        self._seconds = 60.0 * minutes

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save when it is time."""
        if time.monotonic() - self._last >= self._seconds:
            control.should_save = True
            self._last = time.monotonic()


class WithinMinutes(TrainerCallback):  # type: ignore[misc]
    """Ends the training after a time, by which the learning rate has fallen to zero; the time before a kill counts."""

    def __init__(self, minutes: float) -> None:
        """The time starts with the training."""
        self._seconds = 60.0 * minutes

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock, or set it to the time that the checkpoint was at."""
        spent = _checkpoint(args, state) / SPENT
        self._start = time.monotonic() - (float(spent.read_text(encoding="utf-8")) if spent.is_file() else 0.0)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the time spent beside the checkpoint, for a training that is resumed."""
        (_checkpoint(args, state) / SPENT).write_text(f"{time.monotonic() - self._start:.1f}", encoding="utf-8")

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any) -> None:
        """Scale the rate that the scheduler has just set by the share of time that is left."""
        left = 1.0 - (time.monotonic() - self._start) / self._seconds
        for group in optimizer.param_groups:
            group["lr"] *= max(left, 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop when it is time."""
        control.should_training_stop |= time.monotonic() - self._start > self._seconds


class AverageLast(TrainerCallback):  # type: ignore[misc]
    """Averages the weights at evenly spread steps of the last fifth of the training.

    Source: Izmailov et al., 2018, Averaging Weights Leads to Wider Optima, arXiv:1803.05407.
    """

    def __init__(self, count: int) -> None:
        """Average `count` states of the weights."""
        self._count = count
        self._sum: dict[str, torch.Tensor] = {}
        self._taken = 0

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Add the weights when this step is one of those."""
        span = max(1, round(LAST_SHARE * state.max_steps))
        every = max(1, span // self._count)
        left = state.max_steps - state.global_step
        if left % every or left // every >= self._count:
            return
        self._taken += 1
        for name, value in model.named_parameters():
            if value.requires_grad:
                total = self._sum.setdefault(name, torch.zeros_like(value, requires_grad=False))
                total.add_(value.detach())

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Put the average in the model's place."""
        with torch.no_grad():
            for name, value in model.named_parameters():
                if name in self._sum:
                    value.copy_(self._sum[name] / self._taken)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the sum beside the checkpoint, for a training that is resumed."""
        if self._sum:
            save_file(self._sum, _checkpoint(args, state) / SUM, metadata={"taken": str(self._taken)})

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Take up the sum of the checkpoint that is resumed."""
        file = _checkpoint(args, state) / SUM
        if file.is_file():
            with safe_open(file, "pt") as saved:
                self._taken = int(saved.metadata()["taken"])
                self._sum = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118  (no mapping)


def _checkpoint(args: Any, state: Any) -> Path:
    """Return the folder of the checkpoint of this step."""
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def tensorboard(folder: Path) -> Any:
    """Return the callback that writes losses and dev figures for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder)))
