"""`rerank train`: a recipe and training pairs to a model folder; several of them averaged into one."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

JSON_HELP = "Print the result as JSON."
dev_option = click.option(
    "--dev", type=click.Path(path_type=Path), help="Pairs of other queries, whose nDCG@10 is watched."
)
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
@click.option("--base", default="", help="Folder, hub name or fp32 bundle to start from. Default: the recipe's.")
@click.option(
    "--data", "data", type=click.Path(path_type=Path), multiple=True, required=True, help="Training pairs; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the trained model.")
@dev_option
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of an unfinished training.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def cross_encoder(
    recipe: Path, base: str, data: tuple[Path, ...], out: Path, dev: Path | None, resume: bool, as_json: bool
) -> None:
    """Fine-tune a cross-encoder as RECIPE (a TOML file) says."""
    from rerank.training.cross_encoder import train as run
    from rerank.training.recipe import read_recipe
    from rerank.training.run import TrainOptions

    options = TrainOptions(dev, resume, progress=not as_json, report=_say)
    made = run(read_recipe(recipe), data, base, out, options)
    _print({"model": str(made.path), "pairs": made.pairs, "steps": made.steps, "loss": round(made.loss, 4)}, as_json)


@train.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--base", required=True, help="Folder (or hub name) of the encoder to start from.")
@click.option("--data", "data", type=click.Path(path_type=Path), multiple=True, help="Training pairs; repeatable.")
@click.option(
    "--parallel", type=click.Path(path_type=Path), multiple=True, help="Parallel text, for distillation; repeatable."
)
@click.option("--teacher", help="Folder of the English embedder to distil.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the trained model.")
@dev_option
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of an unfinished training.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def embedder(
    recipe: Path,
    base: str,
    data: tuple[Path, ...],
    parallel: tuple[Path, ...],
    teacher: str | None,
    out: Path,
    dev: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Train a bi-encoder as RECIPE says: from training pairs, or from a teacher on parallel text.

    Parallel text is JSON lines of `english`, `text` and `language`.
    """
    from rerank.training.embedder import distil, train_embedder
    from rerank.training.embedder_recipe import read_embedder_recipe
    from rerank.training.run import TrainOptions
    from rerank.training.vocabulary import read_parallel

    read = read_embedder_recipe(recipe)
    options = TrainOptions(dev, resume, progress=not as_json, report=_say)
    if teacher is None:
        made = train_embedder(read, data, base, out, options)
    else:
        texts = [pair for path in parallel for pair in read_parallel(path)]
        made = distil(read, texts, teacher, base, out, data=parallel, options=options)
    _print({"model": str(made.path), "rows": made.pairs, "steps": made.steps, "loss": round(made.loss, 6)}, as_json)


@train.command()
@click.argument("parallel", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--teacher", type=click.Path(path_type=Path), required=True, help="Folder of a BERT sentence embedder.")
@click.option("--pieces", default=60_000, show_default=True, help="How many pieces to learn.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the student to train.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def student(parallel: tuple[Path, ...], teacher: Path, pieces: int, out: Path, as_json: bool) -> None:
    """Grow a teacher's vocabulary by the words of PARALLEL text: the student that `rerank train embedder` distils."""
    from rerank.training.run import need_extra
    from rerank.training.vocabulary import grow_model, read_parallel

    need_extra()
    pairs = [pair for path in parallel for pair in read_parallel(path)]
    with Console(stderr=True).status(f"aligning the words of {len(pairs):,} translations"):
        size = grow_model(teacher, pairs, pieces, out)
    _print({"model": str(out), "pieces": size}, as_json)


@train.command()
@click.argument("folders", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the averaged model.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def average(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Average the weights of trained model FOLDERS that started from one base: several seeds, or several stages."""
    from rerank.training.average import average_weights

    average_weights(folders, out)
    _print({"model": str(out), "averaged": len(folders)}, as_json)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {value}")
