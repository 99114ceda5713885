"""What training minimizes: a pointwise or a listwise loss of sentence-transformers, by the recipe's name."""

from typing import Any

from rerank.train_recipe import Recipe


def make_loss(recipe: Recipe, model: Any) -> Any:
    """Return the recipe's loss for a sentence-transformers CrossEncoder.

    `binary_cross_entropy` learns the grade's gain as a probability, so that scores mean the same for every query;
    `lambda` learns the order within each query by what a swap costs in nDCG@10.

    Source: Wang et al., 2018, The LambdaLoss Framework for Ranking Metric Optimization, doi:10.1145/3269206.3271784.
    """
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, LambdaLoss

    if recipe.loss == "lambda":
        return LambdaLoss(model, k=10, mini_batch_size=recipe.batch_size)
    return BinaryCrossEntropyLoss(model)
