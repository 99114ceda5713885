"""Where an unfinished training lies, beside its output, and whether it may be gone on with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rerank.training.recipe import TrainingError

RUN = "run.json"
WHOLE = "whole"
"""Written into a checkpoint last: one without it was cut short by a kill."""


def open_work(out: Path, run: Mapping[str, Any], *, resume: bool) -> Path:
    """Return the folder of checkpoints beside `out`, made if absent; what lies there is used or refused, never lost.

    Args:
        out: where the trained model will be.
        run: what shapes the training, as JSON; kept in the folder, so that no other training goes on from it.
        resume: whether to go on from what is there.

    Raises:
        TrainingError: something is there and `resume` is off, or it is of a training that differs from `run`.
    """
    work = out.with_name(f"{out.name}.checkpoints")
    begun = any(work.rglob("*.safetensors")) or any(work.rglob("*.npy"))
    if begun and not resume:
        raise TrainingError(f"{work} holds an unfinished training; go on with --resume, or remove it")
    note = work / RUN
    wanted = json.loads(json.dumps(run))
    if begun and (other := [key for key, value in _read(note).items() if wanted.get(key) != value]):
        raise TrainingError(
            f"{work} is of a training with another {' and '.join(sorted(other))}; give the same again, or remove it"
        )
    try:
        work.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingError(f"cannot write {note}: {error}") from error
    return work


def last_checkpoint(work: Path) -> Path | None:
    """Return the last checkpoint that was written whole; None when there is none."""
    whole = [path.parent for path in work.glob(f"checkpoint-*/{WHOLE}")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _read(note: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
