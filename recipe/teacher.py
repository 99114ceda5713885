"""A teacher for pairs that nobody judged: what the embedder and shared words say of relevance, learned from judgements.

Boosted trees over six numbers of a pair give the probability that the product answers the query. Similarity may only
raise it. The cross-encoder that learns from them starts with all that the vectors know, and goes on from there with
the judgements themselves.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from recipe.catalogue import Product
from rerank.embedder import SentenceEmbedder
from rerank.training.pairs import TrainingPair

RISES_WITH = (1, -1, 1, 1, 0, 0)
"""Sign of each feature's effect; 0 is free."""

BANDS = ((0, 12, 5), (12, 120, 4), (120, 2000, 2), (2000, None, 1))
"""Of each query's products by similarity: from rank, to rank, how many are drawn."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The catalogue with the embedder's vectors (products, dim) and each product's words, in one order."""

    products: Sequence[Product]
    vectors: NDArray[np.float32]
    places: Mapping[str, int]

    def features(self, query: str, vector: NDArray[np.float32], places: Sequence[int]) -> NDArray[np.float64]:
        """Describe a query with products, (n, 6).

        Similarity; how far it is behind the query's best; share of the query's words that begin a word of the title;
        share found anywhere; number of words; the best similarity.
        """
        similar = self.vectors @ vector
        best = float(similar.max())
        words = [word.rstrip("s") for word in query.lower().split()]
        rows = []
        for place in places:
            fields = self.products[place].fields
            title = fields["title"].lower()
            text = f"{title} {fields['text']} {fields['brand']}".lower()
            begins = np.mean([any(one.startswith(word) for one in title.split()) for word in words])
            found = np.mean([word in text for word in words])
            rows.append((similar[place], best - similar[place], begins, found, len(words), best))
        return np.array(rows, np.float64)


def embed(products: Sequence[Product], embedder: SentenceEmbedder) -> Embedded:
    """Embed the catalogue as ingest does."""
    vectors = embedder.embed_documents([embedder.template.render(product.fields) for product in products])
    return Embedded(products, vectors, {product.doc_id: place for place, product in enumerate(products)})


class Teacher:
    """Fitted to graded pairs; gives a probability to any pair."""

    def __init__(self, catalogue: Embedded, embedder: SentenceEmbedder, gains: Sequence[float], seed: int) -> None:
        """Prepare to fit; `gains` gives each grade its probability."""
        self._catalogue, self._embedder, self._gains = catalogue, embedder, np.asarray(gains)
        self._trees = HistGradientBoostingClassifier(
            max_iter=80,
            learning_rate=0.08,
            max_leaf_nodes=12,
            min_samples_leaf=60,
            monotonic_cst=RISES_WITH,
            random_state=seed,
        )

    def fit(self, judged: Mapping[str, Sequence[tuple[str, int]]]) -> "Teacher":
        """Learn from query -> (document id, grade).

        A pair of gain p counts as relevant with weight p and as irrelevant with weight 1 - p.
        """
        vectors = self._embedder.embed_queries(list(judged))
        rows = [
            self._catalogue.features(query, vector, [self._catalogue.places[doc_id] for doc_id, _ in grades])
            for (query, grades), vector in zip(judged.items(), vectors, strict=True)
        ]
        features = np.concatenate(rows)
        gains = self._gains[[grade for grades in judged.values() for _, grade in grades]]
        labels = np.repeat([1, 0], len(gains))
        self._trees.fit(np.tile(features, (2, 1)), labels, sample_weight=np.concatenate([gains, 1 - gains]))
        return self

    def teach(self, queries: Sequence[str], rng: random.Random) -> list[TrainingPair]:
        """Make pairs of each query with products from near to far (`BANDS`), each with its probability."""
        asked, features = [], []
        for query, vector in zip(queries, self._embedder.embed_queries(queries), strict=True):
            order = np.argsort(-(self._catalogue.vectors @ vector), kind="stable").tolist()
            places = [place for start, end, count in BANDS for place in rng.sample(order[start:end], count)]
            asked += [(query, place) for place in places]
            features.append(self._catalogue.features(query, vector, places))
        chances = self._trees.predict_proba(np.concatenate(features))[:, 1]
        return [
            TrainingPair(query, self._catalogue.products[place].fields, 0, teacher=float(chance))
            for (query, place), chance in zip(asked, chances, strict=True)
        ]
