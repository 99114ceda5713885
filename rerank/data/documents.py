"""The catalogue that training pairs are made from: each document's id and its fields as plain text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rerank.data.json_lines import read_json_lines
from rerank.training.recipe import TrainingError

Documents = Mapping[str, Mapping[str, str]]
"""Document id -> field name -> plain text, in file order."""


def read_documents(path: Path) -> dict[str, dict[str, str]]:
    """Read a catalogue of JSON lines, plain or gzipped: an `id` (or BEIR's `_id`), every other key is a field.

    A list becomes its texts with commas, an object "name: value; name: value"; null is left out. Nothing is cleaned:
    a model that is to read attributes as the index has them wants them rendered before.

    Raises:
        TrainingError: a line is no JSON object with an id, an id stands twice, or there is no document.
        JudgementError: the file cannot be read.
    """
    documents: dict[str, dict[str, str]] = {}
    for where, row in read_json_lines(path):
        if (key := next((name for name in ("id", "_id") if name in row), None)) is None:
            raise TrainingError(f"{where}: a document needs an `id`")
        doc_id = str(row.pop(key))
        if doc_id in documents:
            raise TrainingError(f"{where}: the id {doc_id!r} stands twice; ids must be unique")
        fields = {name: _text(value) for name, value in row.items()}
        documents[doc_id] = {name: text for name, text in fields.items() if text}
    if not documents:
        raise TrainingError(f"{path} holds no document; check the file")
    return documents


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(text for text in map(_text, value) if text)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {text}" for key, text in ((key, _text(item)) for key, item in value.items()) if text)
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
