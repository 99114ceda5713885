"""`rerank train`: a recipe and training pairs to a model folder; several of them averaged into one."""

import json
from pathlib import Path
from typing import Any

import click

JSON_HELP = "Print the result as JSON."
DEFAULT = "cross-encoder"


class TrainGroup(click.Group):
    """`rerank train RECIPE` is short for `rerank train cross-encoder RECIPE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the default command before anything that is no command's name."""
        if args and args[0] not in self.commands and args[0] not in self.get_help_option_names(ctx):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group(cls=TrainGroup)
def train() -> None:
    """Train models. `rerank train RECIPE ...` is short for `rerank train cross-encoder RECIPE ...`.

    Needs the `train` extra. Give the result to `rerank export-onnx`.
    """


@train.command(DEFAULT)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--base", default="", help="Folder (or hub name) of the model to start from. Default: the recipe's.")
@click.option(
    "--data", "data", type=click.Path(path_type=Path), multiple=True, required=True, help="Training pairs; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the trained model.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def cross_encoder(recipe: Path, base: str, data: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Fine-tune a cross-encoder as RECIPE (a TOML file) says."""
    from rerank.train import train as run
    from rerank.train_recipe import read_recipe

    made = run(read_recipe(recipe), data, base, out, progress=not as_json)
    _print({"model": str(made.path), "pairs": made.pairs, "steps": made.steps, "loss": round(made.loss, 4)}, as_json)


@train.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the averaged model.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def average(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Average the weights of trained model FOLDERS that started from one base: several seeds, or several stages."""
    from rerank.train_average import average_weights

    average_weights(folders, out)
    _print({"model": str(out), "averaged": len(folders)}, as_json)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {value}")
