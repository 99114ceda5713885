"""The records of one product into one document, field by field, with where each field is from."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ingest.document import Document, Origin, Provenance
from ingest.fusion.config import FusionRules
from rerank.protocols import UNDETERMINED

SINGLE_FIELDS = ("brand", "category", "mpn")
TEXTS = ("text", "attributes")


def merge(documents: Sequence[Document], rules: FusionRules) -> Document:
    """Return one document of the records of one product.

    Records are asked in the order of their sources' priority, then the newer one first; `prefer` overrides that for a
    field. The language is that of the first title; texts in other languages stand as translations whose engine is
    "source:NAME". Price and currency come from one record, as do image and its vector; codes, measures and attributes
    of all are united. The id is the first record's.

    Args:
        documents: at least one, of different sources; their order does not matter.
        rules: priorities and preferences.
    """
    order = sorted(documents, key=lambda one: _standing(one, rules))
    if len(order) == 1 and not order[0].record.source:
        return order[0]
    used: dict[int, list[str]] = {}

    def first(name: str, among: Sequence[Document]) -> Document | None:
        found = next((one for one in _asked(among, rules.config.prefer.get(name, ())) if _has(one, name)), None)
        if found is not None:
            used.setdefault(id(found), []).append(name)
        return found

    titled = first("title", order) or order[0]
    language = titled.language
    values: dict[str, Any] = {"title": titled.title, "language": language}
    alike = [one for one in order if one.language == language]
    for name in (*TEXTS, *SINGLE_FIELDS):
        found = first(name, alike if name in TEXTS else order)
        values[name] = getattr(found, name) if found else None if name in SINGLE_FIELDS else ""
    priced = first("price", order)
    values |= {"price": priced.price, "currency": priced.currency} if priced else {}
    pictured = first("image_vector", order) or first("image", order)
    if pictured is not None:
        values |= {name: getattr(pictured, name) for name in ("image", "image_vector", "image_hash")}
    translated, provenance = _other_languages(order, language, used)
    return replace(
        order[0],
        **values,
        gtin=_united(one.gtin for one in order),
        measures=_united(one.measures for one in order),
        problems=_united(one.problems for one in order),
        updated=max((one.updated for one in order if one.updated), default=None),
        attrs={name: value for one in reversed(order) for name, value in one.attrs.items()},
        translated=translated,
        provenance=provenance,
        sources=tuple(_origin(one, rules, used.get(id(one), [])) for one in order),
    )


def _has(document: Document, name: str) -> bool:
    value = getattr(document, name)
    return bool(value) if name != "image_vector" else value is not None


def lead(documents: Sequence[Document], rules: FusionRules) -> Document:
    """Return the record whose id the merged document has."""
    return min(documents, key=lambda one: _standing(one, rules))


def _standing(document: Document, rules: FusionRules) -> tuple[Any, ...]:
    source = document.record.origin
    newer_first = tuple(-ord(character) for character in document.updated or "")
    return (-rules.rank(source).priority, not document.updated, newer_first, source, document.id)


def _asked(order: Sequence[Document], preferred: Sequence[str]) -> list[Document]:
    places = {source: place for place, source in enumerate(preferred)}
    return sorted(order, key=lambda one: places.get(one.record.origin, len(places)))


def _other_languages(
    order: Sequence[Document], language: str, used: dict[int, list[str]]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Provenance]]]:
    """Return what the records say in further languages: the first record of each language and field."""
    texts: dict[str, dict[str, str]] = {}
    origins: dict[str, dict[str, Provenance]] = {}
    for one in order:
        for code, said in {**one.translated, one.language: one.own_texts()}.items():
            for name, text in said.items():
                if code in (language, UNDETERMINED) or name in texts.get(code, {}):
                    continue
                texts.setdefault(code, {})[name] = text
                made = Provenance(f"source:{one.record.origin}", one.updated or "", 1.0)
                origins.setdefault(code, {})[name] = made
                used.setdefault(id(one), []).append(f"{name}.{code}")
    return texts, origins


def _united(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for group in values for value in group))


def _origin(document: Document, rules: FusionRules, fields: Sequence[str]) -> Origin:
    source = document.record.origin
    return Origin(source, rules.rank(source).platform, document.id, document.updated, tuple(fields))
