"""Request bodies, read into frozen types; every wrong value is refused with the key that is wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from rerank.service.faults import MalformedRequest, RefusedValue, TooLarge
from rerank.template import DocumentTemplate

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
RESOURCE_NAME = re.compile(r"[^\s/\\.\x00-\x1f][^\s/\\\x00-\x1f]{0,254}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold, and how long its body and its answer may take."""

    body_bytes: int = 4_000_000
    documents: int = 1000
    inputs: int = 1000
    query_characters: int = 4096
    text_characters: int = 20_000
    body_s: float = 10.0
    answer_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Route:
    """Which model a request wants: by name or fingerprint, or by the language of its texts."""

    model: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class RerankKeys:
    """What a dialect calls the parts of a rerank request; None where it has no such part."""

    documents: str = "documents"
    top_n: str | None = "top_n"
    return_documents: str = "return_documents"


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A rerank request: `texts` are the documents as the model reads them, `documents` as they came.

    `deadline_ms`: time for the whole answer, None for the service's own limit; `anytime`: a late answer keeps the
    documents scored by then, those that came first in the request; `cache`: scores given before may be used.
    """

    query: str
    texts: tuple[str, ...]
    documents: tuple[str | Mapping[str, Any], ...]
    top_n: int
    return_documents: bool
    deadline_ms: int | None = None
    anytime: bool = False
    cache: bool = True


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to embed as queries or as documents."""

    inputs: tuple[str, ...]
    kind: Literal["query", "document"]


def read_json(body: bytes) -> Mapping[str, Any]:
    """Parse a body that must be a JSON object.

    Raises:
        MalformedRequest: it is not JSON, too deep, or not an object.
    """
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedRequest("the body is nested too deep") from error
    except ValueError as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise MalformedRequest("the body must be a JSON object")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def read_route(data: Mapping[str, Any]) -> Route:
    """Read which model is wanted: `model` and `language`.

    Raises:
        RefusedValue: one of them is no string, or the language is not BCP 47.
    """
    return Route(read_optional(data, "model"), read_language(data, "language"))


def read_rerank(
    data: Mapping[str, Any],
    template: DocumentTemplate,
    limits: Limits,
    keys: RerankKeys = RerankKeys(),
) -> RerankRequest:
    """Read the body of a rerank request: Cohere's shape, documents as text or as fields of the bundle's template.

    Keys it does not know (max_tokens_per_doc, priority ...) are ignored.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: too many documents, or the query is too long.
    """
    query = read_text(data, "query", limits.query_characters)
    documents = data.get(keys.documents)
    if not isinstance(documents, list) or not documents:
        raise RefusedValue(f"`{keys.documents}` must be a list of at least one text or object")
    if len(documents) > limits.documents:
        raise TooLarge(f"`{keys.documents}` may hold {limits.documents}, got {len(documents)}")
    rank_fields = read_strings(data, "rank_fields", []) or None
    texts = tuple(_render(item, f"{keys.documents}[{i}]", template, rank_fields) for i, item in enumerate(documents))
    top_n = None if keys.top_n is None else read_whole(data, keys.top_n)
    return RerankRequest(
        query,
        texts,
        tuple(documents),
        min(top_n or len(texts), len(texts)),
        bool(_flag(data, keys.return_documents)),
        read_whole(data, "deadline_ms"),
        bool(_flag(data, "anytime")),
        _flag(data, "cache") is not False,
    )


def read_embed(
    data: Mapping[str, Any], template: DocumentTemplate, limits: Limits, key: str = "inputs", kind: Any = "query"
) -> EmbedRequest:
    """Read texts to embed: under `key` a text, a list of texts, or of objects with the template's fields.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: too many inputs.
    """
    if kind not in ("query", "document"):
        raise RefusedValue("`kind` must be query or document")
    inputs = data.get(key)
    if isinstance(inputs, str):
        inputs = [inputs]
    if not isinstance(inputs, list):
        raise RefusedValue(f"`{key}` must be a text or a list of texts")
    if len(inputs) > limits.inputs:
        raise TooLarge(f"`{key}` may hold {limits.inputs}, got {len(inputs)}")
    return EmbedRequest(tuple(_render(item, f"{key}[{i}]", template, None) for i, item in enumerate(inputs)), kind)


def _render(item: object, where: str, template: DocumentTemplate, only: list[str] | None) -> str:
    if isinstance(item, str):
        return _checked(item, where)
    if not isinstance(item, Mapping):
        raise RefusedValue(f"{where} must be a text or an object, found {type(item).__name__}")
    names = [field.name for field in template.fields if only is None or field.name in only]
    fields = {name: item[name] for name in names if item.get(name) is not None}
    if not fields:
        raise RefusedValue(f"{where} has none of the fields {', '.join(names) or 'of `rank_fields`'}")
    for name, value in fields.items():
        if not isinstance(value, str):
            raise RefusedValue(f"{where}.{name} must be a string, found {type(value).__name__}")
        _checked(value, f"{where}.{name}")
    return template.render(fields)


def read_text(data: Mapping[str, Any], key: str, characters: int) -> str:
    """Read a text that must be there and not be blank.

    Raises:
        RefusedValue: it is missing, no string, blank, or holds NUL or half of a surrogate pair.
        TooLarge: it is longer than `characters`.
    """
    text = data.get(key)
    if not isinstance(text, str):
        raise RefusedValue(f"`{key}` must be a string")
    if len(text) > characters:
        raise TooLarge(f"`{key}` may have {characters} characters, got {len(text)}")
    if not _checked(text, f"`{key}`").strip():
        raise RefusedValue(f"`{key}` must not be blank")
    return text


def check_language(code: str) -> str:
    """Return a BCP 47 code as it is.

    Raises:
        RefusedValue: it is none.
    """
    if not LANGUAGE.fullmatch(code):
        raise RefusedValue(f"{code[:40]!r} is not a BCP 47 language")
    return code


def _checked(text: str, where: str) -> str:
    if "\0" in text:
        raise RefusedValue(f"{where} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedValue(f"{where} holds half of a surrogate pair") from error
    return text


def read_optional(data: Mapping[str, Any], key: str) -> str | None:
    """Read a string that may be left out or null.

    Raises:
        RefusedValue: it is no string.
    """
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise RefusedValue(f"`{key}` must be a string")
    return value


def read_strings(data: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    """Read a list of strings that may be left out or null.

    Raises:
        RefusedValue: it is no list of strings.
    """
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RefusedValue(f"`{key}` must be a list of strings")
    return value


def read_language(data: Mapping[str, Any], key: str) -> str | None:
    """Read a BCP 47 code that may be left out, null or empty.

    Raises:
        RefusedValue: it is none.
    """
    code = read_optional(data, key)
    return check_language(code) if code else None


def read_whole(data: Mapping[str, Any], key: str) -> int | None:
    """Read a whole number of at least 1 that may be left out or null.

    Raises:
        RefusedValue: it is none.
    """
    value = data.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise RefusedValue(f"`{key}` must be a whole number of at least 1")
    return value


def _flag(data: Mapping[str, Any], key: str) -> bool | None:
    value = data.get(key)
    if value is not None and not isinstance(value, bool):
        raise RefusedValue(f"`{key}` must be true or false")
    return value
