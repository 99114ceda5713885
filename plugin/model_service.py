"""The model service as a process of its own: `rerank serve` from the interpreter that runs this command."""

import os
import sys
import time
from pathlib import Path

from plugin.capacity import LOOPBACK
from plugin.errors import ServiceError
from plugin.node import answers
from plugin.processes import Daemon, ending, last_lines, spawn

_SERVE = "from rerank.cli import main; main(prog_name='rerank')"


def service_log(home: Path) -> Path:
    """The service's log below a polyrank home."""
    return home / "service" / "service.log"


def start_service(home: Path, port: int) -> Daemon:
    """Start the service on a loopback port; does not wait until it is ready."""
    folder = home / "service"
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / "port"
    command = [sys.executable, "-c", _SERVE, "serve", "--host", LOOPBACK, "--port", str(port)]
    command += ["--port-file", str(port_file)]
    environment = {**os.environ, "POLYRANK_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    return spawn(command, token=str(port_file), log=service_log(home), folder=folder, environment=environment)


def wait_for_service(url: str, daemon: Daemon, log: Path, *, patience_s: float = 300.0) -> None:
    """Return when `/ready` is answered with 200. Raises ServiceError with the log's end when that does not come."""
    deadline = time.monotonic() + patience_s
    while not answers(f"{url}/ready", timeout_s=5.0):
        ended = not daemon.alive
        if ended or time.monotonic() > deadline:
            what = f"was not ready within {patience_s:.0f} s"
            if ended:
                what = f"ended while it started ({ending(daemon) or 'nobody knows how'})"
            said = "\n  ".join(last_lines(log, 12)) or "(nothing)"
            raise ServiceError(f"the model service {what}; its log {log} ends with:\n  {said}")
        time.sleep(0.1)
