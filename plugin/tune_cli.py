"""`plugin tune`: parse, call one function, print."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from plugin.client import connect
from plugin.patience import PATIENCE_S, Patience
from plugin.pipelines import put_pipeline, read_pipeline
from plugin.tune import Tuning
from plugin.tune import tune as run_tuning
from plugin.tune_candidates import gather
from plugin.tune_steps import Steps, measure_steps
from rerank.evaluation.judgements import read_qrels, read_queries

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--index", required=True, help="Index or alias to search.")
@click.option("--queries", required=True, type=FILE, help="Queries: JSON lines (id, text, lang, split) or TSV.")
@click.option("--qrels", required=True, type=FILE, help="Judgements: TSV with query_id, doc_id, relevance; or TREC.")
@click.option("--split", help="Keep only the queries of this split.")
@click.option("--pipeline", help="Search pipeline to tune; default: the one named like the index.")
@click.option("--depth", default=50, show_default=True, type=click.IntRange(1, 1000), help="Candidates to rerank.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="Folds of the cross-validation.")
@click.option(
    "--patience",
    default=PATIENCE_S,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to go on asking while answers lack a stage.",
)
@click.option("--steps", "with_steps", is_flag=True, help="Tell as well what each step of the path adds, held out.")
@click.option("--dry-run", is_flag=True, help="Print and install nothing.")
@click.option("--url", help="Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def tune(
    index: str,
    queries: Path,
    qrels: Path,
    split: str | None,
    pipeline: str | None,
    depth: int,
    folds: int,
    patience: float,
    with_steps: bool,
    dry_run: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Choose weights, fusion, blend and skips from judgements; install them if held-out queries are answered better."""
    client, name = connect(url), pipeline or index
    installed = read_pipeline(client, name)
    judged = read_queries(queries, split=split)
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(judged))
        candidates = gather(
            client,
            index,
            installed,
            judged,
            read_qrels(qrels),
            depth=depth,
            patience=Patience(patience),
            advance=lambda: progress.advance(task),
        )
    with Progress(TextColumn("tuning"), BarColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=folds)
        outcome = run_tuning(installed, candidates, folds=folds, advance=lambda: progress.advance(task))
    languages = {query.query_id: query.language for query in judged}
    steps = measure_steps(installed, candidates, languages, folds=folds) if with_steps else None
    install = outcome.helps and not dry_run
    if install:
        put_pipeline(client, name, outcome.pipeline)
    if as_json:
        found = {**outcome.as_json(), "installed": install} | ({"steps": steps.as_json()} if steps else {})
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if steps is not None:
        print_steps(steps)
    print_tuning(outcome)
    if install:
        click.echo(f"search pipeline {name} installed")
    else:
        click.echo(
            "nothing installed" if outcome.helps else "nothing installed: not better on held-out queries with p < .05"
        )


def print_steps(found: Steps) -> None:
    """Print a row a step: its mean, what it adds to the one before, and each language's mean."""
    console = Console()
    several = len(found.by_language) > 1
    languages = [f"{name} ({count})" for name, count in found.by_language.items()] if several else []
    table = Table(
        "nDCG@10, held out", "mean", "adds", "p", "better/worse", *languages, title=f"{found.queries} queries"
    )
    for step in found.steps:
        gain = step.gain
        beside = (
            [f"{gain.delta:+.3f}", f"{gain.p_permutation:.4f}", f"{gain.wins}/{gain.losses}"] if gain else ["", "", ""]
        )
        own = [f"{value:.3f}" for value in step.by_language.values()] if several else []
        table.add_row(step.name, f"{step.mean:.3f}", *beside, *own)
    console.print(table)
    for language, delta in found.worse.items():
        console.print(f"{language} is worse at the end than at the start: {delta:+.3f}", highlight=False)


def print_tuning(outcome: Tuning) -> None:
    """Print what was chosen, and what it is worth on held-out queries."""
    console = Console()
    table = Table("nDCG@10, held out", *outcome.means, title=f"{outcome.queries} judged queries")
    table.add_row("", *(f"{value:.3f}" for value in outcome.means.values()))
    console.print(table)
    for name, test in (
        ("tuned vs installed", outcome.tuned_vs_installed),
        ("reranked vs fused", outcome.reranked_vs_fused),
    ):
        line = f"{name}: {test.delta:+.3f}, p = {test.p_permutation:.4f}; {test.wins} better, {test.losses} worse"
        console.print(line, highlight=False)
    fusion, blend = outcome.chosen.fusion, outcome.chosen.blend
    console.print(f"chosen: {fusion.technique}, weights {fusion.weights}", highlight=False)
    if outcome.unread:
        told = f"vectors of the {outcome.unread} queries that the embedder does not read: times {fusion.knn_factor}"
        console.print(told, highlight=False)
    for own in outcome.own:
        told = f"{own.kind} {own.name}: weights {own.weights}, {own.gain.delta:+.3f}"
        console.print(f"{told} over {own.gain.queries} queries, p = {own.gain.p_permutation:.4f}", highlight=False)
    if blend is not None:
        calibrated = ", calibrated" if blend.points else ""
        console.print(
            f"blend: {blend.weight} of the cross-encoder ({blend.normalization}{calibrated})", highlight=False
        )
    for group in outcome.groups:
        said = "not reranked from now on" if group.skipped else "reranked"
        console.print(
            f"{group.kind} {group.name}: {group.delta:+.3f} over {group.queries} queries: {said}", highlight=False
        )
