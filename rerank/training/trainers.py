"""The trainers of a cross-encoder: one that reads its own checkpoints, and one that learns from noise, too (FGM)."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from sentence_transformers.cross_encoder import CrossEncoderTrainer


class ResumableTrainer(CrossEncoderTrainer):  # type: ignore[misc]
    """Reads a checkpoint into the model as it stands, adapters included, where the library would build a plain one."""

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        self.model.model.load_state_dict(load_file(Path(checkpoint_path) / "model.safetensors"), strict=False)


class AdversarialTrainer(ResumableTrainer):
    """Adds to each step the loss where the word embeddings are moved in the direction that hurts most.

    Source: Miyato, Dai, Goodfellow, 2017, Adversarial Training Methods for Semi-Supervised Text Classification,
    arXiv:1605.07725 (fast gradient method, L2 norm).
    """

    distance = 1.0
    """L2 norm of the move."""

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """Do the usual step, then the same on moved embeddings; gradients of both are added."""
        loss: torch.Tensor = super().training_step(model, dict(inputs), *args, **kwargs)
        weight = self.model.model.get_input_embeddings().weight
        norm = weight.grad.norm()
        if not torch.isfinite(norm) or norm == 0:
            return loss
        move = weight.grad * (self.distance / norm)
        with torch.no_grad():
            weight.add_(move)
        super().training_step(model, dict(inputs), *args, **kwargs)
        with torch.no_grad():
            weight.sub_(move)
        return loss
