"""Write docs/cli.md from the commands themselves, so that the reference cannot drift from the code."""

from importlib import import_module
from pathlib import Path

import click

PROGRAMS = ("ingest", "plugin", "rerank")
TARGET = Path(__file__).parent / "cli.md"
HEADER = """# Command reference

Written by `make docs` from the commands; a test compares it with them.
"""


def sections(command: click.Command, path: list[str], parent: click.Context | None = None) -> list[str]:
    """Return one Markdown section per command, the group first, in the order the groups list them."""
    context = click.Context(command, info_name=path[-1], parent=parent, terminal_width=100, max_content_width=100)
    text = [f"{'#' * (len(path) + 1)} `{' '.join(path)}`\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                text += sections(child, [*path, name], context)
    return text


def render() -> str:
    """Return the whole reference as Markdown."""
    parts = [HEADER]
    for program in PROGRAMS:
        parts += sections(import_module(f"{program}.cli").main, [program])
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
