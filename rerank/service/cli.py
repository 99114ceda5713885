"""`rerank serve`."""

import logging
from pathlib import Path
from typing import Any

import click

from rerank.devices import DEVICES

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8808, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--port-file", type=FILE, help="Write the port number here once listening.")
@click.option(
    "--embedder", type=FILE, multiple=True, help="Embedder bundle; the first is the default. [the shipped one]"
)
@click.option(
    "--reranker", type=FILE, multiple=True, help="Reranker bundle; the first is the default. [the shipped one]"
)
@click.option("--models", type=FILE, help="Folder of bundles that an admin may load while serving.")
@click.option("--resources", type=FILE, help="Glossaries and vocabularies; default: in POLYRANK_HOME.")
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads for reranking; 0 takes the cores, up to 4.")
@click.option(
    "--device",
    type=click.Choice(list(DEVICES)),
    default="cpu",
    show_default=True,
    help="What computes; cuda needs polyrank[gpu], auto takes it where it is.",
)
@click.option(
    "--score-cache", type=click.IntRange(0), default=32, show_default=True, help="MiB for scores given before; 0: none."
)
@click.option("--tokens", type=FILE, help="Ask for the bearer tokens of this file (`rerank token new`).")
@click.option("--tls-cert", type=FILE, help="Certificate chain, PEM: serve https.")
@click.option("--tls-key", type=FILE, help="Its private key, PEM.")
@click.option("--client-ca", type=FILE, help="Let in only callers with a certificate of this authority, PEM.")
@click.option(
    "--drain", type=click.FloatRange(0), default=0.0, help="Seconds to answer /ready with 503 before stopping."
)
@click.option("--access-log/--no-access-log", default=False, help="Log each request as JSON on stderr.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Of the log."
)
@click.option("--trace", is_flag=True, help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT (polyrank[otel]).")
def serve(**given: Any) -> None:
    """Serve the models over HTTP.

    Endpoints: /understand, /rerank (Cohere's, Jina's, Voyage's and TEI's shapes), /embed and /v1/embeddings,
    /translate, /models, /health, /ready, /metrics, /openapi.json. The service is ready when GET /ready answers 200.
    It stops on SIGTERM, after the requests in flight.
    """
    from rerank.service.serve import serve as run

    _log(given["log_format"])
    run(_options(given), lambda url: click.echo(f"serving {url}"))


def _options(given: dict[str, Any]) -> Any:
    from rerank.service.models import ModelPaths, Workers
    from rerank.service.serve import ServeOptions, Tls, default_threads

    certificate, key, authority = given["tls_cert"], given["tls_key"], given["client_ca"]
    if (certificate is None) != (key is None) or (authority is not None and certificate is None):
        raise click.UsageError("--tls-cert and --tls-key go together, and --client-ca needs both")
    return ServeOptions(
        given["host"],
        given["port"],
        given["port_file"],
        given["access_log"],
        ModelPaths(given["embedder"], given["reranker"], given["resources"], shelf=given["models"]),
        Workers(given["threads"] or default_threads(), DEVICES[given["device"]]),
        tokens=given["tokens"],
        tls=Tls(certificate, key, authority) if certificate is not None else None,
        drain_s=given["drain"],
        trace=given["trace"],
        cache_bytes=given["score_cache"] * 1024 * 1024,
    )


def _log(form: str) -> None:
    from rerank.service.logs import JsonLines

    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
