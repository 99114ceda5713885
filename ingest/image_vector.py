"""A vector of an image as feeds bring it."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def parse_vector(value: Any) -> NDArray[np.float32] | str | None:
    """Return a vector of a feed, a list or the same as JSON text, with unit L2 norm; None when there is none, or why it
    is none."""
    if value in (None, "", []):
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return "image_vector is no list of numbers"
    if not isinstance(value, list) or not all(type(one) in (int, float) for one in value):
        return "image_vector is no list of numbers"
    try:
        numbers = np.array(value, np.float64)
        norm = float(np.linalg.norm(numbers))
    except OverflowError:
        return "image_vector holds a number that is not finite"
    if not np.isfinite(norm):
        return "image_vector holds a number that is not finite"
    if norm < 1e-12:
        return "image_vector has the length 0 and points nowhere"
    return np.asarray(numbers / norm, np.float32)
