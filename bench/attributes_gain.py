"""What attributes and expansions add to nDCG@10 of the whole path: the installed pipeline beside it with each of them.

    python -m bench.attributes_gain --index chorus --data ../shared/data/chorus-icecat [--queries train] [--json FILE]

Asks the running node once for each query and way. `--queries visible` (default) are those of `queries.jsonl.gz`,
`train` the training ones of `train-judged.tsv.gz`. Expansions are there after `rerank expansions`, which is to learn
from the training ones; so they are measured on the visible ones alone. The score cache of the service is on: figures
are of quality, not of time.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.expansion import read_training
from plugin.client import OpenSearch, connect
from plugin.pipelines import processor_of, read_pipeline, variant
from plugin.search import plain_query
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_queries
from rerank.evaluation.metrics import Significance, compare, mean, per_query

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
MEASURE = "nDCG@10"
DEADLINE_MS = 60_000
INSTALLED = "installed"
FIELDS = ["title.{lang}^1.5", "attributes.{lang}", "text.{lang}^1.5", "brand"]


@dataclass(frozen=True, slots=True)
class Row:
    """One way on all queries, and on those in which it does something; beside the installed pipeline."""

    way: str
    reranked: bool
    mean: float
    touched: int
    gain: Significance


def ways(installed: Mapping[str, Any], *, expanded: bool) -> dict[str, dict[str, Any]]:
    """Return name -> pipeline; the first is the installed one without attributes and expansions."""
    base = copy.deepcopy(dict(installed))
    processor_of(base).pop("attributes", None)
    processor_of(base)["retrievers"] = [one for one in processor_of(base)["retrievers"] if "expanded" not in one]
    found = {INSTALLED: base}
    for name, section in (
        ("attributes boost .2", {"use": "boost"}),
        ("attributes boost .5", {"use": "boost", "weight": 0.5}),
        ("attributes boost 1", {"use": "boost", "weight": 1.0}),
        ("attributes filter", {"use": "filter"}),
    ):
        found[name] = copy.deepcopy(base)
        processor_of(found[name])["attributes"] = section
    for weight in (0.1, 0.2, 0.4) if expanded else ():
        name = f"expanded, weight {weight}"
        found[name] = copy.deepcopy(base)
        retriever = {"fields": FIELDS, "type": "cross_fields", "weight": weight}
        processor_of(found[name])["retrievers"].append({"expanded": retriever})
    return found


def ask(client: OpenSearch, index: str, pipeline: Mapping[str, Any], text: str) -> tuple[list[str], bool]:
    """Return the ids of the first hundred hits, and whether an attribute or expansion was used.

    Raises:
        ClickException: the answer lost a stage.
    """
    body = {
        "query": plain_query(text),
        "size": 100,
        "_source": False,
        "search_pipeline": pipeline,
        "ext": {"polyrank": {"deadline_ms": DEADLINE_MS}},
    }
    answer = client.search(index=index, body=body)
    section = answer["ext"]["polyrank"]
    if section["degraded"]:
        raise click.ClickException(f"{text!r} was answered without a stage: {section['degraded']}")
    return [hit["_id"] for hit in answer["hits"]["hits"]], bool((section.get("understanding") or {}).get("applied"))


def judged(data: Path, which: str) -> tuple[list[JudgedQuery], list[Judgement]]:
    """Return queries that have a relevant product, and all judgements of theirs."""
    if which == "train":
        texts, judgements = read_training(data / "train-judged.tsv.gz")
        queries = [JudgedQuery(name, text, "en") for name, text in texts.items()]
    else:
        queries = read_queries(data / "queries.jsonl.gz")
        judgements = read_qrels(data / "qrels-pooled.tsv.gz")
    answerable = {one.query_id for one in judgements if one.relevance > 0}
    kept = [query for query in queries if query.query_id in answerable]
    names = {query.query_id for query in kept}
    return kept, [one for one in judgements if one.query_id in names]


def rows(
    runs: Mapping[str, Mapping[str, list[str]]],
    touched: Mapping[str, int],
    judgements: Sequence[Judgement],
    *,
    reranked: bool,
) -> list[Row]:
    """Return a row a way."""
    values = {way: per_query(run, judgements)[MEASURE] for way, run in runs.items()}
    return [Row(way, reranked, mean(own), touched[way], compare(own, values[INSTALLED])) for way, own in values.items()]


def show(found: Sequence[Row]) -> None:
    """Print the table as markdown."""
    click.echo("| | reranked | nDCG@10 | queries it touches | beside installed | p | better / worse |")
    click.echo("|---|---|---|---|---|---|---|")
    for row in found:
        gain = row.gain
        beside = f"{gain.delta:+.4f} | {gain.p_permutation:.4f} | {gain.wins} / {gain.losses}"
        click.echo(f"| {row.way} | {'yes' if row.reranked else 'no'} | {row.mean:.4f} | {row.touched} | {beside} |")


@click.command(help=__doc__)
@click.option("--index", default="chorus", show_default=True, help="Index or alias; its pipeline has the same name.")
@click.option("--data", required=True, type=FOLDER)
@click.option("--queries", "which", type=click.Choice(["visible", "train"]), default="visible", show_default=True)
@click.option("--url", help="The node; default: what `plugin up` started.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the rows here.")
def main(index: str, data: Path, which: str, url: str | None, json_file: Path | None) -> None:
    """Measure and print."""
    client = connect(url)
    pipelines = ways(read_pipeline(client, index), expanded=which == "visible")
    queries, judgements = judged(data, which)
    found: list[Row] = []
    with click.progressbar(length=2 * len(queries) * len(pipelines), label="asking") as bar:
        for reranked in (False, True):
            runs: dict[str, dict[str, list[str]]] = {way: {} for way in pipelines}
            touched = dict.fromkeys(pipelines, 0)
            for query in queries:
                for way, pipeline in pipelines.items():
                    body = variant(pipeline, "reranked" if reranked else "hybrid")
                    runs[way][query.query_id], used = ask(client, index, body, query.text)
                    touched[way] += used
                    bar.update(1)
            found += rows(runs, touched, judgements, reranked=reranked)
    show(found)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
