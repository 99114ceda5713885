"""Training pairs on disk: JSON lines of a query, a document's fields and how relevant it is."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank.evaluation.judgements import JudgementError, open_text
from rerank.training.recipe import TrainingError


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A query, the fields of a document (names as templates have them), and its grade from 0 upwards.

    `teacher` is another model's probability that the document answers the query, None where none was asked.
    """

    query: str
    fields: Mapping[str, str]
    relevance: int
    teacher: float | None = None


def read_pairs(path: Path) -> list[TrainingPair]:
    """Read pairs: one JSON object a line with `query`, `fields`, `relevance`, perhaps `teacher`; `.gz` is gunzipped.

    Raises:
        TrainingError: the file or a line is unreadable, or there is no pair.
    """
    pairs = []
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    pairs.append(_pair(json.loads(line)))
                except (KeyError, TypeError, ValueError) as error:
                    raise TrainingError(
                        f"{path} line {number}: {error}; a pair needs `query`, `fields` and `relevance`"
                    ) from error
    except JudgementError as error:
        raise TrainingError(str(error)) from error
    if not pairs:
        raise TrainingError(f"{path} holds no pair; check the file")
    return pairs


def _pair(data: Mapping[str, Any]) -> TrainingPair:
    query, fields, relevance = data["query"], data["fields"], data["relevance"]
    if not isinstance(query, str) or not query.strip():
        raise ValueError("`query` is not a text")
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("`fields` is not an object of strings")
    if not isinstance(relevance, int) or isinstance(relevance, bool) or relevance < 0:
        raise ValueError("`relevance` is not a grade from 0 upwards")
    teacher = data.get("teacher")
    if teacher is not None and (not isinstance(teacher, int | float) or not 0.0 <= teacher <= 1.0):
        raise ValueError("`teacher` is not a probability from 0 to 1")
    return TrainingPair(query, fields, relevance, None if teacher is None else float(teacher))


def write_pairs(path: Path, pairs: Iterable[TrainingPair]) -> int:
    """Write pairs gzipped, with the same bytes for the same pairs; return how many."""
    count = 0
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as out:
        for pair in pairs:
            row: dict[str, Any] = {"query": pair.query, "fields": dict(pair.fields), "relevance": pair.relevance}
            if pair.teacher is not None:
                row["teacher"] = round(pair.teacher, 6)
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            count += 1
    return count


def provenance(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Return name and sha256 of each data file, for a manifest."""
    return [{"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in paths]
