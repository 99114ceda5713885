"""Options that commands share: --candidates, --queries and --qrels for candidate lists, --html for a page of plots."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
Command = Callable[..., Any]


class _Page(click.Path):
    """A page to write: refused before any work when its folder is not there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        page = Path(str(super().convert(value, param, ctx)))
        if not page.parent.is_dir():
            self.fail(f"there is no folder {page.parent} for the page; make it first", param, ctx)
        return page


page_option = click.option("--html", type=_Page(path_type=Path, dir_okay=False), help="Also write a page with plots.")


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
