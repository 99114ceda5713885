"""What a source's records must look like, as data: `[source.schema.FIELD]` of a shop's TOML."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ingest.errors import IngestError
from ingest.normalize import parse_price
from ingest.sources.schema import type_name

TYPES = ("text", "number", "truth value", "list", "object")


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one field, under its name behind the mapping. `type` is one of `TYPES`; `pattern` is a regular expression for
    the whole text; `minimum` and `maximum` bind numbers, also in texts such as "12,50 EUR"; `values` are those allowed.
    A rule binds only records that have the field, unless it is `required`."""

    required: bool = False
    type: str | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: list[str] | None = None


class Rules:
    """The rules of a source."""

    def __init__(self, rules: Mapping[str, FieldRule]) -> None:
        """Compile the patterns.

        Raises:
            IngestError: a pattern is no regular expression, or a type is not known.
        """
        self._rules = dict(rules)
        self._patterns: dict[str, re.Pattern[str]] = {}
        for name, rule in rules.items():
            if rule.type is not None and rule.type not in TYPES:
                raise IngestError(f"the schema of {name!r} has the type {rule.type!r}; choose among {', '.join(TYPES)}")
            if rule.pattern is not None:
                try:
                    self._patterns[name] = re.compile(rule.pattern)
                except re.error as error:
                    raise IngestError(f"the schema of {name!r} has a pattern that cannot be read: {error}") from error

    def broken(self, fields: Mapping[str, Any]) -> str:
        """Return the first rule that a record breaks, in a sentence; empty when it keeps all."""
        for name, rule in self._rules.items():
            value = fields.get(name)
            if value in (None, "", [], {}):
                if rule.required:
                    return f"schema: {name} is required"
                continue
            wrong = self._wrong(name, rule, value)
            if wrong:
                return f"schema: {name} {wrong}, found {str(value)[:80]!r}"
        return ""

    def _wrong(self, name: str, rule: FieldRule, value: Any) -> str:
        if rule.type is not None and type_name(value) != rule.type:
            return f"must be of the type {rule.type}"
        if name in self._patterns and not self._patterns[name].fullmatch(str(value)):
            return f"must match {rule.pattern}"
        if rule.values is not None and str(value) not in rule.values:
            return f"must be one of {', '.join(rule.values)}"
        if rule.minimum is None and rule.maximum is None:
            return ""
        signed = value if isinstance(value, int | float) else parse_price(value)[0]
        if signed is None:
            return "must be a number"
        if rule.minimum is not None and signed < rule.minimum:
            return f"must be at least {rule.minimum:g}"
        return f"must be at most {rule.maximum:g}" if rule.maximum is not None and signed > rule.maximum else ""
