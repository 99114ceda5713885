"""One real node for the whole run (`node`) and one real model service (`service`), stopped by pid at the end."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from plugin.capacity import PortWish, choose_ports
from plugin.client import OpenSearch, connect
from plugin.model_service import service_log, start_service, wait_for_service
from plugin.orchestra import announce_service
from plugin.processes import Daemon, stop
from tests.node.engine_fixtures import bare_distribution, fake, rig, shop  # noqa: F401  (fixtures of test_engine_*.py)
from tests.node.own_node import own_node


@dataclass(frozen=True)
class RunningNode:
    """The embedded node of this run: its address, a client of it, and its log."""

    url: str
    client: OpenSearch
    log: Path
    daemon: Daemon

    def set_service_urls(self, *urls: str) -> None:
        """Point the node at these model services."""
        announce_service(self.url, list(urls))


@pytest.fixture(scope="session")
def node() -> Iterator[RunningNode]:
    """Start one node with our plugin: program files from the cache of the polyrank home, data of its own."""
    with own_node() as own:
        client, daemon = connect(own.config.url), own.daemon
        assert daemon is not None
        yield RunningNode(own.config.url, client, own.config.log, daemon)
        client.close()


@dataclass(frozen=True)
class RunningService:
    """The real model service of this run."""

    url: str
    daemon: Daemon

    def post(self, path: str, body: object) -> object:
        """Send JSON, expect success, return the answer."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


@pytest.fixture(scope="session")
def service_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The polyrank home of the service: tests put resources below it."""
    return tmp_path_factory.mktemp("service-home")


@pytest.fixture(scope="session")
def service(service_home: Path) -> Iterator[RunningService]:
    """Start `rerank serve` with the default bundles."""
    (port,) = choose_ports([PortWish(0)])
    daemon = start_service(service_home, port)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_service(url, daemon, service_log(service_home))
        yield RunningService(url, daemon)
    finally:
        stop([daemon])
