"""Which values a catalogue's fields have, and in how many products: how brands and attributes are recognised.

values/<alias>.tsv.gz among the resources: field, value, number of documents; written by ingest beside the vocabulary.
"""

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rerank.errors import ResourceError
from rerank.packed import Packed, pack
from rerank.translation.words import fold

_HEADER = "# polyrank values 1"
MAX_CHARACTERS = 40
"""Longer values are texts, not names of something."""
MAX_VALUES = 5000
"""A field with more different values names single products."""
MAX_FIELDS = 10_000
MIN_DOCUMENTS = 2
CROWDED: dict[str, int] = {}
"""Stands for the counts of a field that was let go."""


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A value as the catalogue writes it most often, in a field of the index, with the number of its products."""

    field: str
    value: str
    documents: int


@dataclass(frozen=True, slots=True)
class FieldValues:
    """Values by their folded spelling; of several fields with one value the one with more products first."""

    values: Mapping[str, tuple[FieldValue, ...]]
    longest: int = 1

    def named(self, folded: str) -> tuple[FieldValue, ...]:
        """Return the values with this folded spelling (`words.fold`); empty when there is none."""
        return self.values.get(folded, ())


class ValueCounter:
    """Counts the values of documents: brand, category and attributes, each once a document. A field of more than
    `MAX_VALUES` is let go at once, so that titles and numbers under some attribute's name do not fill the memory; past
    `MAX_FIELDS` no further one is counted, because such names are data themselves."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, dict[str, int]]] = {}
        """By path and name, the counts of the values."""
        self._fields = 0

    def add(self, fields: Mapping[str, Any], under: str = "") -> None:
        """Count the short texts among the fields of one document; nested fields have their path, which begins with
        `under`, as name."""
        counts = self._counts.setdefault(under, {})
        for name, value in fields.items():
            if isinstance(value, str):
                known = counts.get(name)
                if known is not None and value in known:
                    known[value] += 1
                elif known is not CROWDED and 0 < len(value.strip()) <= MAX_CHARACTERS and "\t" not in value:
                    self._count(under, name, " ".join(value.split()))
            elif isinstance(value, dict):
                self.add(value, f"{under}{name}.")

    def _count(self, under: str, name: str, value: str) -> None:
        known = self._counts[under].get(name)
        if known is None:
            if self._fields >= MAX_FIELDS:
                return
            self._fields += 1
            known = self._counts[under][name] = {}
        known[value] = known.get(value, 0) + 1
        if len(known) > MAX_VALUES:
            self._counts[under][name] = CROWDED

    def rows(self) -> list[FieldValue]:
        """Return what was counted often enough, in a fixed order."""
        fields = {under + name: found for under, names in self._counts.items() for name, found in names.items()}
        return [
            FieldValue(field, value, count)
            for field, counts in sorted(fields.items())
            for value, count in sorted(counts.items())
            if count >= MIN_DOCUMENTS
        ]


def pack_values(folder: Path, alias: str, rows: Iterable[FieldValue]) -> Packed:
    """Make `values/<alias>.tsv.gz` below the resources folder, still to be written."""
    lines = (f"{row.field}\t{row.value}\t{row.documents}" for row in rows)
    return pack(folder / "values" / f"{alias}.tsv.gz", chain([_HEADER], lines))


def write_values(folder: Path, alias: str, rows: Iterable[FieldValue]) -> Path:
    """Write `values/<alias>.tsv.gz` below the resources folder, atomically; return its path."""
    return pack_values(folder, alias, rows).write()


def read_values(path: Path) -> FieldValues:
    """Read what `write_values` wrote.

    Raises ResourceError when the file is not such a list.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            if next(lines, "").rstrip("\n") != _HEADER:
                raise ValueError("its first row is not the polyrank header")
            return index_values(_row(line) for line in lines)
    except (OSError, EOFError, ValueError) as error:
        raise ResourceError(f"{path} lists no values ({error}); ingest the catalogue again to write it") from error


def index_values(rows: Iterable[FieldValue]) -> FieldValues:
    """Make values findable by their folded spelling; spellings of one value in one field are added up."""
    merged: dict[str, dict[str, FieldValue]] = {}
    for row in rows:
        fields = merged.setdefault(fold(row.value), {})
        known = fields.get(row.field)
        if known is None:
            fields[row.field] = row
        else:
            value = max((known, row), key=lambda item: item.documents).value
            fields[row.field] = FieldValue(row.field, value, known.documents + row.documents)
    values = {
        folded: tuple(sorted(fields.values(), key=lambda item: (-item.documents, item.field)))
        for folded, fields in merged.items()
        if folded
    }
    return FieldValues(values, max((len(folded.split()) for folded in values), default=1))


def _row(line: str) -> FieldValue:
    field, value, documents = line.rstrip("\n").split("\t")
    return FieldValue(field, value, int(documents))
