"""What a source's records look like: fields, how many records have them and of which types, languages; and how all
that drifts."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

MAX_FIELDS = 2000
"""Fields that are counted; a source with more has keys that are data."""

SELDOM = 0.01
"""A field of a smaller share of records may be missing by chance."""

HALVED = 0.5

OFTEN = 0.05
"""A language of a smaller share of documents comes and goes by chance."""

ENOUGH = 20
"""Of so many changed records none lacks a field by chance that half of all records have."""

EMPTY = "empty"
"""The type of a field that is there and holds nothing; it does not count for the field's share."""


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
            types[EMPTY if value in (None, "", [], {}) else type_name(value)] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counts: `records`, and for each field its types with how many records had them."""
        return {"records": self.records, "fields": {name: dict(types) for name, types in sorted(self._types.items())}}


def drift(before: Mapping[str, Any], now: Mapping[str, Any], *, whole: bool = True) -> list[str]:
    """Say what differs between two schemas of `SchemaCount.as_json`: new fields, missing fields, types that are new for
    a field, fields that less than half the share of records have (empty ones do not count), and languages of twice or
    less than half their share. Nothing when either saw no records.

    Of a reading of changes alone (not `whole`) shares say nothing: what changed last is no sample. Then fields and
    types that are new are told, and fields that most records had and none of `ENOUGH` changed ones has.
    """
    try:
        old, new = before["fields"], now["fields"]
        were, are = int(before["records"]), int(now["records"])
        if not were or not are:
            return []
        found = [f"new field {name}" for name in new if name not in old]
        for name, types in old.items():
            share = filled(types) / were
            if name not in new:
                known = share >= SELDOM if whole else share >= HALVED and are >= ENOUGH
                found += [f"missing field {name}, which {share:.0%} of the records had"] if known else []
                continue
            told = filled(new[name]) / are
            if whole and share >= SELDOM and told < share * HALVED:
                found.append(f"field {name} in {told:.0%} of the records, was {share:.0%}")
            added = sorted(set(new[name]) - set(types) - {EMPTY})
            if added and (kinds := sorted(set(types) - {EMPTY})):
                found.append(f"field {name} holds {', '.join(added)}, was {', '.join(kinds)}")
        found += _moved(before.get("languages", {}), now.get("languages", {})) if whole else []
    except (KeyError, TypeError, AttributeError, ValueError):
        return []  # a schema of another version
    return found


def merged(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the counts of changed records added: what the source looks like, as far as it is known."""
    try:
        fields = {name: Counter(types) for name, types in before["fields"].items()}
        for name, types in now["fields"].items():
            fields[name] = fields.get(name, Counter[str]()) + Counter(types)
        languages = Counter(before.get("languages", {})) + Counter(now.get("languages", {}))
        records = int(before["records"]) + int(now["records"])
    except (KeyError, TypeError, AttributeError, ValueError):
        return dict(now)  # a schema of another version
    told = {"languages": dict(languages)} if languages else {}
    return {"records": records, "fields": {name: dict(types) for name, types in sorted(fields.items())}, **told}


def filled(types: Mapping[str, int]) -> int:
    """Return how many records had a field with something in it."""
    return sum(types.values()) - types.get(EMPTY, 0)


def _moved(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """Say which languages have another share of the documents."""
    if not before or not now:
        return []
    shares = [{code: one / sum(told.values()) for code, one in told.items()} for told in (before, now)]
    pairs = {code: (shares[0].get(code, 0.0), shares[1].get(code, 0.0)) for code in sorted({*before, *now})}
    return [
        f"language {code} in {share:.0%} of the documents, was {was:.0%}"
        for code, (was, share) in pairs.items()
        if max(was, share) >= OFTEN and min(was, share) < max(was, share) * HALVED
    ]


def type_name(value: Any) -> str:
    """Return the name of a JSON value's type, as schemas use it."""
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    names: Mapping[type, str] = {str: "text", list: "list", dict: "object"}
    return names.get(type(value), "null")
