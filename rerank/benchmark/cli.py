"""`rerank bench`: speed and quality of rerankers side by side."""

import json
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rerank.evaluation.command_options import candidate_options, page_option

_SHOWN = (
    "system",
    "precision",
    "batch_tokens",
    "window",
    "length",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "cpu_ms",
    "pairs_per_s",
    "peak_share",
    "peak_rss_mb",
    "joules",
    "ndcg",
)


@click.command()
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--window", type=int, multiple=True, default=(50,), show_default=True, help="Pairs a request; repeatable."
)
@click.option("--length", type=int, multiple=True, default=(64,), show_default=True, help="Most tokens; repeatable.")
@click.option("--batch", type=int, multiple=True, default=(512,), show_default=True, help="Tokens a batch; repeatable.")
@click.option("--provider", multiple=True, help="ONNX Runtime's execution provider; repeatable. Default: the best.")
@click.option("--threads", default=1, show_default=True, help="Threads of a model; 0: ONNX Runtime's choice.")
@click.option("--seconds", default=10.0, show_default=True, help="Time for each window and length, all systems.")
@candidate_options("Texts to score and to measure the order by.")
@click.option("--torch", "torch_model", help="The same weights for torch: installed peers run beside the bundles.")
@click.option(
    "--cascade",
    type=(click.Path(path_type=Path), click.Path(path_type=Path), int),
    multiple=True,
    metavar="FIRST SECOND HEAD",
    help="FIRST orders all, SECOND the best HEAD of each query; repeatable.",
)
@page_option
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def bench(bundles: tuple[Path, ...], html: Path | None, as_json: bool, **options: Any) -> None:
    """Measure rerankers BUNDLES (default: the shipped one) in one loop in which they take turns.

    Peers that run beside them with --torch, where installed: sentence-transformers (torch; onnx with optimum),
    rerankers, Infinity's engine, and FlashRank and fastembed on the first bundle's ONNX file.
    """
    from rerank.benchmark.loop import Grid
    from rerank.benchmark.loop import bench as run
    from rerank.benchmark.page import bench_page
    from rerank.bundle import default_bundle, load_bundle
    from rerank.evaluation.candidates import read_candidates

    paths = bundles or (default_bundle("rerank"),)
    grid = Grid(
        windows=options["window"],
        lengths=options["length"],
        batches=options["batch"],
        providers=options["provider"] or (None,),
        threads=options["threads"],
        seconds=options["seconds"],
    )
    lists = None
    if options["candidates"]:
        template = load_bundle(paths[0], "rerank").manifest.template
        lists = read_candidates(options["candidates"], template, queries=options["queries"], qrels=options["qrels"])
    with Console(stderr=True).status("loading") as status:
        rows = run(
            paths,
            grid,
            lists=lists,
            torch_model=options["torch_model"],
            cascades=options["cascade"],
            report=status.update,
        )
    if html is not None:
        html.write_text(bench_page(rows), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=SIMPLE_HEAD)
    for column in _SHOWN:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if row[key] is None else str(row[key]) for key in _SHOWN))
    Console(width=160).print(table)
