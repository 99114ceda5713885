"""`rerank quantize`: an fp32 bundle to the fastest reduced one that keeps its ranking."""

import json
from pathlib import Path
from typing import Any, cast

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rerank.evaluation.command_options import candidate_options

COLUMNS = {
    "variant": "variant",
    "megabytes": "MB",
    "cpu_ms_per_100": "CPU ms per 100",
    "ndcg_share": "share of nDCG@10",
    "tau": "tau",
    "cosine": "cosine",
    "same_tokens": "same tokens",
}


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--for",
    "target",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="cpu: int8. gpu: fp16 with fused attention, as int8 makes GPUs slower.",
)
@candidate_options("What to calibrate and measure on; without judgements the fp32 scores are the gains.")
@click.option("--ndcg", default=0.995, show_default=True, help="Least share of the fp32 nDCG@10, in each language.")
@click.option("--tau", default=0.95, show_default=True, help="Least mean Kendall's tau to the fp32 order (rerankers).")
@click.option("--cosine", default=0.999, show_default=True, help="Least mean cosine to the fp32 vectors (embedders).")
@click.option("--same-tokens", default=0.97, show_default=True, help="Least share of the fp32 tokens (translators).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def quantize(
    bundle: Path,
    out: Path,
    target: str,
    candidates: Path | None,
    queries: Path | None,
    qrels: Path | None,
    ndcg: float,
    tau: float,
    cosine: float,
    same_tokens: float,
    as_json: bool,
) -> None:
    """Reduce an fp32 BUNDLE to the fastest form that keeps its quality, in OUT.

    Several forms are tried; the table of them goes into the manifest. When none keeps the quality, nothing is written.
    """
    from rerank.bundle import load_bundle
    from rerank.errors import BundleError
    from rerank.evaluation.candidates import read_candidates, sample_lists
    from rerank.quantization.quality import Budget
    from rerank.quantization.quantize import Target
    from rerank.quantization.quantize import quantize as run
    from rerank.quantization.translator import quantize_translator

    manifest = load_bundle(bundle).manifest
    lists = read_candidates(candidates, manifest.template, queries=queries, qrels=qrels) if candidates else None
    console = Console(stderr=True)
    with console.status("reading") as status:
        if manifest.task == "translate":
            if target != "cpu":
                raise BundleError("a translator is reduced --for cpu alone; on a GPU run the fp32 bundle")
            texts = [text for item in lists or sample_lists() for text in (item.query.text, *item.documents)]
            made = quantize_translator(bundle, out, texts, least=same_tokens, report=status.update)
        else:
            made = run(
                bundle,
                out,
                target=cast(Target, target),
                lists=lists,
                budget=Budget(ndcg, tau, cosine),
                report=status.update,
            )
    measured = made.manifest.metrics[f"{made.manifest.precision}_to_fp32"]
    size = sum(file.stat().st_size for file in made.path.iterdir())
    result = {"bundle": str(made.path), "bytes": size, "fingerprint": made.fingerprint, **measured}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    table = Table(box=SIMPLE_HEAD)
    shown = {key: name for key, name in COLUMNS.items() if key in result["tried"][0]}
    for name in (*shown.values(), ""):
        table.add_column(name)
    for row in result["tried"]:
        chosen = "chosen" if row["variant"] == result["variant"] else row["refused"] or ""
        table.add_row(*(str(row[key]) for key in shown), chosen)
    Console(width=120).print(table)
    for key in ("bundle", "bytes", "fingerprint", "fp32_cpu_ms_per_100"):
        click.echo(f"{key}: {result[key]}")
