"""The products of the training catalogue, with the fields that models read, rendered as ingest renders them."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.attributes import attributes_text


@dataclass(frozen=True, slots=True)
class Product:
    """A product: `name` is the bare model name, `fields` what a template may take."""

    doc_id: str
    name: str
    fields: Mapping[str, str]


def read_products(path: Path) -> list[Product]:
    """Read corpus.jsonl.gz in file order."""
    products = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            fields = {key: row.get(key) or "" for key in ("title", "brand", "text")}
            fields["attributes"] = attributes_text(row.get("attrs") or {})
            products.append(Product(row["id"], row.get("name") or "", fields))
    return products
