"""What the vectors of queries that the embedder does not read should weigh: nDCG@10 by `unread.knn_factor`.

    python -m bench.unread --index chorus --queries ../shared/data/chorus-translated/train-queries.jsonl.gz
        --qrels ../shared/data/chorus-icecat/train-judged.tsv.gz [--sample 740] [--seed 7]

Asks the running node once for each query, through the installed pipeline opened wide and without reranking, and
computes every factor from the answers, beside BM25. Queries that are spelled like the English ones (`same_as_en`),
those without a relevant product and those that the embedder reads are left out; one that has no judgements has those
of its `base`. `--sample` takes about so many, the same share of each language.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from bench.by_language import sample
from plugin.client import connect
from plugin.pipelines import read_pipeline, variant
from plugin.tune_candidates import Floats, QueryCandidates, gather, retriever_names
from plugin.tune_ranking import fused, value
from plugin.tune_settings import installed_setting
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_queries
from rerank.evaluation.metrics import ndcg

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FACTORS = (1.0, 0.6, 0.5, 0.4, 0.33, 0.25, 0.2, 0.15, 0.1, 0.05, 0.01)
LEXICAL = "lexical"


def judged(
    queries: Sequence[JudgedQuery], judgements: Sequence[Judgement]
) -> tuple[list[JudgedQuery], list[Judgement]]:
    """Return the queries that have a relevant product, and judgements of their own for each."""
    of: dict[str, list[Judgement]] = {}
    for one in judgements:
        of.setdefault(one.query_id, []).append(one)
    own = {query.query_id: of.get(query.query_id) or of.get(query.base, []) for query in queries}
    kept = [query for query in queries if any(one.relevance > 0 for one in own[query.query_id])]
    return kept, [replace(one, query_id=query.query_id) for query in kept for one in own[query.query_id]]


def by_words(query: QueryCandidates, column: int) -> float:
    """Return nDCG@10 of what the caller's own query finds, in its order."""
    scores = query.scores[:, column]
    order = np.argsort(-scores, kind="stable")[: np.count_nonzero(~np.isnan(scores))]
    return ndcg(query.gains[order], query.judged)


def show(candidates: Sequence[QueryCandidates], words: Floats, values: dict[float, Floats]) -> None:
    """Print the table as markdown."""
    languages = np.array([one.language for one in candidates])
    click.echo(f"{len(candidates)} queries, BM25 {words.mean():.4f}")
    click.echo("| factor | nDCG@10 | queries worse than BM25 | languages worse |")
    click.echo("|---|---|---|---|")
    for factor, own in values.items():
        deltas = {name: float((own - words)[languages == name].mean()) for name in sorted(set(languages.tolist()))}
        worse = ", ".join(f"{name} {delta:+.4f}" for name, delta in deltas.items() if delta < 0) or "none"
        click.echo(f"| {factor} | {own.mean():.4f} | {np.count_nonzero(own < words)} | {worse} |")


@click.command(help=__doc__)
@click.option("--index", default="chorus", show_default=True, help="Index or alias; its pipeline has the same name.")
@click.option("--queries", "queries_file", required=True, type=FILE)
@click.option("--qrels", required=True, type=FILE)
@click.option("--sample", "size", type=click.IntRange(min=1), help="About how many queries; default: each.")
@click.option("--seed", default=7, show_default=True, help="Of the sample.")
@click.option("--url", help="The node; default: what `plugin up` started.")
def main(index: str, queries_file: Path, qrels: Path, size: int | None, seed: int, url: str | None) -> None:
    """Measure and print."""
    client = connect(url)
    pipeline = variant(read_pipeline(client, index), "hybrid")
    foreign = [query for query in read_queries(queries_file) if not query.same_as_base]
    queries, judgements = judged(foreign, read_qrels(qrels))
    queries = sample(queries, 1.0 if size is None else min(1.0, size / len(queries)), seed)
    with click.progressbar(length=len(queries), label="asking") as bar:
        asked = gather(client, index, pipeline, queries, judgements, depth=1, advance=lambda: bar.update(1))
    own = {query.query_id: query.language for query in queries}
    unread = [replace(one, language=own[one.query_id]) for one in asked if one.vectors]
    names = retriever_names(pipeline)
    fusion = installed_setting(pipeline).fusion
    values: dict[float, Floats] = {}
    for factor in FACTORS:
        orders = [(one, fused(one, replace(fusion, knn_factor=factor))) for one in unread]
        values[factor] = np.array([value(one, scores, None, window=100, rerank_window=1) for one, scores in orders])
    show(unread, np.array([by_words(one, names.index(LEXICAL)) for one in unread]), values)


if __name__ == "__main__":
    main()
