"""Bind, serve until told to stop, stop gracefully."""

import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from rerank.service.app import Service
from rerank.service.faults import ServiceError
from rerank.service.models import ModelPaths, Models
from rerank.service.requests import Limits

GRACE_SECONDS = 10
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve. `port` 0 takes a free one; `port_file` gets the number once the socket listens."""

    host: str = "127.0.0.1"
    port: int = 8808
    port_file: Path | None = None
    threads: int = 0
    access_log: bool = False
    paths: ModelPaths = field(default_factory=ModelPaths)
    limits: Limits = field(default_factory=Limits)


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
        ServiceError: the port cannot be had.
        PolyrankError: warming up failed.
    """
    listener = _listen(options.host, options.port)
    with listener:
        service = Service(
            Models(options.paths, options.threads or default_threads()), options.limits, access_log=options.access_log
        )
        config = uvicorn.Config(
            service.app(),
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,
            ws="none",
        )
        server = uvicorn.Server(config)
        service.on_failure = lambda: setattr(server, "should_exit", True)
        port = listener.getsockname()[1]
        if options.port_file is not None:
            _write_port(options.port_file, port)
        announce(f"http://{options.host}:{port}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises the signal again when it has stopped
        server.run(sockets=[listener])
    if options.port_file is not None:
        options.port_file.unlink(missing_ok=True)
    if service.failure is not None:
        raise service.failure


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
