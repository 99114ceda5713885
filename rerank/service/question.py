"""The body of /understand."""

from collections.abc import Iterable, Mapping
from typing import Any

from rerank.service.faults import RefusedValue, TooLarge
from rerank.service.requests import (
    RESOURCE_NAME,
    Limits,
    check_language,
    read_language,
    read_optional,
    read_strings,
    read_text,
)
from rerank.understanding.attributes import SURE
from rerank.understanding.expansion import KINDS
from rerank.understanding.understand import ATTRIBUTES, WANTS, Question

MAX_LANGUAGES = 64
MAX_FIELDS = 2000


def read_question(data: Mapping[str, Any], limits: Limits) -> Question:
    """Read the body of /understand.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: the query is too long.
    """
    want = read_strings(data, "want", list(WANTS))
    _known("want", want, (*WANTS, ATTRIBUTES))
    expansions = read_strings(data, "expand", [])
    _known("expand", expansions, KINDS)
    languages = read_strings(data, "languages", [])
    if len(languages) > MAX_LANGUAGES:
        raise TooLarge(f"`languages` may name {MAX_LANGUAGES} languages, got {len(languages)}")
    for code in languages:
        check_language(code)
    locale = read_language(data, "locale")
    vocabulary = read_optional(data, "vocabulary")
    if vocabulary is not None and not RESOURCE_NAME.fullmatch(vocabulary):
        raise RefusedValue("`vocabulary` must be a plain name")
    query = read_text(data, "query", limits.query_characters)
    return Question(
        query,
        tuple(dict.fromkeys(languages)),
        frozenset(want),
        locale,
        vocabulary,
        frozenset(expansions),
        _schema(data),
        _confidence(data),
    )


def _known(key: str, given: Iterable[str], options: tuple[str, ...]) -> None:
    if unknown := sorted(set(given) - set(options)):
        raise RefusedValue(f"`{key}` knows {', '.join(options)}, not {unknown[0][:40]!r}")


def _schema(data: Mapping[str, Any]) -> Mapping[str, str]:
    schema = data.get("schema")
    if schema is None:
        return {}
    if not isinstance(schema, dict) or not all(isinstance(kind, str) for kind in schema.values()):
        raise RefusedValue("`schema` must be an object: field -> type")
    if len(schema) > MAX_FIELDS:
        raise TooLarge(f"`schema` may name {MAX_FIELDS} fields, got {len(schema)}")
    return schema


def _confidence(data: Mapping[str, Any]) -> float:
    value = data.get("min_confidence", SURE)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise RefusedValue("`min_confidence` must be a number from 0 to 1")
    return float(value)
