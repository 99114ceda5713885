"""What a run says while it goes on, on stderr: sentences, or JSON lines for machines."""

import logging

import click


class _Stderr(logging.Handler):
    """Writes where click's stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def log_to_stderr(*, as_json: bool = False) -> None:
    """Send what polyrank's loggers say to stderr, from "info" on; a second call replaces the first."""
    handler = _Stderr()
    if as_json:
        from rerank.service.logs import JsonLines  # a web framework comes with it, which text needs not

        handler.setFormatter(JsonLines())
    logger = logging.getLogger("polyrank")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
