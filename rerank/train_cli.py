"""`rerank train`: a recipe and training pairs to a model folder."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--base", required=True, help="Folder (or hub name) of the model to start from.")
@click.option(
    "--data", "data", type=click.Path(path_type=Path), multiple=True, required=True, help="Training pairs; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the trained model.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(recipe: Path, base: str, data: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Fine-tune a cross-encoder as RECIPE (a TOML file) says.

    Give the result to `rerank export-onnx`. Needs the `train` extra.
    """
    from rerank.train import train as run
    from rerank.train_recipe import read_recipe

    made = run(read_recipe(recipe), data, base, out, progress=not as_json)
    result = {"model": str(made.path), "pairs": made.pairs, "steps": made.steps, "loss": round(made.loss, 4)}
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {value}")
