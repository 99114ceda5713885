"""Bind, serve until told to stop, stop gracefully."""

import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from rerank.service.app import CACHE_BYTES, Service
from rerank.service.faults import ServiceError
from rerank.service.models import ModelPaths, Models, Workers
from rerank.service.requests import Limits
from rerank.service.tokens import Guard
from rerank.service.traces import otlp_tracer

GRACE_SECONDS = 10
BACKLOG = 512
MAX_CONNECTIONS = 2048
"""Open at a time; more are answered with 503."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate chain and key in PEM; with `client_ca` only callers with a certificate of that authority get in."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve. `port` 0 takes a free one; `port_file` gets the number once the socket listens.

    `tokens`: file of bearer tokens, None lets everybody in; `drain_s`: how long /ready answers 503 before the service
    stops listening; `trace`: send OpenTelemetry spans; `cache_bytes`: what the score cache may take, 0 for none.
    """

    host: str = "127.0.0.1"
    port: int = 8808
    port_file: Path | None = None
    access_log: bool = False
    paths: ModelPaths = field(default_factory=ModelPaths)
    workers: Workers = field(default_factory=lambda: Workers(default_threads()))
    limits: Limits = field(default_factory=Limits)
    tokens: Path | None = None
    tls: Tls | None = None
    drain_s: float = 0.0
    trace: bool = False
    cache_bytes: int = CACHE_BYTES


def default_threads() -> int:
    """Return the number of cores this process may use, at most 4: more gain little on one batch."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)


def serve(options: ServeOptions, announce: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight get ten seconds to end.

    Args:
        options: where and how.
        announce: called with the address once the socket listens.

    Raises:
        BundleError: a bundle is missing or changed.
        ServiceError: the port cannot be had, or the token file or a certificate cannot be read.
        MissingExtraError: traces are wanted and OpenTelemetry is not installed.
        PolyrankError: warming up failed.
    """
    listener = _listen(options.host, options.port)
    with listener:
        service = Service(
            Models(options.paths, options.workers),
            options.limits,
            guard=Guard(options.tokens) if options.tokens is not None else None,
            access_log=options.access_log,
            tracer=otlp_tracer() if options.trace else None,
            cache_bytes=options.cache_bytes,
        )
        server = DrainingServer(_config(service, options.tls), service, options.drain_s)
        service.on_failure = lambda: setattr(server, "should_exit", True)
        port = listener.getsockname()[1]
        if options.port_file is not None:
            _write_port(options.port_file, port)
        host = f"[{options.host}]" if ":" in options.host else options.host
        announce(f"{'http' if options.tls is None else 'https'}://{host}:{port}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises the signal again when it has stopped
        server.run(sockets=[listener])
    if options.port_file is not None:
        options.port_file.unlink(missing_ok=True)
    if service.failure is not None:
        raise service.failure


class DrainingServer(uvicorn.Server):
    """Tells callers to go elsewhere for a while before it stops listening."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_s: float) -> None:
        """Take what to run and how long to drain; a second signal stops at once."""
        super().__init__(config)
        self._service, self._drain_s = service, drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain."""
        if self._drain_s <= 0 or self._service.state.draining:
            self._service.state.draining = True
            super().handle_exit(sig, frame)
            return
        self._service.state.draining = True
        timer = threading.Timer(self._drain_s, super().handle_exit, (sig, frame))
        timer.daemon = True
        timer.start()


def _config(service: Service, tls: Tls | None) -> uvicorn.Config:
    secure: dict[str, Any] = {}
    if tls is not None:
        secure = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
        if tls.client_ca is not None:
            secure |= {"ssl_ca_certs": str(tls.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    config = uvicorn.Config(
        service.app(),
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        limit_concurrency=MAX_CONNECTIONS,
        ws="none",
        **secure,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ServiceError(
            f"cannot use the certificate {tls and tls.certificate}, its key or client CA: {error}"
        ) from error
    return config


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Accepted connections inherit it. asyncio sets it only on sockets that name their protocol, which these do not:
        # without it a kept-alive client waits 40 ms for each answer, which goes out in two writes.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ServiceError(f"cannot listen on {host} port {port}: {error.strerror}; choose another --port") from error


def _write_port(path: Path, port: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(path.name + ".part")
        staged.write_text(f"{port}\n", encoding="ascii")
        os.replace(staged, path)
    except OSError as error:
        raise ServiceError(f"cannot write the port file {path}: {error.strerror}") from error
