"""Batches by token budget: texts of similar length together, so that little padding is computed."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rerank.tokenize import Tokens

Inputs = Mapping[str, NDArray[np.int64]]
"""Model inputs, int64, shape (batch, longest): input_ids, attention_mask, token_type_ids."""


def plan_batches(lengths: Sequence[int], max_batch_tokens: int) -> list[list[int]]:
    """Group indices, shortest first, so that longest * count stays within the budget.

    Args:
        lengths: tokens of each text.
        max_batch_tokens: budget of a batch, padding included; a longer single text gets a batch of its own.

    Returns:
        Batches of indices into `lengths`; each index stands in exactly one.

    Source: text-embeddings-inference batches by tokens rather than by texts; sorting by length is
    sentence-transformers' practice (Reimers, Gurevych, 2019, arXiv:1908.10084).
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and lengths[index] * (len(batches[-1]) + 1) <= max_batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def pad(tokens: Sequence[Tokens]) -> Inputs:
    """Pad to the longest of a non-empty batch; padding is id 0 under attention mask 0."""
    longest = max(len(item) for item in tokens)
    ids = np.zeros((len(tokens), longest), np.int64)
    mask, segments = np.zeros_like(ids), np.zeros_like(ids)
    for row, item in enumerate(tokens):
        ids[row, : len(item)] = item.ids
        mask[row, : len(item)] = 1
        segments[row, : len(item)] = item.segments
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
