"""What a repeated query costs with and without the service's score cache, through a live search pipeline.

    python -m bench.score_cache --index chorus --queries ../shared/data/chorus-icecat/queries.jsonl.gz [--limit 40]

Asks each query three times in turn through the installed pipeline with `rerank.cache` off and on: once to fill the
cache, then one of each, whose wall times are compared. One client; the deadline is raised so that nothing is cut off.
"""

import copy
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from plugin.client import connect
from plugin.pipelines import processor_of, read_pipeline
from plugin.search import plain_query
from rerank.evaluation.judgements import read_queries


@click.command()
@click.option("--index", default="chorus", show_default=True)
@click.option("--queries", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--limit", default=40, show_default=True, help="Queries to ask.")
@click.option("--url")
def main(index: str, queries: Path, limit: int, url: str | None) -> None:
    """Print p50 and p95 of the search and of its rerank stage, in ms."""
    client = connect(url)
    body = read_pipeline(client, index)
    pipelines = {"without": _with_cache(body, False), "with": _with_cache(body, True)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pipelines}
    cached = read = 0
    for query in read_queries(queries)[:limit]:
        search = {"query": plain_query(query.text), "size": 10, "_source": False}
        client.search(index=index, body={**search, "search_pipeline": pipelines["with"]})
        for name, pipeline in pipelines.items():
            started = time.perf_counter()
            told = client.search(index=index, body={**search, "search_pipeline": pipeline})["ext"]["polyrank"]
            if told["degraded"]:
                raise click.ClickException(f"{query.text!r} was answered without a stage: {told['degraded']}")
            taken[name].append((1000 * (time.perf_counter() - started), told["timings_ms"].get("rerank", 0.0)))
            if name == "with":
                cached, read = cached + told["cached"], read + told["reranked"]
    click.echo(f"{limit} queries, {cached} of {read} scores from the cache")
    for name, times in taken.items():
        search_ms, rerank_ms = zip(*times, strict=True)
        click.echo(f"{name} cache: search {_spread(search_ms)}, rerank {_spread(rerank_ms)} ms (p50/p95)")


def _with_cache(body: Mapping[str, Any], cache: bool) -> dict[str, Any]:
    changed = copy.deepcopy(dict(body))
    processor = processor_of(changed)
    processor["deadline_ms"] = 60_000
    processor["rerank"]["cache"] = cache
    return changed


def _spread(values: tuple[float, ...]) -> str:
    return f"{statistics.median(values):.1f}/{statistics.quantiles(values, n=20)[-1]:.1f}"


if __name__ == "__main__":
    main()
