"""What the commands of `rerank data` share: their options, and how each ends, with pairs, card and a summary."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from rerank.data.card import PAIRS
from rerank.data.journal import Journal
from rerank.data.judged import Built
from rerank.protocols import Detector
from rerank.training.pairs import provenance

JSON_HELP = "Print the result as JSON."
FILE = click.Path(path_type=Path)


class PairsFile(click.Path):
    """A file of pairs to write: refused before any work when its name does not say that it is gzipped."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value).endswith(PAIRS):
            self.fail(f"{value} will hold gzipped JSON lines; give it a name that ends in {PAIRS}", param, ctx)
        return super().convert(value, param, ctx)


OUT = PairsFile(path_type=Path)
Command = Callable[..., Any]


def ending(command: Command) -> Command:
    """Add the options that `finish` and the progress bar take."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help=JSON_HELP),
        click.option(
            "--language",
            "languages",
            multiple=True,
            help="What the queries are in, for the data card; repeatable. Default: by script alone.",
        ),
    ):
        command = option(command)
    return command


def seed_option(command: Command) -> Command:
    """Add --seed."""
    return click.option("--seed", default=1, show_default=True, help="The same seed and input give the same bytes.")(
        command
    )


def finish(out: Path, built: Built, languages: Sequence[str], sources: Sequence[Path], as_json: bool) -> None:
    """Write pairs and card to OUT and print the card: whole as JSON, its counts as text."""
    from rerank.data.card import write_with_card

    more = {"left_out": {reason: count for reason, count in built.left_out.items() if count}, **built.facts}
    card = write_with_card(out, built.pairs, detector(languages), made_by=made_by(), sources=sources, more=more)
    show(card if as_json else {key: value for key, value in card.items() if key not in ("made_by", "sources")}, as_json)


def journal(out: Path, files: Sequence[Path], models: Sequence[str] = ()) -> Journal:
    """Return the journal of the running command: its options, its files by their hashes, its models by their names.

    Args:
        out: the file that the command will write.
        files: what it reads.
        models: fingerprint, or name and version, of each model that answers.
    """
    run = {**made_by(), "files": provenance(files), "models": list(models)}
    return Journal(out, run, lambda text: click.echo(text, err=True))


def detector(languages: Sequence[str]) -> Detector:
    """Return what tells the languages of queries for a card."""
    from rerank.understanding.language import ScriptDetector, load_detector

    return load_detector(languages) if languages else ScriptDetector()


def made_by() -> dict[str, Any]:
    """Return the running command's name, polyrank's version, and its options; paths by their names alone."""
    from importlib.metadata import version

    context = click.get_current_context()
    options = {name: _plain(value) for name, value in sorted(context.params.items()) if name != "as_json"}
    return {"command": context.command_path, "version": version("polyrank"), "options": options}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print a result."""
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        for key, value in result.items():
            click.echo(f"{key}: {_line(value)}")


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items()) or "none"
    return str(value)
