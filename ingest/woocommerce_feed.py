"""WooCommerce's product export: a CSV with a row per product, and one per variation that names its parent."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.csv_feed import CsvFeed
from ingest.document import DeadLetter, Record

WOOCOMMERCE_COLUMNS = frozenset({"ID", "Type", "SKU", "Name", "Regular price"})
OURS: Mapping[str, tuple[str, ...]] = {
    "id": ("SKU", "ID"),
    "price": ("Sale price", "Regular price"),
    "description": ("Description", "Short description"),
    "gtin": ("GTIN, UPC, EAN, or ISBN",),
    "brand": ("Brands", "Brand"),
    "category": ("Categories",),
}
ATTRIBUTE = re.compile(r"Attribute (\d+) name")
INHERITED = ("Description", "Short description", "Categories", "Brands", "Brand", "Tags")
MAX_PARENTS = 10_000
"""Exports list a product before its variations; of more open products than these the oldest are forgotten."""


class WooCommerceFeed(CsvFeed):
    """A WooCommerce export: a record a row, attributes under their own names, the sale price before the regular one,
    the SKU as id (without one: WooCommerce's number). A variation takes from its parent what it lacks."""

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read row by row. Raises FeedError as CsvFeed does."""
        parents: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        for row in super().entries():
            if isinstance(row, DeadLetter):
                yield row
                continue
            fields = dict(row.fields)
            parent = parents.get(str(fields.get("Parent", "")))
            if parent is not None:
                fields = {**parent, **fields}
            if fields.get("Type") == "variable":
                inherited = {name: fields[name] for name in INHERITED if name in fields}
                for key in (fields.get("SKU"), f"id:{fields.get('ID')}"):
                    if key:
                        parents[key] = inherited
                while len(parents) > MAX_PARENTS:
                    parents.popitem(last=False)
            yield Record(row.feed, row.line, _product(fields))


def _product(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict(row)
    for name in [name for name in fields if ATTRIBUTE.fullmatch(name)]:
        number = ATTRIBUTE.fullmatch(name)[1]  # type: ignore[index]
        value = fields.pop(f"Attribute {number} value(s)", None)
        label = fields.pop(name)
        if value:
            fields.setdefault(str(label), value)
    for name, theirs in OURS.items():
        found = [column for column in theirs if column in fields]
        if found:
            fields[name] = fields.pop(found[0])
    return {name: value for name, value in fields.items() if not name.startswith("Attribute ")}
