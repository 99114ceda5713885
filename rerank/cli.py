"""`rerank`: serve, verify, export and quantize text models. Thin: parse, call one function, print."""

from typing import Any

import click

from rerank.bundle_cli import export_onnx, quantize, verify
from rerank.errors import PolyrankError
from rerank.serve_cli import serve
from rerank.train_cli import train


class ErrorsInOneLine(click.Group):
    """A group whose commands say our own errors in one line on stderr and exit with the error's code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except PolyrankError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=ErrorsInOneLine)
@click.version_option(package_name="polyrank")
def main() -> None:
    """Train, export, quantize and serve the models that rerank and embed."""


for command in (serve, train, export_onnx, quantize, verify):
    main.add_command(command)
