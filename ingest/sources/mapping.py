"""A source's own names and shapes into ours, by JMESPath expressions: data, never code that runs."""

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from ingest.errors import IngestError


class _Functions(functions.Functions):  # type: ignore[misc]
    """What JMESPath lacks for feeds."""

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_split(self, text: str | None, separator: str) -> list[str]:
        return [part.strip() for part in (text or "").split(separator or ",") if part.strip()]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_replace(self, text: str | None, old: str, new: str) -> str | None:
        return None if text is None else text.replace(old, new)

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_lower(self, text: str | None) -> str | None:
        return None if text is None else text.lower()

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]
    def _func_trim(self, text: str | None) -> str | None:
        return None if text is None else text.strip()


OPTIONS = jmespath.Options(custom_functions=_Functions())


class MappingError(IngestError):
    """An expression cannot be used on a record."""


class FieldMapping:
    """Expressions by target field. A column that an expression only names ("label", "label || name") is moved; one
    that it computes with stays, too. Columns that no expression moves are kept under their own names."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        """Compile the expressions.

        Raises:
            MappingError: one is no JMESPath.
        """
        self._compiled: dict[str, ParsedResult] = {}
        for target, expression in expressions.items():
            try:
                self._compiled[target] = jmespath.compile(expression)
            except JMESPathError as error:
                reason = str(error).splitlines()[0].removesuffix(", for expression:")
                raise MappingError(f"the field {target!r} has the expression {expression!r}: {reason}") from error
        self._moved = {name for parsed in self._compiled.values() for name in _named(parsed.parsed)}

    @property
    def targets(self) -> frozenset[str]:
        """The fields that expressions make."""
        return frozenset(self._compiled)

    def apply(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record's fields under our names.

        Raises:
            MappingError: an expression meets a value of a type that it cannot work on.
        """
        if not self._compiled:
            return dict(fields)
        made: dict[str, Any] = {}
        for target, parsed in self._compiled.items():
            try:
                value = parsed.search(fields, options=OPTIONS)
            except JMESPathError as error:
                reason = str(error).splitlines()[0]
                raise MappingError(f"the expression of {target!r} cannot be used: {reason}") from error
            if value not in (None, "", [], {}):
                made[target] = value
        kept = {name: value for name, value in fields.items() if name not in self._moved and name not in self._compiled}
        return made | kept


def _named(tree: Mapping[str, Any]) -> list[str]:
    """Return the columns of an expression that is a column or a choice among columns; none of any other."""
    if tree["type"] == "field":
        return [tree["value"]]
    if tree["type"] != "or_expression":
        return []
    names = [_named(child) for child in tree["children"]]
    return [name for part in names for name in part] if all(names) else []
