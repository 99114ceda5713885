"""Several trainings averaged into one model: the mean of their weights. Needs the `train` extra."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerank.training.recipe import TrainingError

WEIGHTS = "model.safetensors"


def average_weights(folders: Sequence[Path], out: Path) -> None:
    """Write a model whose weights are the mean of the weights of models that started from one base.

    Everything beside the weights is copied from the first folder; its polyrank.json gets the list of folders.

    Args:
        folders: two or more folders that `rerank train` wrote.
        out: the folder to write; must be absent or empty.

    Raises:
        TrainingError: fewer than two folders, one has no weights or other ones, or `out` is taken.

    Source: Wortsman et al., 2022, Model soups, arXiv:2203.05482.
    """
    from safetensors.torch import save_file

    if len(folders) < 2:
        raise TrainingError("an average needs two or more model folders")
    refuse_taken(out)
    total = {name: value.double() for name, value in _weights(folders[0]).items()}
    for folder in folders[1:]:
        weights = _weights(folder)
        if {name: value.shape for name, value in weights.items()} != {name: v.shape for name, v in total.items()}:
            raise TrainingError(f"{folder} has other weights than {folders[0]}; average models of one base")
        for name, value in weights.items():
            total[name] += value
    shutil.copytree(folders[0], out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(WEIGHTS))
    dtype = {name: value.dtype for name, value in _weights(folders[0]).items()}
    mean = {name: (value / len(folders)).to(dtype[name]).contiguous() for name, value in total.items()}
    save_file(mean, out / WEIGHTS, metadata={"format": "pt"})
    settings_file = out / "polyrank.json"
    if settings_file.is_file():
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        seeds = [_seed(folder) for folder in folders]
        settings["training"] = {**settings.get("training", {}), "averaged_seeds": seeds}
        settings_file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def refuse_taken(out: Path) -> None:
    """Check that a model may be written to `out`.

    Raises:
        TrainingError: it exists and is not an empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} exists; name a new folder or remove it")


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Any] = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"cannot read the weights {folder / WEIGHTS}: {error}") from error
    return found


def _seed(folder: Path) -> Any:
    settings = folder / "polyrank.json"
    if not settings.is_file():
        return None
    return json.loads(settings.read_text(encoding="utf-8")).get("training", {}).get("seed")
