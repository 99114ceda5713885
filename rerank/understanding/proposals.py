"""From what a query names to clauses of an OpenSearch query, where the index has a field for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rerank.understanding.attributes import SURE, Attribute

FIELDS: Mapping[str, tuple[str, ...]] = {
    "price": ("price", "sale_price"),
    "size": ("size", "sizes", "shoe_size", "attrs.size", "attrs.Size"),
    "measure": ("measures",),
    "color": ("color", "colour", "attrs.color", "attrs.colour", "attrs.Color", "attrs.Colour"),
    "code": ("mpn", "sku", "gtin"),
}
"""Where each is looked for, in this order; brands and values know their own field."""

NUMERIC = frozenset({"byte", "short", "integer", "long", "float", "half_float", "double", "scaled_float"})
FILTERS = frozenset({"price", "size"})
"""What a shopper says as a condition; the rest are wishes, and products may lack the field."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to do with an attribute: `use` it as filter, boost or ignored; then `reason` says why. `clause` is in
    OpenSearch's query DSL."""

    attribute: Attribute
    use: str
    field: str | None = None
    clause: Mapping[str, Any] | None = None
    reason: str | None = None


def propose(attributes: Iterable[Attribute], schema: Mapping[str, str], minimum: float = SURE) -> list[Proposal]:
    """Return a proposal for each attribute.

    Args:
        attributes: what the query names.
        schema: field -> type of the index; sub-fields by their path, a `flat_object` without.
        minimum: confidence under which nothing is done.
    """
    return [_propose(attribute, schema, minimum) for attribute in attributes]


def _propose(attribute: Attribute, schema: Mapping[str, str], minimum: float) -> Proposal:
    fields = FIELDS.get(attribute.name, ())
    if attribute.variants:
        fields = tuple(field for value in attribute.variants for field in _exact(value.field, schema))
    if attribute.field is not None:
        fields = _exact(attribute.field, schema)
    field = next((name for name in fields if _type(name, schema) is not None), None)
    if field is None:
        return Proposal(attribute, "ignored", reason=f"the index has no field for a {attribute.name}")
    if attribute.confidence < minimum:
        return Proposal(attribute, "ignored", field, reason=f"confidence {attribute.confidence:g} is under {minimum:g}")
    kind = _type(field, schema) or ""
    if attribute.name == "price" and kind not in NUMERIC:
        return Proposal(attribute, "ignored", field, reason=f"{field} is no number but {kind}")
    use = "filter" if attribute.name in FILTERS else "boost"
    return Proposal(attribute, use, field, _clause(attribute, field, kind, schema))


def _exact(field: str, schema: Mapping[str, str]) -> tuple[str, ...]:
    """Its keyword sub-field where there is one, and itself."""
    keyword = f"{field}.keyword"
    return (keyword, field) if keyword in schema else (field,)


def _type(field: str, schema: Mapping[str, str]) -> str | None:
    if field in schema:
        return schema[field]
    parts = field.split(".")
    parents = (".".join(parts[:count]) for count in range(1, len(parts)))
    return "flat_object" if any(schema.get(parent) == "flat_object" for parent in parents) else None


def _clause(attribute: Attribute, field: str, kind: str, schema: Mapping[str, str]) -> Mapping[str, Any]:
    if attribute.name == "price":
        bounds = {"gte": attribute.low, "lte": attribute.high}
        inside = {"range": {field: {key: value for key, value in bounds.items() if value is not None}}}
        if attribute.currency is None or "currency" not in schema:
            return inside
        # Many shops have one currency and never write it down.
        unsaid = {"bool": {"must_not": [{"exists": {"field": "currency"}}]}}
        priced = [{"term": {"currency": attribute.currency}}, unsaid]
        return {"bool": {"filter": [inside], "should": priced, "minimum_should_match": 1}}
    if attribute.variants:
        fields = [(_exact(value.field, schema)[0], value.value) for value in attribute.variants]
        known = [_equals(name, value, _type(name, schema) or "") for name, value in fields if _type(name, schema)]
        return known[0] if len(known) == 1 else {"bool": {"should": known, "minimum_should_match": 1}}
    return _equals(field, attribute.value, kind)


def _equals(field: str, value: str, kind: str) -> Mapping[str, Any]:
    if kind == "text":
        return {"match": {field: {"query": value, "operator": "and"}}}
    if kind == "keyword":
        return {"term": {field: {"value": value, "case_insensitive": True}}}
    return {"term": {field: value}}
