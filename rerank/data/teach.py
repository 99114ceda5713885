"""Teachers: the score that other models give a training pair, for distillation."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rerank.bundle import SEARCH_TASKS, load_bundle
from rerank.cross_encoder import CrossEncoder
from rerank.data.journal import Remember, forget
from rerank.embedder import SentenceEmbedder
from rerank.protocols import Pair
from rerank.session import SessionOptions
from rerank.training.pairs import TrainingPair

CHUNK = 512
"""Pairs scored between two reports of progress."""

EVERY_CORE = SessionOptions(threads=0)

Teacher = Callable[[Sequence[TrainingPair]], NDArray[np.float32]]


def load_teacher(path: Path) -> Teacher:
    """Load a bundle as a teacher: a reranker answers its probabilities, an embedder its cosines cut at 0.

    Raises:
        BundleError: it is no bundle, or was changed.
    """
    bundle = load_bundle(path, SEARCH_TASKS)
    if bundle.manifest.task == "rerank":
        scorer = CrossEncoder(bundle, EVERY_CORE)
        return lambda pairs: scorer.score([Pair(pair.query, scorer.template.render(pair.fields)) for pair in pairs])
    embedder = SentenceEmbedder(bundle, EVERY_CORE)

    def cosines(pairs: Sequence[TrainingPair]) -> NDArray[np.float32]:
        queries = embedder.embed_queries([pair.query for pair in pairs])
        documents = embedder.embed_documents([embedder.template.render(pair.fields) for pair in pairs])
        found: NDArray[np.float32] = np.clip(np.sum(queries * documents, axis=1), 0.0, 1.0)
        return found

    return cosines


def teach(
    pairs: Sequence[TrainingPair],
    teachers: Sequence[Teacher],
    *,
    advance: Callable[[int], None] = lambda done: None,
    remember: Remember = forget,
) -> list[TrainingPair]:
    """Return the pairs, each with the mean of the teachers' scores: an average of several models, by scores.

    Args:
        pairs: what to score; a score that a pair has already is replaced.
        teachers: one or more, as `load_teacher` returns.
        advance: called with the number of pairs done since the last call.
        remember: keeps the scores of each `CHUNK` of pairs; see `Journal`.
    """
    taught = []
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        scores = remember(str(start), partial(_mean, teachers, chunk))
        taught += [replace(pair, teacher=score) for pair, score in zip(chunk, scores, strict=True)]
        advance(len(chunk))
    return taught


def _mean(teachers: Sequence[Teacher], pairs: Sequence[TrainingPair]) -> list[float]:
    return [float(score) for score in np.mean([teacher(pairs) for teacher in teachers], axis=0)]
