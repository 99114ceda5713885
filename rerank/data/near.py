"""Which queries mean to be the same: equal up to case, order and plural, or nearly so by their character trigrams."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from rerank.understanding.vocabulary import singular, split_words

NEAR = 0.7
"""Jaccard similarity of trigrams from which two queries are near-duplicates: "gaming mouse", "gaming mouse rgb"."""

CHUNK = 1024
"""Queries compared with all others at a time: bounds the memory."""


def query_key(query: str) -> str:
    """Return what queries have in common that are the same but for case, word order, plural and punctuation."""
    return " ".join(sorted(singular(word) for word in split_words(query)))


def trigrams(key: str) -> frozenset[str]:
    """Return the character trigrams of a key with its ends marked; never empty."""
    padded = f"  {key} "
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def jaccard(left: str, right: str) -> float:
    """Return how alike two queries are: shared trigrams of their keys over all of them, 0..1."""
    a, b = trigrams(query_key(left)), trigrams(query_key(right))
    return len(a & b) / len(a | b)


def group_queries(queries: Sequence[str], near: float = NEAR) -> list[int]:
    """Return the number of each query's group: near-duplicates, and near-duplicates of those, share one.

    Exact: every two queries are compared, through a sparse product.

    Args:
        queries: distinct texts.
        near: the Jaccard similarity that joins two queries, above 0.
    """
    if not queries:
        return []
    keys = [trigrams(query_key(query)) for query in queries]
    places = {gram: place for place, gram in enumerate(sorted(frozenset().union(*keys)))}
    columns = [places[gram] for grams in keys for gram in sorted(grams)]
    sizes: NDArray[np.int64] = np.array([len(grams) for grams in keys])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    matrix = csr_matrix((np.ones(len(columns), np.int32), columns, ends), shape=(len(keys), len(places)))
    rows, others = [], []
    for start in range(0, len(keys), CHUNK):
        shared = (matrix[start : start + CHUNK] @ matrix.T).tocoo()
        row = shared.row + start
        close = shared.data >= near * (sizes[row] + sizes[shared.col] - shared.data) - 1e-9
        rows.append(row[close])
        others.append(shared.col[close])
    edges = (np.concatenate(rows), np.concatenate(others))
    graph = csr_matrix((np.ones(len(edges[0]), bool), edges), shape=(len(keys), len(keys)))
    return [int(group) for group in connected_components(graph, directed=False)[1]]
