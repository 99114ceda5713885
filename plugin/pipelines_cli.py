"""`plugin pipelines show` and `plugin pipelines install`: parse, call one function, print."""

import json
from dataclasses import replace
from typing import Any

import click

from plugin.client import connect
from plugin.index import read_meta
from plugin.pipelines import Rerank, config_for, install_pipeline, read_pipeline

URL_HELP = "Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started."


@click.group()
def pipelines() -> None:
    """Show and install search pipelines."""


@pipelines.command()
@click.argument("name")
@click.option("--url", help=URL_HELP)
def show(name: str, url: str | None) -> None:
    """Print the search pipeline NAME as JSON."""
    click.echo(json.dumps(read_pipeline(connect(url), name), indent=2, ensure_ascii=False))


@pipelines.command()
@click.argument("name")
@click.option("--index", help="Index or alias whose languages and vectors it serves; default: NAME.")
@click.option("--lexical-weight", type=click.FloatRange(0), help="Weight of the caller's own query.")
@click.option("--translated-weight", type=click.FloatRange(0), help="Weight of the query's translations.")
@click.option("--vector-weight", type=click.FloatRange(0), help="Weight of the vectors.")
@click.option("--window", type=click.IntRange(1, 1000), help="Hits fused per search.")
@click.option("--technique", type=click.Choice(["rrf", "min_max"]), help="How rankings are combined.")
@click.option("--deadline-ms", type=click.IntRange(1), help="Time the pipeline may add to a search.")
@click.option("--rerank-window", type=click.IntRange(1, 1000), help="Hits that the cross-encoder reads.")
@click.option("--rerank-weight", type=click.FloatRange(0, 1), help="Share of the cross-encoder in the final score.")
@click.option("--rerank/--no-rerank", default=True, show_default=True, help="Rerank with the cross-encoder.")
@click.option("--dry-run", is_flag=True, help="Print the pipeline and install nothing.")
@click.option("--url", help=URL_HELP)
def install(name: str, index: str | None, rerank: bool, dry_run: bool, url: str | None, **given: Any) -> None:
    """Install the search pipeline NAME for an index; what is not given has the measured default."""
    client = connect(url)
    config = config_for(read_meta(client, index or name), index or name)
    parts = {"rerank_window": "window", "rerank_weight": "weight"}
    chosen = {key: value for key, value in given.items() if value is not None}
    reranking = replace(config.rerank or Rerank(), **{parts[key]: chosen.pop(key) for key in parts if key in chosen})
    config = replace(config, rerank=reranking if rerank else None, **chosen)
    if dry_run:
        click.echo(json.dumps(config.body(), indent=2, ensure_ascii=False))
        return
    install_pipeline(client, name, config)
    click.echo(f"search pipeline {name} installed")
