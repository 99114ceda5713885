"""The whole stack through the `plugin` command, in a private home as a fresh clone has it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugin.errors import NodeError
from plugin.ground import ground_for
from plugin.node import NodeConfig, red_indices, wait_for_node
from plugin.processes import Daemon
from plugin.stack import read_stack
from rerank.home import polyrank_home
from tests.node.conftest import RunningNode


class Shell:
    """Runs `plugin` with its own polyrank home; downloads are those of the real one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "POLYRANK_HOME": str(home)}

    def plugin(self, *arguments: str, code: int = 0) -> str:
        command = [str(Path(sys.executable).with_name("plugin")), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self) -> Any:
        return json.loads(self.plugin("status", "--json"))


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    artifacts = polyrank_home() / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="polyrank-stack-"))  # mode 700
    (home / "artifacts").symlink_to(artifacts)
    shell = Shell(home)
    ground = ground_for(home).folder
    try:
        yield shell
    finally:
        shell.plugin("down", "--delete-data")
        shutil.rmtree(home)
        if ground != home:
            shutil.rmtree(ground)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        time.sleep(0.01)


def test_up_kill_up_down(shell: Shell) -> None:
    said = shell.plugin("up", "--nodes", "2", "--heap", "256m")
    assert "node-2 answers at" in said
    state = shell.status()
    assert [node["alive"] for node in state["nodes"]] == [True, True]
    assert state["service"]["ready"]
    url = state["nodes"][0]["url"]
    assert get(f"{url}/_cluster/health")["number_of_nodes"] == 2
    plugins = {(entry["name"], entry["component"]) for entry in get(f"{url}/_cat/plugins?format=json")}
    assert plugins == {(node, plugin) for node in ("node-1", "node-2") for plugin in ("opensearch-knn", "polyrank")}
    assert service_urls(url) == [state["service"]["url"]]

    shards = {"settings": {"index": {"number_of_shards": 6, "number_of_replicas": 0}}}
    httpx.put(f"{url}/spread", json=shards, timeout=120).raise_for_status()  # on both nodes

    kill(state["service"]["pid"])
    kill(state["nodes"][1]["pid"])
    state = shell.status()
    assert not state["service"]["alive"]
    assert [node["alive"] for node in state["nodes"]] == [True, False]
    assert "service is DEAD" in shell.plugin("status")

    said = shell.plugin("up", "--heap", "256m")
    assert "node-1 is already running" in said
    assert get(f"{url}/spread/_search")["_shards"] == {"total": 6, "successful": 6, "skipped": 0, "failed": 0}
    healed = shell.status()
    assert healed["nodes"][0]["pid"] == state["nodes"][0]["pid"]
    assert [node["ready"] for node in healed["nodes"]] == [True, True]
    assert healed["service"]["ready"]
    assert get(f"{url}/_cluster/health")["number_of_nodes"] == 2
    assert service_urls(url) == [healed["service"]["url"]]

    began = time.monotonic()
    assert "service is already running" in shell.plugin("up")
    assert time.monotonic() - began < 20
    assert "started" in shell.plugin("logs", "node-2", "-n", "500")

    pids = [member.daemon for member in read_stack(shell.home).members]
    assert shell.plugin("down") == "stopped node-1, node-2, service\n"
    assert not any(daemon.alive for daemon in pids)
    assert "2 nodes on disk" in shell.plugin("up", "--nodes", "1", code=1)


def service_urls(url: str) -> Any:
    return get(f"{url}/_cluster/settings")["persistent"]["polyrank"]["service"]["urls"]


def test_a_requested_port_in_use_is_said_at_once(shell: Shell) -> None:
    shell.plugin("down", "--delete-data")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is in use" in shell.plugin("up", "--port", str(port), code=1)
    assert shell.status() == {"nodes": [], "service": None}


def test_an_index_that_cannot_start_is_named_and_not_waited_for_forever(node: RunningNode) -> None:
    nowhere = {"settings": {"index.routing.allocation.require._name": "nobody"}}
    httpx.put(f"{node.url}/stranded?wait_for_active_shards=0", json=nowhere, timeout=120).raise_for_status()
    assert red_indices(node.url, patience_s=0.3) == ["stranded"]
    httpx.delete(f"{node.url}/stranded", timeout=120).raise_for_status()
    assert red_indices(node.url, patience_s=0.3) == []
    with pytest.raises(NodeError, match="does not tell the state of its indices"):
        red_indices("http://127.0.0.1:9", patience_s=0.3)


def test_another_node_that_took_the_port_is_not_taken_for_ours(node: RunningNode, tmp_path: Path) -> None:
    port = int(node.url.rpartition(":")[2])
    config = NodeConfig("late", tmp_path, port, 9399, ["127.0.0.1:9399"])
    ours = Daemon(os.getpid(), sys.executable)
    with pytest.raises(NodeError, match=rf"port {port} was taken by another OpenSearch \(pid {node.daemon.pid}\)"):
        wait_for_node(config, ours, nodes=1, patience_s=5)
