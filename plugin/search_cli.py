"""`plugin search` and `plugin evaluate`: parse, call one function, print."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from plugin.client import connect
from plugin.evaluate import SYSTEMS, Evaluation, EvaluationOptions
from plugin.evaluate import evaluate as run_evaluation
from plugin.search import ScoredHit, SearchOutcome
from plugin.search import search as run_search
from rerank.evaluation.judgements import read_qrels, read_queries
from rerank.evaluation.metrics import MEASURES

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
WIDE = 120
"""Terminal columns from which ids are shown."""
COLUMN_WIDTHS = {
    "#": 3, "id": 24, "lang": 4, "score": 7, "BM25": 4, "vector": 6, "transl.": 7, "fused": 5, "model": 5,
}  # fmt: skip
"""In characters; the title takes what is left."""
URL_HELP = "Address of the cluster; default: $POLYRANK_URL, else what `plugin up` started."


@click.command()
@click.argument("text")
@click.option("--index", required=True, help="Index or alias to search.")
@click.option("--size", default=10, show_default=True, type=click.IntRange(1, 100), help="Hits to show.")
@click.option("--pipeline", help="Search pipeline; default: the one named like the index.")
@click.option("--url", help=URL_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def search(text: str, index: str, size: int, pipeline: str | None, url: str | None, as_json: bool) -> None:
    """Search as a shopper would, before (BM25 alone) and after (the pipeline), with each stage's rank."""
    outcome = run_search(connect(url), index, text, size=size, pipeline=pipeline)
    if as_json:
        click.echo(json.dumps(asdict(outcome), ensure_ascii=False, indent=2))
        return
    console = Console()
    console.print(_story(outcome), highlight=False)
    console.print(_before_table(outcome.before, console.width))
    console.print(_after_table(outcome.after, console.width))


def _story(outcome: SearchOutcome) -> str:
    """Return in two lines how the query was understood, how long the stages took, and what went wrong."""
    section = outcome.polyrank
    language = section.get("language") or {}
    lines = [f"[bold]{escape(outcome.query)}[/bold]"]
    if language.get("code"):
        lines[0] += f"   language {language['code']} ({language.get('confidence', 0):.2f})"
    if section.get("model_query") and section["model_query"] != outcome.query:
        lines[0] += f"   read by the models as [bold]{escape(section['model_query'])}[/bold]"
    timings = section.get("timings_ms") or {}
    lines.append("   ".join(f"{stage} {spent:.1f} ms" for stage, spent in timings.items() if spent is not None))
    told = (("skipped", "yellow"), ("unread", "yellow"), ("rerank_skipped", "yellow"), ("degraded", "red"))
    for key, colour in told:
        if section.get(key):
            lines.append(f"[{colour}]{key}: {escape(section[key])}[/{colour}]")
    return "\n".join(lines)


def _hits_table(title: str, columns: Sequence[str], width: int) -> Table:
    """A table whose titles are cut to one line; ids have room on wide terminals only (`--json` always has them)."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = [name for name in columns if name != "id" or width >= WIDE]
    room = width - sum(COLUMN_WIDTHS[name] + 2 for name in shown if name != "title") - 4
    for name in shown:
        side: JustifyMethod = "left" if name in ("id", "lang", "title") else "right"
        table.add_column(
            name,
            justify=side,
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(room, 20) if name == "title" else COLUMN_WIDTHS[name],
        )
    return table


def _cells(hit: ScoredHit, width: int) -> list[str]:
    return [str(hit.final_rank), *([escape(hit.doc_id)] if width >= WIDE else []), hit.language, escape(hit.title)]


def _before_table(hits: list[ScoredHit], width: int) -> Table:
    table = _hits_table("before: BM25 alone", ("#", "id", "lang", "title", "score"), width)
    for hit in hits:
        table.add_row(*_cells(hit, width), f"{hit.final_score:.2f}")
    return table


def _after_table(hits: list[ScoredHit], width: int) -> Table:
    columns = ("#", "id", "lang", "title", "BM25", "vector", "transl.", "fused", "model")
    table = _hits_table("after: through the pipeline (ranks by stage, the cross-encoder's score)", columns, width)
    for hit in hits:
        ranks = (hit.bm25_rank, hit.knn_rank, hit.translated_rank, hit.fused_rank)
        score = "-" if hit.cross_encoder_score is None else f"{hit.cross_encoder_score:.3f}"
        table.add_row(*_cells(hit, width), *("-" if rank is None else str(rank) for rank in ranks), score)
    return table


@click.command()
@click.option("--index", required=True, help="Index or alias to search.")
@click.option("--queries", required=True, type=FILE, help="Queries: JSON lines (id, text, lang, split) or TSV.")
@click.option("--qrels", required=True, type=FILE, help="Judgements: TSV with query_id, doc_id, relevance; or TREC.")
@click.option("--split", help="Keep only the queries of this split.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    type=click.Choice(SYSTEMS),
    help="Run only this system; may be repeated. Default: all four.",
)
@click.option("--pipeline", help="Search pipeline; default: the one named like the index.")
@click.option(
    "--deadline-ms",
    default=20_000,
    show_default=True,
    type=click.IntRange(1),
    help="Deadline per query; generous, so that quality is measured and not this machine's haste.",
)
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), help="Write TREC runs into this folder.")
@click.option("--url", help=URL_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(
    index: str,
    queries: Path,
    qrels: Path,
    split: str | None,
    systems: tuple[str, ...],
    pipeline: str | None,
    deadline_ms: int,
    runs: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Measure BM25, kNN, hybrid and reranked over one index with judged queries, through the search pipeline."""
    judged_queries, judgements = read_queries(queries, split=split), read_qrels(qrels)
    options = EvaluationOptions(systems or SYSTEMS, pipeline, deadline_ms, runs)
    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(judged_queries) * len(options.systems))
        outcome = run_evaluation(
            connect(url), index, judged_queries, judgements, options, advance=lambda: progress.advance(task)
        )
    if as_json:
        click.echo(json.dumps(outcome.as_json(), ensure_ascii=False, indent=2))
    else:
        _print_evaluation(outcome)


def _print_evaluation(outcome: Evaluation) -> None:
    console = Console()
    table = Table("system", *MEASURES, title=f"{outcome.index}: {len(outcome.queries)} judged queries")
    for system, result in outcome.results.items():
        table.add_row(system, *(f"{value:.3f}" for value in result.means().values()))
    console.print(table)
    for name, test in outcome.significance.items():
        console.print(
            f"{name}: nDCG@10 {test.delta:+.3f}, p = {test.p_permutation:.4f} (permutation), {test.p_t:.4f} (t);"
            f" {test.wins} better, {test.losses} worse, {test.ties} equal",
            highlight=False,
        )
    by_language = outcome.by_language()
    if len(by_language) > 1:
        languages = Table("nDCG@10", *outcome.results)
        for language, row in by_language.items():
            languages.add_row(language, *(f"{value:.3f}" for value in row.values()))
        console.print(languages)
    for system, result in outcome.results.items():
        if result.degraded:
            reasons = sorted(set(result.degraded.values()))
            console.print(f"[red]{system}: {len(result.degraded)} answers degraded[/red]: {escape('; '.join(reasons))}")
    for loss in outcome.hurt()[:10]:
        values = f"{loss['hybrid']:.3f} -> {loss['reranked']:.3f}"
        console.print(f"hurt by reranking: {escape(loss['query'])} {values}", highlight=False)
