"""Record -> Document or DeadLetter: finds the fields under their many names, cleans texts, reads prices and codes."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ingest.attributes import attributes_text
from ingest.document import DeadLetter, Document, Record
from ingest.image_vector import parse_vector
from ingest.normalize import NUMBERS, clean_text, clean_value, parse_gtins, parse_moment, parse_price
from rerank.protocols import UNDETERMINED
from rerank.translation.words import fold
from rerank.understanding.measures import parse_measures

FIELD_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "sku", "product_id", "item_id"),
    "title": ("title", "name", "product_name"),
    "text": ("text", "description", "body_html", "body"),
    "brand": ("brand", "manufacturer", "vendor"),
    "category": ("category", "product_type", "google_product_category", "categories"),
    "price": ("price",),
    "price_cents": ("price_cents",),
    "currency": ("currency",),
    "gtin": ("gtin", "ean", "upc", "barcode", "isbn"),
    "mpn": ("mpn", "manufacturer_part_number", "part_number"),
    "updated": ("updated", "updated_at", "last_modified", "date_modified"),
    "language": ("language", "lang", "content_language"),
    "image": ("image", "image_link", "image_url", "image_src", "images"),
    "image_vector": ("image_vector",),
    "attrs": ("attrs", "attributes"),
}
"""Our name -> names in feeds, the first present wins; case, spaces and hyphens do not matter."""

ALIASES = frozenset(alias for aliases in FIELD_NAMES.values() for alias in aliases)

LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")
MAX_ID_BYTES = 512
NOTHING: tuple[Any, ...] = (None, "", [])
NEXT_ADDRESS = re.compile(r"[,;|]\s*(?=https?://)")


class Brands:
    """A shop's spellings of brands; case, marks and spaces do not matter ("Hewlett-Packard", "hewlett packard")."""

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        """`aliases`: another spelling -> the one to use."""
        self._known = {brand_key(alias): brand for alias, brand in (aliases or {}).items()}
        self._known |= {brand_key(brand): brand for brand in (aliases or {}).values()}

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of a spelling, folded, and the one to use."""
        return tuple(self._known.items())

    def named(self, brand: str) -> str:
        """Return the spelling to use; the brand itself when none is known."""
        return self._known.get(brand_key(brand), brand) if self._known else brand


def brand_key(brand: str) -> str:
    """Return what spellings of one brand have in common: its letters and digits, folded."""
    return re.sub(r"[\W_]+", "", fold(brand))


NO_ALIASES = Brands()

DELETED = "deleted"
"""A record with this field says that its product is gone."""


def is_tombstone(record: Record) -> bool:
    """Return whether a record asks for its document to be deleted: `"deleted": true`, 1, "true", "yes" or "1"."""
    value = record.fields.get(DELETED)
    return value is True or (isinstance(value, (str, int)) and str(value).strip().lower() in ("true", "yes", "1"))


def clean(record: Record, brands: Brands = NO_ALIASES) -> Document | DeadLetter:
    """Make a document of a record. Its language is the declared one, else `und`; nothing is detected here.

    A record without id, without any title and text, or with a broken image vector is a dead letter. A price, GTIN, time
    or language that cannot be read is left out (the raw value stays in `attrs`) and named in `problems`. Columns that
    are none of ours become attributes.
    """
    fields, extra = _sorted_out(record.fields)
    doc_id, reason = _identifier(fields.get("id"))
    if doc_id is None:
        return DeadLetter(record.feed, record.line, reason, record=record.fields)
    title, text = _text(fields.get("title")), _text(fields.get("text"))
    given = fields.get("attrs")
    own = given if isinstance(given, (dict, Mapping)) else {} if given is None else {"attributes": given}
    told = {key: value for key, value in extra.items() if _plain_name(key) not in ALIASES}
    if not title and not text:
        return DeadLetter(record.feed, record.line, "the record has neither title nor text", record=record.fields)
    vector = parse_vector(fields.get("image_vector"))
    if isinstance(vector, str):
        return DeadLetter(record.feed, record.line, vector, record=record.fields)
    problems: dict[str, Any] = {}
    price, currency = _price(fields, problems)
    gtin, whole = parse_gtins(fields.get("gtin"))
    if not whole:
        problems["gtin"] = fields["gtin"]
    language = declared_language(fields.get("language"))
    if language is None and fields.get("language"):
        problems["language"] = fields["language"]
    updated = parse_moment(fields["updated"]) if "updated" in fields else None
    if updated is None and "updated" in fields:
        problems["updated"] = fields["updated"]
    attributes = clean_text(attributes_text({**own, **told}), markup=False)
    return Document(
        id=doc_id,
        record=record,
        title=title,
        text="" if text == title else text,
        attributes=attributes,
        language=language or UNDETERMINED,
        brand=brands.named(_text(fields.get("brand"))) or None,
        category=_text(fields.get("category")) or None,
        price=price,
        currency=currency,
        gtin=gtin,
        mpn=_text(fields.get("mpn")) or None,
        measures=parse_measures((title, attributes, text)),
        updated=updated,
        image=_first_address(fields.get("image")),
        image_vector=vector,
        attrs=clean_value({**extra, **own, **problems}),
        problems=tuple(problems),
    )


def id_column(fields: Mapping[str, Any]) -> str | None:
    """Return the name under which a record has its id; None when it has none."""
    present = {_plain_name(str(key)): str(key) for key in fields if fields[key] not in (None, "", [])}
    return next((present[alias] for alias in FIELD_NAMES["id"] if alias in present), None)


def declared_language(value: Any) -> str | None:
    """Return the primary language of a BCP 47 tag ("de_AT" and "DE" are "de"); None when it is no such tag."""
    match = LANGUAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    code = match.group(1).lower() if match else None
    return None if code == UNDETERMINED else code


def record_id(fields: Mapping[str, Any]) -> str | None:
    """Return the document id of a record; None when it has none."""
    return _identifier(_sorted_out(fields)[0].get("id"))[0]


def _sorted_out(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a record into our fields and the rest."""
    ours: dict[str, Any] = {}
    taken = set()
    for name, keys in _layout(tuple(fields)):
        for key in keys:
            value = fields[key]
            if value or value not in NOTHING:
                ours[name] = value
                taken.add(key)
                break
    return ours, {str(key): value for key, value in fields.items() if key not in taken}


@lru_cache(1000)
def _layout(keys: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return our names, each with the keys of a record that may hold it, the first choice first."""
    present = {_plain_name(str(key)): key for key in keys}
    found = (
        (name, tuple(present[alias] for alias in names if alias in present)) for name, names in FIELD_NAMES.items()
    )
    return tuple((name, keys) for name, keys in found if keys)


@lru_cache(10_000)
def _plain_name(key: str) -> str:
    return re.sub(r"[\s\-]+", "_", key.strip().lower())


def _identifier(value: Any) -> tuple[str | None, str]:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return None, "the record has no id"
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None, f"the id must be text or a whole number: found {str(value)[:80]}"
    doc_id = clean_text(str(value), markup=False)
    if not doc_id:
        return None, "the record has no id"
    if len(doc_id.encode()) > MAX_ID_BYTES:
        return None, f"the id is longer than {MAX_ID_BYTES} bytes"
    return doc_id, ""


def _text(value: Any) -> str:
    """Return a field as clean text; a list is joined, anything but text and numbers is nothing."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return "; ".join(part for part in map(_text, value) if part)
    if isinstance(value, bool) or not isinstance(value, NUMBERS):
        return ""
    return clean_text(str(value))


def _first_address(value: Any) -> str | None:
    """Return where a product's first picture is: the first of a list, or of web addresses with commas between them."""
    if isinstance(value, list):
        value = value[0] if value else None
    return NEXT_ADDRESS.split(value)[0].strip() or None if isinstance(value, str) else None


def _price(fields: Mapping[str, Any], problems: dict[str, Any]) -> tuple[float | None, str | None]:
    price, said = parse_price(fields.get("price"))
    if price is None and fields.get("price") is not None:
        problems["price"] = fields["price"]
    if price is None and "price_cents" in fields:
        cents, _ = parse_price(fields["price_cents"])
        if cents is None:
            problems["price_cents"] = fields["price_cents"]
        else:
            price = round(cents / 100, 2)
    currency = _text(fields.get("currency")).upper() or said
    return price, currency
