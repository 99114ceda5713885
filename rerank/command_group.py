"""The group that every command of polyrank hangs from: our errors are one line, never a traceback."""

from typing import Any

import click

from rerank.errors import PolyrankError


class ErrorsInOneLine(click.Group):
    """A group whose commands say our own errors in one line on stderr and exit with the error's code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except PolyrankError as error:
            self.say(str(error))
            ctx.exit(self.exit_code(error))

    def say(self, error: str) -> None:
        """Say an error."""
        click.echo(f"error: {error}", err=True)

    def exit_code(self, error: PolyrankError) -> int:
        """Return the exit code for an error."""
        return error.exit_code
