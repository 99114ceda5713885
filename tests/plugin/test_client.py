import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from plugin.capacity import PortWish, choose_ports
from plugin.client import cluster_errors, connect
from plugin.errors import ClusterError
from rerank.errors import PolyrankError


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_any_address_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYRANK_URL", raising=False)
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    with pytest.raises(ClusterError, match="no node is running: start one with `plugin up`"):
        connect()


def test_the_address_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, {"status": "green"}) as url:
        monkeypatch.setenv("POLYRANK_URL", url)
        client = connect()
        assert client.cluster.health()["status"] == "green"
        client.close()


def test_nothing_listening_is_a_cluster_error() -> None:
    (port,) = choose_ports([PortWish(0)])
    client = connect(f"http://127.0.0.1:{port}")
    said = r"^count products: the cluster cannot be reached"
    with pytest.raises(ClusterError, match=said), cluster_errors("count products"):
        client.count()
    client.close()


def test_a_refusal_carries_status_and_reasons() -> None:
    error = {"reason": "all shards failed", "root_cause": [{"reason": "field [x] is not a vector"}]}
    with answering(400, {"error": error, "status": 400}) as url:
        client = connect(url)
        expected = r"^search: OpenSearch answered 400: all shards failed; field \[x\] is not a vector$"
        with pytest.raises(ClusterError, match=expected) as caught, cluster_errors("search"):
            client.cluster.health()
        client.close()
    assert isinstance(caught.value, PolyrankError)
    assert caught.value.__cause__ is not None


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), cluster_errors("search"):
        raise KeyError("ours")
