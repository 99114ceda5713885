"""The options by which commands take candidate lists: --candidates, --queries and --qrels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
Command = Callable[..., Any]


def candidate_options(purpose: str, *, required: bool = False) -> Callable[[Command], Command]:
    """Add the three options to a command.

    Args:
        purpose: what the lists are for, one sentence of the help of --candidates.
        required: whether the command cannot do without.
    """
    lines = f"{purpose} JSON lines, best first: query_id, doc_id, fields; or training pairs."

    def add(command: Command) -> Command:
        for option in (
            click.option("--qrels", type=FILE, help="Judgements. Default: `relevance` of the candidates."),
            click.option("--queries", type=FILE, help="The queries of --candidates."),
            click.option("--candidates", type=FILE, required=required, help=lines),
        ):
            command = option(command)
        return command

    return add
