"""`rerank data`: training data from what a shop has. Thin: parse, call one function, print."""

import json
from pathlib import Path
from typing import Any

import click

from rerank.progress import bar, silent

JSON_HELP = "Print the result as JSON."
FILE = click.Path(path_type=Path)


@click.group()
def data() -> None:
    """Make training data: pairs of a query and a document with a grade."""


@data.command()
@click.argument("pairs", type=FILE)
@click.argument("out", type=FILE)
@click.option("--teacher", "teachers", type=FILE, multiple=True, required=True, help="A model bundle; repeatable.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def teach(pairs: Path, out: Path, teachers: tuple[Path, ...], as_json: bool) -> None:
    """Add to PAIRS the scores of other models, to be learned by distillation: write OUT.

    Several teachers are averaged. A reranker gives its probabilities, an embedder its cosines.
    """
    from rerank.data.teach import load_teacher
    from rerank.data.teach import teach as run
    from rerank.train_data import read_pairs, write_pairs

    rows = read_pairs(pairs)
    with (silent if as_json else bar)("teaching", len(rows)) as advance:
        taught = run(rows, [load_teacher(path) for path in teachers], advance=advance)
    _print({"pairs": write_pairs(out, taught), "out": str(out)}, as_json)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {value}")
