"""A real service on a free loopback port, with tiny bundles: uvicorn in a thread, spoken to by httpx."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from rerank.service.app import Service
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.requests import Limits

RERANK = [sys.executable, "-c", "from rerank.cli import main; main(prog_name='rerank')"]
"""The command `rerank`, run by this interpreter."""


@contextmanager
def served(service: Service) -> Iterator[httpx.Client]:
    """Yield a client of a running service, ready or not."""
    config = uvicorn.Config(service.app(), host="127.0.0.1", port=0, log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def wait_ready(client: httpx.Client) -> None:
    """Return when /ready says so."""
    wait_until(lambda: client.get("/ready").status_code == 200)


def wait_until(done: object, patience_s: float = 120.0) -> None:
    """Return when `done()` is true."""
    assert callable(done)
    deadline = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def tiny_service(embedder: Path, reranker: Path, resources: Path, limits: Limits | None = None) -> Service:
    """Return a service over these bundles."""
    paths = ModelPaths((embedder,), (reranker,), resources, dictionaries=resources / "none")
    return Service(Models(paths, Workers(threads=1)), limits)
