"""Shopify's product export: a CSV with a row per variant and per further image, the product's own columns on its
first row alone."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from ingest.csv_feed import CsvFeed
from ingest.document import DeadLetter, Record

SHOPIFY_COLUMNS = frozenset({"Handle", "Title", "Body (HTML)", "Vendor"})
VARIANT = ("Variant SKU", "Variant Price", "Option1 Value", "Variant Barcode")
OURS: Mapping[str, str] = {
    "Body (HTML)": "description",
    "Vendor": "brand",
    "Product Category": "category",
    "Variant Price": "price",
    "Variant Barcode": "gtin",
}
MAX_VARIANTS = 2048
"""Shopify's own limit for a product; rows beyond it are not held together."""

PLAIN_OPTION = ("Title", "Default Title")
"""The option of a product that has none."""


class ShopifyFeed(CsvFeed):
    """A Shopify export: a record for each variant, with the product's columns, its options as attributes and in the
    title, and the SKU as id (without one: the handle and the options). Rows of images belong to their product."""

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read product by product; a record's line is its variant's. Raises FeedError as CsvFeed does."""
        for handle, rows in groupby(super().entries(), _handle):
            variants: list[Record] = []
            product: Mapping[str, Any] | None = None
            many = False
            for row in rows:
                if isinstance(row, DeadLetter) or handle is None:
                    yield row
                    continue
                product = row.fields if product is None else product
                if "Title" in row.fields or any(name in row.fields for name in VARIANT):
                    variants.append(row)
                if len(variants) == MAX_VARIANTS:
                    yield from _records(product or {}, variants, single=False)
                    variants = []
                    many = True
            yield from _records(product or {}, variants, single=len(variants) == 1 and not many)


def _records(product: Mapping[str, Any], variants: Sequence[Record], *, single: bool) -> Iterator[Record]:
    shared = _of_the_product(product)
    for row in variants:
        yield Record(row.feed, row.line, _variant({**shared, **row.fields}, single=single))


def _of_the_product(first_row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all variants share: the product's columns and the names of its options."""
    return {
        name: value
        for name, value in first_row.items()
        if not name.startswith(("Variant", "Image", "Option"))
        or name in ("Option1 Name", "Option2 Name", "Option3 Name")
    }


def _handle(entry: Record | DeadLetter) -> Any:
    return entry.fields.get("Handle") if isinstance(entry, Record) else None


def _variant(row: Mapping[str, Any], *, single: bool) -> dict[str, Any]:
    options = {}
    for number in "123":
        name, value = row.get(f"Option{number} Name", f"Option {number}"), row.get(f"Option{number} Value")
        if value and (name, value) != PLAIN_OPTION:
            options[name] = value
    fields = {name: value for name, value in row.items() if not name.startswith("Option")}
    for theirs, name in OURS.items():
        if theirs in fields:
            fields[name] = fields.pop(theirs)
    if "category" not in fields and "Type" in fields:
        fields["category"] = fields.pop("Type")
    sku = str(fields.pop("Variant SKU", "")).lstrip("'")  # spreadsheets keep zeros so
    fields["id"] = sku or "/".join([str(row["Handle"]), *options.values()])
    if "gtin" in fields:
        fields["gtin"] = str(fields["gtin"]).lstrip("'")
    if "Title" in fields and options and not single:
        fields["Title"] = f"{fields['Title']}, {', '.join(options.values())}"
    return fields | {name: value for name, value in options.items() if name not in fields}
