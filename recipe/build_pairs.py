"""Training pairs of the shipped cross-encoder and of its cross-validation, from the data folder.

    python -m recipe.build_pairs ../shared/data/chorus-icecat build/pairs

writes foundation.jsonl.gz (stage 1: `train-judged` and the catalogue's phrases), final.jsonl.gz (stage 2: pooled
judgements of the train split), fold-N.jsonl.gz and folds.json (stage 2 without the queries of fold N, and these).
No query of stage 1 equals a visible query, so one stage 1 serves every fold. Dev queries are in folds alone.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import click

from recipe.catalogue import Product, read_products
from recipe.catalogue_queries import catalogue_pairs
from rerank.judgements import JudgedQuery, open_text, read_qrels, read_queries
from rerank.train_data import TrainingPair, write_pairs

SEED = 7
FOLDS = 5
RANDOM_NEGATIVES = 3
"""Products drawn at random for each query, grade 0: what no retriever would bring, yet a reranker must know."""

CATALOGUE_QUERIES = 160


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write the training pairs made from DATA (the folder chorus-icecat) into OUT."""
    out.mkdir(parents=True, exist_ok=True)
    products = {product.doc_id: product for product in read_products(data / "corpus.jsonl.gz")}
    visible = judged_visible(data)
    rng = random.Random(SEED)
    taught = _train_judged(data / "train-judged.tsv.gz", products, {query.text for query in visible}, rng)
    weak = catalogue_pairs(list(products.values()), CATALOGUE_QUERIES, rng)
    counts = {"foundation": write_pairs(out / "foundation.jsonl.gz", [*taught, *weak])}
    pooled = _pooled(data / "qrels-pooled.tsv.gz", visible, products, rng)
    train = [query.query_id for query in visible if query.split == "train"]
    counts["final"] = write_pairs(out / "final.jsonl.gz", _of(pooled, train))
    folds = make_folds(visible)
    for number, held_out in enumerate(folds):
        kept = [query.query_id for query in visible if query.query_id not in held_out]
        counts[f"fold-{number}"] = write_pairs(out / f"fold-{number}.jsonl.gz", _of(pooled, kept))
    (out / "folds.json").write_text(json.dumps(folds) + "\n", encoding="utf-8")
    click.echo(json.dumps(counts))


def judged_visible(data: Path) -> list[JudgedQuery]:
    """Return the train and dev queries that have a pooled judgement."""
    judged = {item.query_id for item in read_qrels(data / "qrels-pooled.tsv.gz")}
    return [query for query in read_queries(data / "queries.jsonl.gz") if query.query_id in judged]


def make_folds(queries: list[JudgedQuery]) -> list[list[str]]:
    """Deal the queries, shuffled, into FOLDS folds. Queries of one text up to a plural share a fold."""
    rng = random.Random(SEED)
    groups: dict[str, list[str]] = defaultdict(list)
    for query in queries:
        groups[" ".join(word.rstrip("s") for word in query.text.lower().split())].append(query.query_id)
    dealt = sorted(groups.values())
    rng.shuffle(dealt)
    return [[query_id for group in dealt[number::FOLDS] for query_id in group] for number in range(FOLDS)]


def _of(pooled: Mapping[str, list[TrainingPair]], query_ids: list[str]) -> list[TrainingPair]:
    return [pair for query_id in query_ids for pair in pooled[query_id]]


def _train_judged(
    path: Path, products: Mapping[str, Product], visible: set[str], rng: random.Random
) -> list[TrainingPair]:
    by_query: dict[str, list[TrainingPair]] = defaultdict(list)
    with open_text(path) as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["query"] not in visible:
                fields = products[row["doc_id"]].fields
                by_query[row["query"]].append(TrainingPair(row["query"], fields, int(row["relevance"])))
    return [pair for pairs in by_query.values() for pair in [*pairs, *_random(pairs[0].query, products, rng)]]


def _pooled(
    path: Path, queries: list[JudgedQuery], products: Mapping[str, Product], rng: random.Random
) -> dict[str, list[TrainingPair]]:
    texts = {query.query_id: query.text for query in queries}
    pairs: dict[str, list[TrainingPair]] = {query_id: [] for query_id in texts}
    for item in read_qrels(path):
        if item.query_id in texts:
            fields = products[item.doc_id].fields
            pairs[item.query_id].append(TrainingPair(texts[item.query_id], fields, item.relevance))
    for query_id, text in texts.items():
        pairs[query_id] += _random(text, products, rng)
    return pairs


def _random(query: str, products: Mapping[str, Product], rng: random.Random) -> list[TrainingPair]:
    """Draw products that share no word with the query: those that do may well answer it."""
    words = query.lower().split()
    drawn: list[TrainingPair] = []
    everything = list(products.values())
    while len(drawn) < RANDOM_NEGATIVES:
        product = rng.choice(everything)
        text = " ".join(product.fields.values()).lower()
        if not any(word.rstrip("s") in text for word in words):
            drawn.append(TrainingPair(query, product.fields, 0))
    return drawn


if __name__ == "__main__":
    main()
