"""What the reranker adds on visible queries that its model did not see; blended as the pipeline blends.

    python -m recipe.cross_validate ../shared/data/chorus-icecat hybrid.run --foundation build/foundation-fp32
    python -m recipe.cross_validate ../shared/data/chorus-icecat hybrid.run --folds build/cross-encoder

`hybrid.run` is the hybrid system's TREC run (`plugin evaluate ... --runs DIR`). With --foundation the model of stage 1,
which saw no visible query, scores all of them; with --folds each query is scored by the model of stage 2 that was
trained without its fold (FOLDS=1 recipe/make_cross_encoder.sh makes them). Blends are chosen on the train queries; a
query without any relevant document does not count. Prints each blend's nDCG@10 with paired tests, then who is hurt.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click
import numpy as np
from numpy.typing import NDArray

from recipe.blend import BLENDS, Blend, blended
from recipe.build_pairs import judged_visible
from recipe.catalogue import Product, read_products
from rerank.cross_encoder import CrossEncoder, load_reranker
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_run
from rerank.evaluation.metrics import compare, mean, per_query
from rerank.protocols import Pair

WINDOW = 50
Values = Mapping[str, float]
Hits = dict[str, dict[str, float]]
Scores = dict[str, NDArray[np.float64]]


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--foundation", type=click.Path(path_type=Path, exists=True), help="Bundle of stage 1.")
@click.option("--folds", type=click.Path(path_type=Path, exists=True), help="Folder of pairs/folds.json and folds/N.")
@click.option("--final", type=click.Path(path_type=Path, exists=True), help="The shipped bundle: scored on dev alone.")
@click.option("--window", default=WINDOW, show_default=True, help="How many hits are reranked.")
def main(data: Path, run: Path, foundation: Path | None, folds: Path | None, final: Path | None, window: int) -> None:
    """Rerank the hybrid RUN of the queries in DATA with models that did not see them."""
    if (foundation is None) == (folds is None):
        raise click.UsageError("give one of --foundation and --folds")
    products = {product.doc_id: product for product in read_products(data / "corpus.jsonl.gz")}
    judgements = read_qrels(data / "qrels-pooled.tsv.gz")
    answerable = {item.query_id for item in judgements if item.relevance > 0}
    queries = {query.query_id: query for query in judged_visible(data) if query.query_id in answerable}
    judgements = [item for item in judgements if item.query_id in queries]
    hits = read_run(run)
    if foundation is not None:
        scores = score(load_reranker(foundation), list(queries.values()), hits, products, window)
    else:
        scores = _score_folds(cast(Path, folds), queries, hits, products, window)
    hybrid = per_query({query_id: list(hits[query_id]) for query_id in queries}, judgements)["nDCG@10"]
    values = {blend: _ndcg(blend, scores, hits, judgements) for blend in BLENDS}
    dev = [query_id for query_id, query in queries.items() if query.split == "dev"]
    _row("hybrid", hybrid, hybrid, dev)
    for blend in BLENDS:
        _row(str(blend), values[blend], hybrid, dev)
    tune = [query_id for query_id in queries if query_id not in dev]
    best = max(BLENDS, key=lambda blend: mean({query_id: values[blend][query_id] for query_id in tune}))
    click.echo(f"best on the train queries: {best}")
    if final is not None:
        shipped = score(load_reranker(final), [queries[query_id] for query_id in dev], hits, products, window)
        dev_judgements = [item for item in judgements if item.query_id in set(dev)]
        _row(
            f"shipped on dev, {best}",
            _ndcg(best, shipped, hits, dev_judgements),
            {key: hybrid[key] for key in dev},
            dev,
        )
    click.echo("most hurt:")
    for query_id in sorted(queries, key=lambda item: values[best][item] - hybrid[item])[:12]:
        click.echo(f"  {queries[query_id].text:30} {hybrid[query_id]:.3f} -> {values[best][query_id]:.3f}")


def _score_folds(
    folder: Path, queries: Mapping[str, JudgedQuery], hits: Hits, products: Mapping[str, Product], window: int
) -> Scores:
    scores: Scores = {}
    for number, fold in enumerate(json.loads((folder / "pairs" / "folds.json").read_text())):
        held_out = [queries[query_id] for query_id in fold if query_id in queries]
        scores |= score(load_reranker(folder / "folds" / str(number)), held_out, hits, products, window)
    return scores


def score(
    model: CrossEncoder,
    queries: list[JudgedQuery],
    hits: Hits,
    products: Mapping[str, Product],
    window: int,
) -> Scores:
    """Return query id -> the model's probabilities of its first `window` hits, in their order."""
    found = {}
    for query in queries:
        documents = [model.template.render(products[doc_id].fields) for doc_id in list(hits[query.query_id])[:window]]
        found[query.query_id] = model.score([Pair(query.text, text) for text in documents]).astype(np.float64)
    return found


def _ndcg(blend: Blend, scores: Scores, hits: Hits, judgements: list[Judgement]) -> Values:
    ranking = {
        query_id: blended(blend, list(hits[query_id]), np.array(list(hits[query_id].values())), values)
        for query_id, values in scores.items()
    }
    return per_query(ranking, judgements)["nDCG@10"]


def _row(name: str, system: Values, hybrid: Values, dev: list[str]) -> None:
    result = compare({key: system[key] for key in hybrid}, hybrid)
    on_dev = mean({query_id: system[query_id] for query_id in dev})
    click.echo(
        f"{name:34} nDCG@10 {mean(system):.4f}  dev {on_dev:.4f}  delta {result.delta:+.4f}  p_t {result.p_t:.4f}  "
        f"p_perm {result.p_permutation:.4f}  +{result.wins} -{result.losses}"
    )


if __name__ == "__main__":
    main()
