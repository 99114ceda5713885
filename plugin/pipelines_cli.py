"""`plugin pipelines show` and `plugin pipelines install`: parse, call one function, print."""

import json
from dataclasses import replace
from typing import Any, get_args

import click

from plugin.client import connect
from plugin.index import read_meta
from plugin.ml_commons import STOCK_FIELDS, MlCommons
from plugin.pipelines import Rerank, Technique, config_for, install_pipeline, read_pipeline

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
@click.option("--technique", type=click.Choice(get_args(Technique)), help="How rankings are combined.")
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


@pipelines.command("bodies")
@click.argument("name")
@click.option(
    "--flavor",
    type=click.Choice(["polyrank", "ml-commons"]),
    default="ml-commons",
    show_default=True,
    help="What the cluster has: our plugin, or a stock distribution's ML Commons.",
)
@click.option("--service", "service_url", help="Address of the model service as the nodes reach it (ml-commons).")
@click.option("--field", "fields", multiple=True, help="Source path the reranker reads (ml-commons); may be repeated.")
@click.option("--token", default="", help="Bearer token of the service (ml-commons).")
@click.option("--url", help=URL_HELP)
def bodies(
    name: str, flavor: str, service_url: str | None, fields: tuple[str, ...], token: str, url: str | None
) -> None:
    """Print the requests that set up the search pipeline NAME, as JSON lines, and send nothing."""
    if flavor == "polyrank":
        config = config_for(read_meta(connect(url), name), name)
        requests = [{"method": "PUT", "path": f"/_search/pipeline/{name}", "body": config.body()}]
    elif service_url is None:
        raise click.UsageError("--flavor ml-commons needs --service, such as http://10.0.0.5:8808")
    else:
        stock = MlCommons(service_url, fields or STOCK_FIELDS, token=token)
        requests = stock.requests(name)
    for request in requests:
        click.echo(json.dumps(request, ensure_ascii=False))
