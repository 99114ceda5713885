"""`rerank evaluate`: how well a reranker orders judged candidates."""

import json
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rerank.evaluation.command_options import candidate_options, page_option
from rerank.evaluation.page import evaluation_page


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@candidate_options("What to order.", required=True)
@click.option("--baseline", type=click.Path(path_type=Path), help="Another bundle to compare with, query by query.")
@page_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def evaluate(
    bundle: Path,
    candidates: Path,
    queries: Path | None,
    qrels: Path | None,
    baseline: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Measure how well the reranker BUNDLE orders judged candidates.

    Beside it stand Keep (the retriever's order) and Shuffle; differences are paired, with bootstrap intervals.
    """
    from rerank.cross_encoder import load_reranker
    from rerank.evaluation.candidates import CandidateFiles
    from rerank.evaluation.evaluate import evaluate as run

    scorer = load_reranker(bundle)
    files = CandidateFiles(candidates, queries, qrels)
    lists = files.read(scorer.template)
    other = None if baseline is None else (f"baseline {baseline.name}", load_reranker(baseline))
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        task = progress.add_task("ranking", total=len(lists) * (2 if other else 1))
        found = run(scorer.manifest.name, scorer, lists, baseline=other, advance=lambda: progress.advance(task))
    if left_out := files.count_left_out(lists):
        click.echo(f"{left_out} judged queries have no candidate and are left out of all figures", err=True)
    if html is not None:
        html.write_text(evaluation_page(scorer.manifest.name, found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found.to_json() | {"without_candidates": left_out}, indent=2))
        return
    console = Console(width=120)
    for title, rows in {"system": found.systems, "difference to": found.differences, **found.groups}.items():
        table = Table(box=SIMPLE_HEAD)
        for column in (title, *next(iter(rows.values()))):
            table.add_column(column)
        for name, row in rows.items():
            table.add_row(name, *(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
        console.print(table)
    for head, examples in (("best", found.best), ("worst", found.worst)):
        click.echo(f"{head}: " + ("; ".join(json.dumps(dict(row), ensure_ascii=False) for row in examples) or "none"))
