"""Whether what is recognised in queries is what their relevant products have.

    python -m bench.attributes --data ../shared/data/chorus-icecat

For each attribute of the judged queries (the visible and the training ones): the share of the relevant products
(grade 2 and 3) that have it, beside the share of those judged irrelevant (grade 0), by kind and by confidence. An
attribute is worth a boost where the first is clearly larger, and a filter where it is close to 1.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.expansion import read_training
from rerank.evaluation.judgements import Judgement, open_text, read_qrels, read_queries
from rerank.translation.words import fold
from rerank.understanding.attributes import SURE, Attribute, find_attributes
from rerank.understanding.field_values import FieldValues, index_values
from rerank.understanding.measures import parse_measures
from rerank.understanding.vocabulary import Vocabulary, VocabularyCounter


@dataclass
class Share:
    """How many products have the attribute, of how many; and in how many queries it was found."""

    queries: int = 0
    relevant: list[bool] = field(default_factory=list)
    irrelevant: list[bool] = field(default_factory=list)


def read_products(path: Path) -> tuple[dict[str, Mapping[str, Any]], FieldValues, Vocabulary]:
    """Read the catalogue and count its values and words as ingest does."""
    products, counter = {}, VocabularyCounter()
    with open_text(path) as lines:
        for line in lines:
            item = json.loads(line)
            products[item["id"]] = item
            counter.add("en", f"{item['title']}\n{item.get('text') or ''}")
            counter.values.add({"brand": item.get("brand"), "attrs": item.get("attrs") or {}})
    return products, index_values(counter.values.rows()), counter.vocabulary()


def has(product: Mapping[str, Any], attribute: Attribute) -> bool:
    """Whether a product has an attribute: in its field, among its measures, or in its words."""
    texts = [product["title"], product.get("text") or ""]
    if attribute.name == "measure":
        return attribute.value in parse_measures(texts)
    if attribute.field == "brand":
        return fold(product.get("brand") or "") == fold(attribute.value)
    if attribute.variants:
        return any(_says(product, variant.field, variant.value) for variant in attribute.variants)
    if attribute.field is not None:
        return _says(product, attribute.field, attribute.value)
    return fold(attribute.value) in fold(" ".join(texts))


def _says(product: Mapping[str, Any], path: str, value: str) -> bool:
    said = (product.get("attrs") or {}).get(path.removeprefix("attrs."))
    return isinstance(said, str) and fold(said) == fold(value)


def measure(
    queries: Mapping[str, str],
    judgements: Sequence[Judgement],
    products: Mapping[str, Mapping[str, Any]],
    values: FieldValues,
    vocabulary: Vocabulary,
) -> tuple[dict[tuple[str, bool], Share], float]:
    """Return the shares by kind and sureness, and the milliseconds that recognising took, a query."""
    found: dict[tuple[str, bool], Share] = defaultdict(Share)
    judged: dict[str, list[Judgement]] = defaultdict(list)
    for item in judgements:
        if item.doc_id in products:
            judged[item.query_id].append(item)
    started = time.perf_counter()
    named = {name: find_attributes(text, "en", values, vocabulary) for name, text in queries.items()}
    took = (time.perf_counter() - started) * 1000 / len(queries)
    for name, attributes in named.items():
        for attribute in attributes:
            share = found[attribute.name, attribute.confidence >= SURE]
            share.queries += 1
            for item in judged[name]:
                if item.relevance != 1:
                    kind = share.relevant if item.relevance else share.irrelevant
                    kind.append(has(products[item.doc_id], attribute))
    return found, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    if not data.exists():
        raise SystemExit(f"{data} is not here; nothing was measured")
    products, values, vocabulary = read_products(data / "corpus.jsonl.gz")
    queries, judgements = read_training(data / "train-judged.tsv.gz")
    queries |= {query.query_id: query.text for query in read_queries(data / "queries.jsonl.gz")}
    judgements += read_qrels(data / "qrels-pooled.tsv.gz")
    found, took = measure(queries, judgements, products, values, vocabulary)
    print(json.dumps({"queries": len(queries), "ms_per_query": round(took, 3)}))
    for (kind, sure), share in sorted(found.items()):
        row = {"kind": kind, "sure": sure, "queries": share.queries}
        for name, seen in (("relevant", share.relevant), ("irrelevant", share.irrelevant)):
            row[name] = round(sum(seen) / len(seen), 3) if seen else None
        print(json.dumps(row))


if __name__ == "__main__":
    main()
