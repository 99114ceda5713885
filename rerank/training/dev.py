"""The measure that training watches: nDCG@10 over the judged candidates of queries it does not train on."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator

from rerank.evaluation.judgements import Judgement
from rerank.evaluation.metrics import mean, per_query
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingRecipe

NAME = "dev_ndcg@10"
Scoring = Callable[[Any, list[tuple[str, str]], int], Any]
"""What scores (query, document) pairs by a model, in passes of some size; (n,), the higher the better."""


def score_together(model: Any, pairs: list[tuple[str, str]], batch_size: int) -> Any:
    """Score pairs by a CrossEncoder."""
    return model.predict(pairs, batch_size=batch_size, show_progress_bar=False)


def score_apart(model: Any, pairs: list[tuple[str, str]], batch_size: int) -> Any:
    """Score pairs by the cosines of a SentenceTransformer's vectors, each text embedded once."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    vectors = model.encode(texts, batch_size=batch_size, show_progress_bar=False, normalize_embeddings=True)
    places = {text: place for place, text in enumerate(texts)}
    queries, documents = (vectors[[places[pair[side]] for pair in pairs]] for side in (0, 1))
    return np.sum(queries * documents, axis=1)


class DevRanking(BaseEvaluator):  # type: ignore[misc]
    """Ranks each query's pairs by the model; the mean nDCG@10 (linear gains) of queries with a relevant pair."""

    def __init__(self, recipe: TrainingRecipe, pairs: Sequence[TrainingPair], score: Scoring) -> None:
        """Render the pairs of the dev queries."""
        super().__init__()
        self.primary_metric = NAME
        self._batch_size = recipe.batch_size
        self._score = score
        self._pairs = pairs
        self._texts = [(pair.query, recipe.template.render(pair.fields)) for pair in pairs]
        self._judgements = [Judgement(pair.query, str(place), pair.relevance) for place, pair in enumerate(pairs)]

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Score and rank."""
        scores = self._score(model, self._texts, self._batch_size)
        ranking: dict[str, list[str]] = defaultdict(list)
        for place in np.argsort(-np.asarray(scores), kind="stable"):
            ranking[self._pairs[place].query].append(str(place))
        relevant = {item.query_id for item in self._judgements if item.relevance > 0}
        values = per_query(ranking, self._judgements)["nDCG@10"]
        return {NAME: mean({query: value for query, value in values.items() if query in relevant})}
