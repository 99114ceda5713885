"""What a run says while it goes on, on stderr: sentences, or JSON lines for machines."""

import logging

import click


class _Stderr(logging.Handler):
    """Writes where click's stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def say_error(error: str) -> None:
    """Say what ended a command or was refused: as the logs are told, in JSON too."""
    logger = logging.getLogger("polyrank")
    if any(handler.formatter is not None for handler in logger.handlers):
        logger.error("%s", error)
    else:
        click.echo(f"error: {error}", err=True)


LEVELS = {"polyrank": logging.INFO, "rerank": logging.WARNING}
"""Loggers of this command and of what it loads (translators, dictionaries), each with what is told of it."""


def log_to_stderr(*, as_json: bool = False) -> None:
    """Send what polyrank's loggers say to stderr; a second call replaces the first."""
    handler = _Stderr()
    if as_json:
        from rerank.service.logs import JsonLines  # a web framework comes with it, which text needs not

        handler.setFormatter(JsonLines())
    for name, level in LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
