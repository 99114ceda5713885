"""The engine's fusion and blend on gathered candidates: what another setting would have answered."""

from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from plugin.pipelines import Normalization, Technique
from plugin.tune_candidates import Floats, QueryCandidates
from rerank.evaluation.metrics import ndcg

TECHNIQUES: tuple[Technique, ...] = get_args(Technique)
_FLOOR = 0.001


@dataclass(frozen=True, slots=True)
class Fusion:
    """A technique and each retriever's weight, in the pipeline's order; `knn_factor` multiplies those of vectors for
    queries that the embedder does not read."""

    technique: Technique
    weights: tuple[float, ...]
    knn_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Blend:
    """The cross-encoder's share; `points` (n, 2) calibrate its score first, empty: not at all."""

    weight: float
    normalization: Normalization = "none"
    points: tuple[tuple[float, float], ...] = field(default=())


def fused(query: QueryCandidates, fusion: Fusion, *, rank_constant: int = 60) -> Floats:
    """Return each candidate's fused score, as the engine computes it (see docs/pipeline.md)."""
    total = np.zeros(len(query.scores))
    vectors = query.vectors or (False,) * len(fusion.weights)
    for column, (given, unread) in enumerate(zip(fusion.weights, vectors, strict=True)):
        weight = given * fusion.knn_factor if unread else given
        scores = query.scores[:, column]
        found = ~np.isnan(scores)
        if weight and found.any():
            total[found] += weight * _shares(scores[found], fusion.technique, rank_constant)
    return total


def _shares(scores: Floats, technique: Technique, rank_constant: int) -> Floats:
    low, high = scores.min(), scores.max()
    if technique == "rrf":
        ranks = np.argsort(np.argsort(-scores, kind="stable"), kind="stable") + 1
        return np.asarray(1 / (rank_constant + ranks), dtype=np.float64)
    if technique == "convex":
        return np.maximum(_FLOOR, scores / high) if high > 0 else np.full(len(scores), _FLOOR)
    scale = scores.std() if technique == "z_score" else high - low
    return np.maximum(_FLOOR, (scores - low) / scale) if scale > 0 else np.ones(len(scores))


def value(query: QueryCandidates, scores: Floats, blend: Blend | None, *, window: int, rerank_window: int) -> float:
    """Return nDCG@10 of the order that fused `scores` give, reranked and blended when there is a `blend`, and the
    reranker reads the query.

    Source: final = weight * N(cross-encoder) + (1 - weight) * N(fused) over the rerank window, docs/pipeline.md.
    """
    order = np.argsort(-scores, kind="stable")[:window]
    if blend is not None and query.reranked and len(order):
        top = order[:rerank_window]
        relevance = query.relevance[top]
        if blend.points:
            xs, ys = zip(*blend.points, strict=True)
            relevance = np.interp(relevance, xs, ys)
        if blend.normalization == "min_max":
            relevance = _unit(relevance)
        final = blend.weight * np.nan_to_num(relevance) + (1 - blend.weight) * _unit(scores[top])
        order = np.concatenate([top[np.argsort(-final, kind="stable")], order[rerank_window:]])
    return ndcg(query.gains[order], query.judged)


def _unit(scores: Floats) -> Floats:
    low, high = np.nanmin(scores), np.nanmax(scores)
    return (scores - low) / (high - low) if high > low else np.where(np.isnan(scores), np.nan, 1.0)
