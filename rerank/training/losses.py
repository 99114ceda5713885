"""What training minimizes: a weighted sum of losses over one forward pass of a batch's pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from sentence_transformers.cross_encoder.losses import (
    LambdaLoss,
    ListNetLoss,
    MultipleNegativesRankingLoss,
    RankNetLoss,
)
from sentence_transformers.sentence_transformer.losses import MSELoss
from sentence_transformers.util import batch_to_device
from torch.nn.functional import binary_cross_entropy_with_logits

from rerank.training.recipe import Loss, Recipe

CLIPPED = 1e-4
"""A teacher's probability nearer to 0 or 1 than this is taken for this: its logit stays within 9.2."""

CONTRASTED = 4
"""Other queries' documents that each query is compared with."""

Texts = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Scored:
    """The logits (n,) of a batch's pairs with what they should be; `lists` says how many pairs each query has.

    `gains` and `teacher` are probabilities (n,); `teacher` is NaN where a pair has none.
    """

    logits: torch.Tensor
    gains: torch.Tensor
    teacher: torch.Tensor
    lists: list[int]
    queries: Sequence[str]
    documents: Sequence[Sequence[str]]


class _Given:
    """Stands for the model in a listwise loss: answers with logits that are already computed."""

    num_labels = 1

    def __init__(self, logits: torch.Tensor) -> None:
        self.device = logits.device
        self._logits = logits

    def preprocess(self, pairs: Any, prompt: str | None = None, task: str | None = None) -> dict[str, torch.Tensor]:
        return {}

    def __call__(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"scores": self._logits}


class WeightedLosses(torch.nn.Module):  # type: ignore[misc]
    """The recipe's losses, each with its weight, over one forward pass.

    Takes (query, document) rows or (query, documents) rows; labels are (gain, teacher) for each document.
    """

    def __init__(self, model: Any, recipe: Recipe) -> None:
        """Choose the losses of the recipe for a sentence-transformers CrossEncoder."""
        super().__init__()
        self.model = model
        self._weights = recipe.loss
        self._batch_size = recipe.batch_size
        self._temperature = recipe.temperature

    def forward(
        self, inputs: list[Texts], labels: Any, prompt: str | None = None, task: str | None = None
    ) -> dict[str, torch.Tensor]:
        """Return loss name -> weighted loss; the trainer adds them up."""
        queries = cast(Sequence[str], inputs[0])
        documents = [[item] if isinstance(item, str) else item for item in inputs[1]]
        pairs = [(query, text) for query, texts in zip(queries, documents, strict=True) for text in texts]
        targets = torch.cat([item.view(-1, 2) for item in labels]).float().to(self.model.device)
        lists = [len(texts) for texts in documents]
        scored = Scored(self._logits(pairs), targets[:, 0], targets[:, 1], lists, queries, documents)
        return {name: weight * self._loss(name)(scored) for name, weight in self._weights.items()}

    def _logits(self, pairs: list[tuple[str, str]]) -> torch.Tensor:
        """Score the pairs in passes of similar length: little padding."""
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][0]) + len(pairs[index][1]))
        passes = []
        for start in range(0, len(order), self._batch_size):
            features = self.model.preprocess([pairs[index] for index in order[start : start + self._batch_size]])
            passes.append(self.model(batch_to_device(features, self.model.device))["scores"].view(-1))
        places = torch.empty(len(order), dtype=torch.long, device=self.model.device)
        places[order] = torch.arange(len(order), device=self.model.device)
        return torch.cat(passes)[places].float()

    def _loss(self, name: Loss) -> Callable[[Scored], torch.Tensor]:
        listwise: Mapping[str, Callable[[Scored], torch.Tensor]] = {
            "list_net": lambda scored: _listwise(ListNetLoss, scored, scored.gains / self._temperature),
            "rank_net": lambda scored: _listwise(RankNetLoss, scored, scored.gains),
            "lambda": lambda scored: _listwise(LambdaLoss, scored, scored.gains, k=10),
            "contrast": self._contrast,
        }
        return {**_PLAIN, **listwise}[name]

    def _contrast(self, scored: Scored) -> torch.Tensor:
        """Draw each query to its best document and away from other queries' best documents.

        On pairs of one product in two languages (its title in the one, its fields in the other) this is the
        cross-lingual contrast: what is the same in another language against what is not.
        """
        gains = [part.tolist() for part in scored.gains.split(scored.lists)]
        best = [max(range(len(part)), key=part.__getitem__) for part in gains]
        kept = [number for number, place in enumerate(best) if gains[number][place] > 0]
        if len(kept) < 2:
            return scored.logits.sum() * 0.0
        loss = MultipleNegativesRankingLoss(self.model, num_negatives=CONTRASTED)
        columns = [
            [scored.queries[number] for number in kept],
            [scored.documents[number][best[number]] for number in kept],
        ]
        found: torch.Tensor = loss(columns, None)
        return found


def binary_cross_entropy(scored: Scored) -> torch.Tensor:
    """Return the mean cross-entropy to the gains: scores mean the same for every query."""
    return binary_cross_entropy_with_logits(scored.logits, scored.gains)


def teacher_cross_entropy(scored: Scored) -> torch.Tensor:
    """Return the mean cross-entropy to the teacher's probabilities, over the pairs that have one.

    Source: Hinton, Vinyals, Dean, 2015, Distilling the Knowledge in a Neural Network, arXiv:1503.02531.
    """
    taught = ~scored.teacher.isnan()
    if not taught.any():
        return scored.logits.sum() * 0.0
    return binary_cross_entropy_with_logits(scored.logits[taught], scored.teacher[taught])


def margin_mse(scored: Scored) -> torch.Tensor:
    """Return the mean squared error of logit differences within a query to the teacher's, over all pairs of documents.

    With d = logit - teacher's logit the mean of (d_i - d_j)^2 over all i < j is twice the variance of d.

    Source: Hofstätter et al., 2020, Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
    Distillation, arXiv:2010.02666.
    """
    margins = scored.logits - torch.logit(scored.teacher, eps=CLIPPED)
    errors = [part[~part.isnan()] for part in margins.split(scored.lists)]
    errors = [2.0 * part.var() for part in errors if len(part) > 1]
    return torch.stack(errors).mean() if errors else scored.logits.sum() * 0.0


_PLAIN: Mapping[str, Callable[[Scored], torch.Tensor]] = {
    "binary_cross_entropy": binary_cross_entropy,
    "teacher_cross_entropy": teacher_cross_entropy,
    "margin_mse": margin_mse,
}


def _listwise(kind: Any, scored: Scored, labels: torch.Tensor, **options: Any) -> torch.Tensor:
    """Apply a listwise loss of sentence-transformers to logits that are already computed.

    Source: Cao et al., 2007, Learning to Rank: From Pairwise Approach to Listwise Approach (list_net); Burges et al.,
    2005, Learning to Rank using Gradient Descent (rank_net); Wang et al., 2018, The LambdaLoss Framework for Ranking
    Metric Optimization, doi:10.1145/3269206.3271784 (lambda).
    """
    loss = kind(_Given(scored.logits), mini_batch_size=-1, **options)
    found: torch.Tensor = loss([scored.queries, scored.documents], list(labels.split(scored.lists)))
    return found


class ToTheTeacher(MSELoss):  # type: ignore[misc]
    """The mean squared error to the teacher's vectors, where a label is the place of a vector among them."""

    def __init__(self, model: Any, vectors: torch.Tensor) -> None:
        """Hold the teacher's vectors (n, dimension)."""
        super().__init__(model)
        self._vectors = vectors

    def forward(self, sentence_features: Any, labels: torch.Tensor) -> Any:
        """Look the vectors up and compare."""
        return super().forward(sentence_features, self._vectors[labels.cpu()].to(labels.device))
