"""Training pairs of the shipped cross-encoder and of its cross-validation, from the data folder.

    python -m recipe.build_pairs ../shared/data/chorus-icecat build/pairs

writes warm.jsonl.gz (queries of the catalogue's own words, probabilities by a teacher fitted to `train-judged`),
foundation.jsonl.gz (`train-judged` itself), final.jsonl.gz (pooled judgements of the train split), dev.jsonl.gz (of the
dev split, to measure on), fold-N.jsonl.gz and folds.json (both splits without the queries of fold N, and these). No
query of the first two equals a visible query, so one foundation serves every fold. Dev queries are in dev and the folds
alone.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from recipe.catalogue import Product, read_products
from recipe.catalogue_queries import catalogue_queries
from recipe.teacher import Teacher, embed
from rerank.embedder import load_embedder
from rerank.evaluation.judgements import JudgedQuery, open_text, read_qrels, read_queries
from rerank.session import SessionOptions
from rerank.training.pairs import TrainingPair, write_pairs
from rerank.training.recipe import read_recipe

SEED = 7
FOLDS = 5
RANDOM_NEGATIVES = 3
"""Products drawn at random for each query, grade 0: what no retriever would bring, yet a reranker must know."""

CATALOGUE_QUERIES = 3200
GAINS = read_recipe(Path(__file__).with_name("foundation.toml")).gains

Grades = Mapping[str, list[tuple[str, int]]]
"""Query text -> (document id, grade)."""


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write the training pairs made from DATA (the folder chorus-icecat) into OUT."""
    out.mkdir(parents=True, exist_ok=True)
    products = {product.doc_id: product for product in read_products(data / "corpus.jsonl.gz")}
    visible = judged_visible(data)
    shown = {query.text for query in visible}
    rng = random.Random(SEED)
    taught = _with_random(_train_judged(data / "train-judged.tsv.gz", shown), products, rng)
    pooled = _with_random(_pooled(data / "qrels-pooled.tsv.gz", visible), products, rng)
    counts = {
        "warm": write_pairs(out / "warm.jsonl.gz", _by_teacher(list(products.values()), taught, shown, rng)),
        "foundation": write_pairs(out / "foundation.jsonl.gz", _pairs(taught, taught, products)),
    }
    for name, split in (("final", "train"), ("dev", "dev")):
        queries = [query.text for query in visible if query.split == split]
        counts[name] = write_pairs(out / f"{name}.jsonl.gz", _pairs(queries, pooled, products))
    folds = make_folds(visible)
    for number, held_out in enumerate(folds):
        kept = [query.text for query in visible if query.query_id not in held_out]
        counts[f"fold-{number}"] = write_pairs(out / f"fold-{number}.jsonl.gz", _pairs(kept, pooled, products))
    (out / "folds.json").write_text(json.dumps(folds) + "\n", encoding="utf-8")
    click.echo(json.dumps(counts))


def _by_teacher(products: list[Product], judged: Grades, shown: set[str], rng: random.Random) -> list[TrainingPair]:
    embedder = load_embedder(options=SessionOptions(threads=0))
    catalogue = embed(products, embedder)
    queries = [query for query in catalogue_queries(products, CATALOGUE_QUERIES, rng) if query not in shown]
    return Teacher(catalogue, embedder, GAINS, SEED).fit(judged).teach(queries, rng)


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


def _pairs(queries: Iterable[str], grades: Grades, products: Mapping[str, Product]) -> list[TrainingPair]:
    return [TrainingPair(query, products[doc_id].fields, grade) for query in queries for doc_id, grade in grades[query]]


def _train_judged(path: Path, visible: set[str]) -> Grades:
    grades: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with open_text(path) as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["query"] not in visible:
                grades[row["query"]].append((row["doc_id"], int(row["relevance"])))
    return grades


def _pooled(path: Path, queries: list[JudgedQuery]) -> Grades:
    texts = {query.query_id: query.text for query in queries}
    grades: dict[str, list[tuple[str, int]]] = {text: [] for text in texts.values()}
    for item in read_qrels(path):
        if item.query_id in texts:
            grades[texts[item.query_id]].append((item.doc_id, item.relevance))
    return grades


def _with_random(grades: Grades, products: Mapping[str, Product], rng: random.Random) -> Grades:
    everything = list(products.values())
    return {
        query: [*judged, *((doc_id, 0) for doc_id in _random(query, everything, rng))]
        for query, judged in grades.items()
    }


def _random(query: str, products: list[Product], rng: random.Random) -> list[str]:
    """Draw products that share no word with the query: those that do may well answer it."""
    words = query.lower().split()
    drawn: list[str] = []
    while len(drawn) < RANDOM_NEGATIVES:
        product = rng.choice(products)
        text = " ".join(product.fields.values()).lower()
        if not any(word.rstrip("s") in text for word in words):
            drawn.append(product.doc_id)
    return drawn


if __name__ == "__main__":
    main()
