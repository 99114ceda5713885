"""A click log that judgements imply: what shoppers would have clicked in the rankings of a run.

    python -m recipe.click_model hybrid.run --queries QUERIES --qrels QRELS build/clicks.jsonl.gz --sessions 200

The model: each session of a query sees the first `depth` hits of the run, shaken (a hit's rank plus Gaussian noise,
sorted), as a shop's ranking changes from week to week. A hit at rank k is looked at with probability
(1 / k) ** eta, one that is looked at is clicked with probability ATTRACTIVENESS[grade] (an unjudged hit counts as grade
0), a clicked one is bought with probability BOUGHT[grade]. Every session of a query has its own random stream.

Source: Joachims, Swaminathan, Schnabel, 2017, arXiv:1608.04468 (power-law propensities, click noise); Chuklin, Markov,
de Rijke, 2015, Click Models for Web Search, 3.2 (position-based model with graded attractiveness).

The log has the shape of OpenSearch's User Behavior Insights, JSON lines that `rerank data build clicks` reads.
"""

import gzip
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rerank.evaluation.judgements import JudgedQuery, read_qrels, read_queries, read_run

ATTRACTIVENESS = (0.05, 0.2, 0.5, 0.9)
"""Probability of a click on grade 0, 1, 2, 3 by somebody who looks at it."""

BOUGHT = (0.0, 0.02, 0.08, 0.2)


@dataclass(frozen=True, slots=True)
class Shoppers:
    """How the log is drawn: sessions a query, hits shown, `eta` of the position bias, `shake` in ranks, seed."""

    sessions: int = 200
    depth: int = 20
    eta: float = 1.0
    shake: float = 2.0
    seed: int = 1


def simulate(
    queries: Sequence[JudgedQuery],
    grades: Mapping[tuple[str, str], int],
    run: Mapping[str, Mapping[str, float]],
    shoppers: Shoppers,
) -> Iterator[dict[str, Any]]:
    """Yield the log's records: of each session its query with the hits shown, then clicks and purchases.

    Args:
        queries: those without hits in the run are passed over.
        grades: (query id, document id) -> grade from 0 to 3.
        run: query id -> document id -> score, best first.
        shoppers: the model's numbers.
    """
    for query in queries:
        hits = list(run.get(query.query_id, {}))[: shoppers.depth]
        for session in range(shoppers.sessions if hits else 0):
            rng = random.Random(f"{shoppers.seed} {query.query_id} {session}")
            shown = _shaken(hits, shoppers.shake, rng)
            query_id = f"{query.query_id}-{session}"
            yield {"query_id": query_id, "user_query": query.text, "query_response_hit_ids": shown}
            for position, doc_id in enumerate(shown, start=1):
                grade = grades.get((query.query_id, doc_id), 0)
                if rng.random() < (1.0 / position) ** shoppers.eta * ATTRACTIVENESS[grade]:
                    yield _event("click", query_id, doc_id, position)
                    if rng.random() < BOUGHT[grade]:
                        yield _event("purchase", query_id, doc_id, position)


def _shaken(hits: Sequence[str], shake: float, rng: random.Random) -> list[str]:
    places = {doc_id: place + rng.gauss(0.0, shake) for place, doc_id in enumerate(hits)}
    return sorted(hits, key=places.__getitem__)


def _event(action: str, query_id: str, doc_id: str, position: int) -> dict[str, Any]:
    about = {"object": {"object_id": doc_id}, "position": {"ordinal": position}}
    return {"action_name": action, "query_id": query_id, "event_attributes": about}


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--queries", type=click.Path(path_type=Path), required=True)
@click.option("--qrels", type=click.Path(path_type=Path), required=True)
@click.option("--split", help="Only the queries of this split.")
@click.option("--sessions", default=200, show_default=True, help="Of each query.")
@click.option("--depth", default=20, show_default=True, help="Hits shown.")
@click.option("--eta", default=1.0, show_default=True, help="Position bias: 0 none, 1 strong.")
@click.option("--seed", default=1, show_default=True)
def main(
    run: Path,
    out: Path,
    queries: Path,
    qrels: Path,
    split: str | None,
    sessions: int,
    depth: int,
    eta: float,
    seed: int,
) -> None:
    """Write to OUT (.jsonl.gz) what shoppers would have clicked in the rankings of RUN."""
    grades = {(item.query_id, item.doc_id): item.relevance for item in read_qrels(qrels)}
    asked = read_queries(queries, split=split)
    shoppers = Shoppers(sessions=sessions, depth=depth, eta=eta, seed=seed)
    counts = {"queries": 0, "click": 0, "purchase": 0}
    with out.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as log:
        for record in simulate(asked, grades, read_run(run), shoppers):
            counts[record.get("action_name", "queries")] += 1
            log.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
    click.echo(json.dumps({"sessions": counts["queries"], "clicks": counts["click"], "purchases": counts["purchase"]}))


if __name__ == "__main__":
    main()
