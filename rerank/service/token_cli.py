"""`rerank token`: make, list and revoke the bearer tokens of the service."""

import json
from pathlib import Path
from typing import Literal

import click

from rerank.home import polyrank_home

FILE = click.option(
    "--file", "file", type=click.Path(path_type=Path), help="Token file; default: tokens.json in POLYRANK_HOME."
)


@click.group()
def token() -> None:
    """Make, list and revoke the bearer tokens that `rerank serve --tokens FILE` asks for."""


@token.command("new")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["use", "admin"]),
    default="use",
    show_default=True,
    help="use: ask the models; admin: load and unload them too.",
)
@FILE
def new(name: str, role: Literal["use", "admin"], file: Path | None) -> None:
    """Make a token for the caller NAME and print it, once: the file keeps its hash alone."""
    from rerank.service.tokens import new_token

    click.echo(new_token(_file(file), name, role))


@token.command("list")
@FILE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tokens(file: Path | None, as_json: bool) -> None:
    """List names and roles."""
    from rerank.service.tokens import read_tokens

    tokens = read_tokens(_file(file))
    if as_json:
        click.echo(json.dumps([{"name": item.name, "role": item.role} for item in tokens]))
    for item in tokens if not as_json else ():
        click.echo(f"{item.role:<6} {item.name}")


@token.command("revoke")
@click.argument("name")
@FILE
def revoke(name: str, file: Path | None) -> None:
    """Take the token of NAME out of the file; running services notice at once."""
    from rerank.service.tokens import revoke_token

    revoke_token(_file(file), name)


def _file(file: Path | None) -> Path:
    return file or polyrank_home() / "tokens.json"
