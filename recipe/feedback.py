"""The two ends of learning from feedback: the catalogue as training reads it, and what a retrained model gains on dev.

    python -m recipe.feedback corpus ../shared/data/chorus-icecat build/corpus.jsonl.gz
    python -m recipe.feedback gain ../shared/data/chorus-icecat hybrid.run BASE_BUNDLE RETRAINED_BUNDLE

`recipe/feedback.sh` runs everything between them.
"""

import gzip
import json
from pathlib import Path

import click
import numpy as np

from recipe.blend import Blend, blended
from recipe.build_pairs import judged_visible
from recipe.catalogue import read_products
from recipe.cross_validate import WINDOW, score
from rerank.cross_encoder import load_reranker
from rerank.evaluation.judgements import read_qrels, read_run
from rerank.evaluation.metrics import compare, mean, per_query

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path)


@click.group()
def main() -> None:
    """Learn from feedback."""


@main.command()
@click.argument("data", type=FOLDER)
@click.argument("out", type=FILE)
def corpus(data: Path, out: Path) -> None:
    """Write the products of DATA (the folder chorus-icecat) with their fields as the index renders them."""
    with out.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as lines:
        for product in read_products(data / "corpus.jsonl.gz"):
            row = {"id": product.doc_id, **product.fields}
            lines.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


@main.command()
@click.argument("data", type=FOLDER)
@click.argument("run", type=FILE)
@click.argument("base", type=FOLDER)
@click.argument("retrained", type=FOLDER)
@click.option("--weight", default=0.4, show_default=True, help="Of the cross-encoder in the blend, min_max.")
def gain(data: Path, run: Path, base: Path, retrained: Path, weight: float) -> None:
    """Rerank the hybrid RUN of the dev queries by both bundles and compare them by nDCG@10."""
    products = {product.doc_id: product for product in read_products(data / "corpus.jsonl.gz")}
    judgements = read_qrels(data / "qrels-pooled.tsv.gz")
    answerable = {item.query_id for item in judgements if item.relevance > 0}
    hits = read_run(run)
    dev = [
        query
        for query in judged_visible(data)
        if query.split == "dev" and query.query_id in answerable and query.query_id in hits
    ]
    judgements = [item for item in judgements if item.query_id in {query.query_id for query in dev}]
    values = {"hybrid": per_query({query.query_id: list(hits[query.query_id]) for query in dev}, judgements)["nDCG@10"]}
    for name, path in (("base", base), ("retrained", retrained)):
        scores = score(load_reranker(path), dev, hits, products, WINDOW)
        ranking = {
            query_id: blended(
                Blend("min_max", weight), list(hits[query_id]), np.array(list(hits[query_id].values())), found
            )
            for query_id, found in scores.items()
        }
        values[name] = per_query(ranking, judgements)["nDCG@10"]
    for name, found in values.items():
        click.echo(f"{name:10} nDCG@10 {mean(found):.4f}")
    result = compare(values["retrained"], values["base"])
    click.echo(
        f"gain {result.delta:+.4f} over {result.queries} dev queries, p_t {result.p_t:.4f}, "
        f"p_perm {result.p_permutation:.4f}, +{result.wins} -{result.losses}"
    )


if __name__ == "__main__":
    main()
