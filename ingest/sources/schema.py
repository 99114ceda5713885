"""What a source's records look like: fields, how many records have them, and of which types; and how that drifts."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

MAX_FIELDS = 2000
"""Fields that are counted; a source with more has keys that are data."""

SELDOM = 0.01
"""A field of a smaller share of records may be missing by chance."""

HALVED = 0.5


class SchemaCount:
    """Counts fields and types while records pass."""

    def __init__(self) -> None:
        self.records = 0
        self._types: dict[str, Counter[str]] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Count a record."""
        self.records += 1
        for name, value in fields.items():
            types = self._types.get(name)
            if types is None:
                if len(self._types) >= MAX_FIELDS:
                    continue
                types = self._types[name] = Counter()
            types[type_name(value)] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counts: `records`, and for each field its types with how many records had them."""
        return {"records": self.records, "fields": {name: dict(types) for name, types in sorted(self._types.items())}}


def drift(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what differs between two schemas of `SchemaCount.as_json`: new fields, missing fields, types that are new for
    a field, and fields that less than half the share of records have. Nothing when either saw no records."""
    try:
        old, new = before["fields"], now["fields"]
        were, are = int(before["records"]), int(now["records"])
        if not were or not are:
            return []
        found = [f"new field {name}" for name in new if name not in old]
        for name, types in old.items():
            share = sum(types.values()) / were
            if name not in new:
                found += [f"missing field {name}, which {share:.0%} of the records had"] if share >= SELDOM else []
                continue
            told = sum(new[name].values()) / are
            if share >= SELDOM and told < share * HALVED:
                found.append(f"field {name} in {told:.0%} of the records, was {share:.0%}")
            added = sorted(set(new[name]) - set(types))
            found += [f"field {name} holds {', '.join(added)}, was {', '.join(sorted(types))}"] if added else []
    except (KeyError, TypeError, AttributeError, ValueError):
        return []  # a schema of another version
    return found


def type_name(value: Any) -> str:
    """Return the name of a JSON value's type, as schemas use it."""
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    names: Mapping[type, str] = {str: "text", list: "list", dict: "object"}
    return names.get(type(value), "null")
