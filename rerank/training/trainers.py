"""What our trainers add to the library's: they read their own checkpoints, and learn from noise, too (FGM)."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.trainer_callback import PrinterCallback

from rerank.training.recipe import TrainingRecipe


class Resumable:
    """Reads a checkpoint into the model as it stands, adapters included, where the library would build a plain one."""

    model: Any

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        weights = load_file(Path(checkpoint_path) / "model.safetensors")
        self.model.transformers_model.load_state_dict(weights, strict=False)


class Adversarial(Resumable):
    """Adds to each step the loss where the word embeddings are moved in the direction that hurts most.

    Source: Miyato, Dai, Goodfellow, 2017, Adversarial Training Methods for Semi-Supervised Text Classification,
    arXiv:1605.07725 (fast gradient method, L2 norm).
    """

    distance = 1.0
    """L2 norm of the move."""

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Do the usual step, then the same on moved embeddings; gradients of both are added."""
        step: Any = super().training_step  # type: ignore[misc]  # the library's, which comes next in line
        loss: torch.Tensor = step(model, dict(inputs), *args, **kwargs)
        weight = self.model.transformers_model.get_input_embeddings().weight
        norm = weight.grad.norm()
        if not torch.isfinite(norm) or norm == 0:
            return loss
        move = weight.grad * (self.distance / norm)
        with torch.no_grad():
            weight.add_(move)
        step(model, dict(inputs), *args, **kwargs)
        with torch.no_grad():
            weight.sub_(move)
        return loss


def trainer_for(recipe: TrainingRecipe, library: type, **arguments: Any) -> Any:
    """Make a trainer of the library's class with what the recipe needs of the above.

    Args:
        recipe: `adversarial`.
        library: CrossEncoderTrainer or SentenceTransformerTrainer.
        arguments: what that class takes.
    """
    added = Adversarial if recipe.adversarial else Resumable
    made: Any = type(f"{added.__name__}{library.__name__}", (added, library), {})(**arguments)
    made.remove_callback(PrinterCallback)  # prints figures to stdout, where --json has the result alone
    if recipe.adversarial:
        made.distance = recipe.adversarial
    return made
