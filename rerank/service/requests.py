"""Request bodies, read into frozen types; every wrong value is refused with the key that is wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from rerank.service.faults import MalformedRequest, RefusedValue, TooLarge
from rerank.template import DocumentTemplate
from rerank.understand import WANTS, Question

LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
RESOURCE_NAME = re.compile(r"[^\s/\\.\x00-\x1f][^\s/\\\x00-\x1f]{0,254}")
MAX_LANGUAGES = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold."""

    body_bytes: int = 4_000_000
    documents: int = 1000
    inputs: int = 1000
    query_characters: int = 4096


@dataclass(frozen=True, slots=True)
class RerankRequest:
    """A rerank request: `texts` are the documents as the model reads them, `documents` as they came."""

    query: str
    texts: tuple[str, ...]
    documents: tuple[str | Mapping[str, Any], ...]
    top_n: int
    return_documents: bool


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


def read_question(data: Mapping[str, Any], limits: Limits) -> Question:
    """Read the body of /understand.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: the query is too long.
    """
    want = _strings(data, "want", list(WANTS))
    if unknown := set(want) - set(WANTS):
        raise RefusedValue(f"`want` knows {', '.join(WANTS)}, not {sorted(unknown)[0][:40]!r}")
    languages = _strings(data, "languages", [])
    if len(languages) > MAX_LANGUAGES:
        raise TooLarge(f"`languages` may name {MAX_LANGUAGES} languages, got {len(languages)}")
    locale = _optional_string(data, "locale")
    for code in (*languages, *([locale] if locale else [])):
        if not LANGUAGE.fullmatch(code):
            raise RefusedValue(f"{code[:40]!r} is not a BCP 47 language")
    vocabulary = _optional_string(data, "vocabulary")
    if vocabulary is not None and not RESOURCE_NAME.fullmatch(vocabulary):
        raise RefusedValue("`vocabulary` must be a plain name")
    return Question(_query(data, limits), tuple(dict.fromkeys(languages)), frozenset(want), locale or None, vocabulary)


def read_rerank(data: Mapping[str, Any], template: DocumentTemplate, limits: Limits) -> RerankRequest:
    """Read the body of /rerank: Cohere's shape, documents as text or as fields of the bundle's template.

    Keys it does not know (max_tokens_per_doc, priority ...) are ignored, and so is the name of the model.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: too many documents, or the query is too long.
    """
    query = _query(data, limits)
    documents = data.get("documents")
    if not isinstance(documents, list) or not documents:
        raise RefusedValue("`documents` must be a list of at least one text or object")
    if len(documents) > limits.documents:
        raise TooLarge(f"`documents` may hold {limits.documents}, got {len(documents)}")
    rank_fields = _strings(data, "rank_fields", []) or None
    texts = tuple(_render(item, f"documents[{i}]", template, rank_fields) for i, item in enumerate(documents))
    top_n = data.get("top_n")
    if top_n is not None and (not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1):
        raise RefusedValue("`top_n` must be a whole number of at least 1")
    return_documents = data.get("return_documents")
    if return_documents is not None and not isinstance(return_documents, bool):
        raise RefusedValue("`return_documents` must be true or false")
    return RerankRequest(query, texts, tuple(documents), min(top_n or len(texts), len(texts)), bool(return_documents))


def read_embed(data: Mapping[str, Any], template: DocumentTemplate, limits: Limits) -> EmbedRequest:
    """Read the body of /embed: `inputs` is a text, a list of texts, or of objects with the template's fields.

    Raises:
        RefusedValue: a value is missing or wrong.
        TooLarge: too many inputs.
    """
    kind = data.get("kind", "query")
    if kind not in ("query", "document"):
        raise RefusedValue("`kind` must be query or document")
    inputs = data.get("inputs")
    if isinstance(inputs, str):
        inputs = [inputs]
    if not isinstance(inputs, list):
        raise RefusedValue("`inputs` must be a text or a list of texts")
    if len(inputs) > limits.inputs:
        raise TooLarge(f"`inputs` may hold {limits.inputs}, got {len(inputs)}")
    return EmbedRequest(tuple(_render(item, f"inputs[{i}]", template, None) for i, item in enumerate(inputs)), kind)


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


def _query(data: Mapping[str, Any], limits: Limits) -> str:
    query = data.get("query")
    if not isinstance(query, str):
        raise RefusedValue("`query` must be a string")
    if len(query) > limits.query_characters:
        raise TooLarge(f"`query` may have {limits.query_characters} characters, got {len(query)}")
    if not _checked(query, "`query`").strip():
        raise RefusedValue("`query` must not be blank")
    return query


def _checked(text: str, where: str) -> str:
    if "\0" in text:
        raise RefusedValue(f"{where} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedValue(f"{where} holds half of a surrogate pair") from error
    return text


def _optional_string(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise RefusedValue(f"`{key}` must be a string")
    return value


def _strings(data: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    value = data.get(key)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RefusedValue(f"`{key}` must be a list of strings")
    return value
