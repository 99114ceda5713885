"""`rerank serve`."""

import logging
import sys
from pathlib import Path

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8808, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--port-file", type=click.Path(path_type=Path), help="Write the port number here once listening.")
@click.option("--embedder", type=click.Path(path_type=Path), help="Embedder bundle; default: the shipped one.")
@click.option("--reranker", type=click.Path(path_type=Path), help="Reranker bundle; default: the shipped one.")
@click.option(
    "--resources", type=click.Path(path_type=Path), help="Glossaries and vocabularies; default: in POLYRANK_HOME."
)
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads for reranking; 0 takes the cores, up to 4.")
@click.option("--access-log/--no-access-log", default=False, help="Log each request as JSON on stderr.")
def serve(
    host: str,
    port: int,
    port_file: Path | None,
    embedder: Path | None,
    reranker: Path | None,
    resources: Path | None,
    threads: int,
    access_log: bool,
) -> None:
    """Serve /understand, /rerank (Cohere's shape), /embed, /models, /health, /ready and /metrics over HTTP.

    The service is ready when GET /ready answers 200. It stops on SIGTERM, after the requests in flight.
    """
    from rerank.service.models import ModelPaths
    from rerank.service.serve import ServeOptions
    from rerank.service.serve import serve as run

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    paths = ModelPaths(embedder, reranker, resources)
    run(ServeOptions(host, port, port_file, threads, access_log, paths), lambda url: click.echo(f"serving {url}"))
