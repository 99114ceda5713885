"""Five-fold cross-validation of the reranker over the visible queries, blended as the search pipeline blends.

    python -m recipe.cross_validate ../shared/data/chorus-icecat hybrid.run build/pairs/folds.json build/folds

`hybrid.run` is the hybrid system's TREC run (`plugin evaluate ... --runs DIR`); build/folds/N is the bundle trained
without the queries of fold N. Prints nDCG@10 for each blend, and for the best one the paired tests and
the queries it hurts. Weight and normalization are also chosen without the fold they score ("nested"): that row is the
honest one. Blends are chosen on train queries only.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from recipe.blend import BLENDS, Blend, blended
from recipe.build_pairs import judged_visible
from recipe.catalogue import Product, read_products
from rerank.cross_encoder import CrossEncoder, load_reranker
from rerank.judgements import JudgedQuery, Judgement, open_text, read_qrels
from rerank.metrics import compare, mean, per_query
from rerank.protocols import Pair

WINDOW = 50
Values = Mapping[str, float]


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("folds", type=click.Path(path_type=Path, exists=True))
@click.argument("bundles", type=click.Path(path_type=Path, exists=True))
@click.option("--final", type=click.Path(path_type=Path, exists=True), help="The shipped bundle: scored on dev.")
@click.option("--window", default=WINDOW, show_default=True, help="How many hits are reranked.")
def main(data: Path, run: Path, folds: Path, bundles: Path, final: Path | None, window: int) -> None:
    """Score each fold's held-out queries with its own model; with --final the dev queries with the shipped one."""
    products = {product.doc_id: product for product in read_products(data / "corpus.jsonl.gz")}
    queries = {query.query_id: query for query in judged_visible(data)}
    judgements = [item for item in read_qrels(data / "qrels-pooled.tsv.gz") if item.query_id in queries]
    hits = read_run(run)
    fold_of = {query_id: number for number, fold in enumerate(json.loads(folds.read_text())) for query_id in fold}
    scores: dict[str, NDArray[np.float64]] = {}
    for number in sorted(set(fold_of.values())):
        held_out = [queries[query_id] for query_id in queries if fold_of[query_id] == number]
        scores |= score(load_reranker(bundles / str(number)), held_out, hits, products, window)
    values = {blend: _ndcg(blend, scores, hits, judgements) for blend in BLENDS}
    hybrid = per_query({query_id: hits[query_id] for query_id in queries}, judgements)["nDCG@10"]
    dev = [query_id for query_id, query in queries.items() if query.split == "dev"]
    tune = [query_id for query_id in queries if query_id not in dev]
    _row("hybrid", hybrid, hybrid, dev)
    for blend in BLENDS:
        _row(str(blend), values[blend], hybrid, dev)
    nested = {
        query_id: values[_best(values, [other for other in tune if fold_of[other] != fold_of[query_id]])][query_id]
        for query_id in queries
    }
    _row("nested", nested, hybrid, dev)
    best = _best(values, tune)
    click.echo(f"best on the train queries: {best}")
    if final is not None:
        model = load_reranker(final)
        shipped = score(model, [queries[query_id] for query_id in dev], hits, products, window)
        dev_judgements = [item for item in judgements if item.query_id in set(dev)]
        dev_hybrid = {query_id: hybrid[query_id] for query_id in dev}
        for blend in BLENDS:
            _row(f"dev, shipped: {blend}", _ndcg(blend, shipped, hits, dev_judgements), dev_hybrid, dev)
    for query_id in sorted(queries, key=lambda item: values[best][item] - hybrid[item])[:12]:
        click.echo(f"  {queries[query_id].text:30} {hybrid[query_id]:.3f} -> {values[best][query_id]:.3f}")


def read_run(path: Path) -> dict[str, list[str]]:
    """Read a TREC run: query id -> document ids, best first (in file order)."""
    hits: dict[str, list[str]] = defaultdict(list)
    with open_text(path) as lines:
        for line in lines:
            query_id, _, doc_id, *_ = line.split()
            hits[query_id].append(doc_id)
    return hits


def score(
    model: CrossEncoder,
    queries: list[JudgedQuery],
    hits: Mapping[str, list[str]],
    products: Mapping[str, Product],
    window: int,
) -> dict[str, NDArray[np.float64]]:
    """Return query id -> the model's probabilities of its first `window` hits, in their order."""
    found = {}
    for query in queries:
        documents = [model.template.render(products[doc_id].fields) for doc_id in hits[query.query_id][:window]]
        found[query.query_id] = model.score([Pair(query.text, text) for text in documents]).astype(np.float64)
    return found


def _ndcg(
    blend: Blend, scores: Mapping[str, NDArray[np.float64]], hits: Mapping[str, list[str]], judgements: list[Judgement]
) -> Values:
    ranking = {query_id: blended(blend, hits[query_id], values) for query_id, values in scores.items()}
    return per_query(ranking, judgements)["nDCG@10"]


def _best(values: Mapping[Blend, Values], query_ids: list[str]) -> Blend:
    return max(values, key=lambda blend: mean({query_id: values[blend][query_id] for query_id in query_ids}))


def _row(name: str, system: Values, hybrid: Values, dev: list[str]) -> None:
    result = compare({key: system[key] for key in hybrid}, hybrid)
    on_dev = mean({query_id: system[query_id] for query_id in dev})
    click.echo(
        f"{name:34} nDCG@10 {mean(system):.4f}  dev {on_dev:.4f}  delta {result.delta:+.4f}  p_t {result.p_t:.4f}  "
        f"p_perm {result.p_permutation:.4f}  +{result.wins} -{result.losses}"
    )


if __name__ == "__main__":
    main()
