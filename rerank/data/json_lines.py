"""JSON objects, one a line, with the number of the line for messages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rerank.evaluation.judgements import open_text
from rerank.training.recipe import TrainingError


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of a file, gunzipped if it ends in `.gz`, after "PATH line N"; blank lines are passed over.

    Raises:
        TrainingError: a line is no JSON object.
        JudgementError: the file cannot be read.
    """
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TrainingError(f"{path} line {number}: {error}; expected a JSON object a line") from error
            if not isinstance(row, dict):
                raise TrainingError(f"{path} line {number}: expected a JSON object a line")
            yield f"{path} line {number}", row
