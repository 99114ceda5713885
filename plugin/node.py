"""One embedded OpenSearch node: its configuration files, its start, and how to tell that it answers."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugin.capacity import LOOPBACK
from plugin.errors import NodeError
from plugin.ground import Ground
from plugin.java import Java
from plugin.layout import Distribution
from plugin.processes import Daemon, last_lines, spawn

CLUSTER = "polyrank"
_LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n%throwable
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.deprecation.name = org.opensearch.deprecation
logger.deprecation.level = error
"""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How one node is started. `seeds` are the transport addresses of all nodes of the cluster, its own included.

    `founder` is true for the one node that forms the cluster when there is none yet. `heap` is in MB. `settings` are
    put into its `opensearch.yml` besides.
    """

    name: str
    folder: Path
    http_port: int
    transport_port: int
    seeds: Sequence[str]
    heap: int = 512
    founder: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the node answers."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def log(self) -> Path:
        """What the node says."""
        return node_log(self.folder)


def node_log(folder: Path) -> Path:
    """The log of the node whose files are in `folder`."""
    return folder / "logs" / "node.log"


def start_node(config: NodeConfig, distribution: Distribution, ground: Ground) -> Daemon:
    """Write the node's configuration and start it, as the ground's user; does not wait until it answers."""
    config.folder.mkdir(parents=True, exist_ok=True)
    config.folder.chmod(0o755)
    for name in ("config", "data", "logs", "tmp"):
        (config.folder / name).mkdir(exist_ok=True)
        ground.give(config.folder / name)
    settings = json.dumps(node_settings(config), indent=1)
    (config.folder / "config" / "opensearch.yml").write_text(settings + "\n")  # JSON is YAML
    (config.folder / "config" / "log4j2.properties").write_text(_LOGGING)
    token = f"-Dopensearch.path.conf={config.folder / 'config'}"
    command = [str(distribution.java), *jvm_options(config, distribution.runtime), token]
    command += [f"-Dopensearch.path.home={distribution.home}", "-cp", f"{distribution.home}/lib/*"]
    command += ["org.opensearch.bootstrap.OpenSearch"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(config.folder), "LC_ALL": "C.UTF-8"}
    return spawn(command, token=token, log=config.log, folder=config.folder, environment=environment, user=ground.user)


def node_settings(config: NodeConfig) -> dict[str, Any]:
    """The node's `opensearch.yml`: loopback only, quiet, and no stop when the developer's disk is nearly full."""
    settings: dict[str, Any] = {
        "cluster.name": CLUSTER,
        "node.name": config.name,
        "path.data": str(config.folder / "data"),
        "path.logs": str(config.folder / "logs"),
        "network.host": LOOPBACK,
        "http.port": config.http_port,
        "transport.port": config.transport_port,
        "discovery.seed_hosts": list(config.seeds),
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    if config.founder:
        settings["cluster.initial_cluster_manager_nodes"] = [config.name]
    return settings | dict(config.settings)


def jvm_options(config: NodeConfig, runtime: Java) -> list[str]:
    """The options of the Java command, without the ones that name paths of the distribution."""
    options = [
        f"-Xms{config.heap}m",
        f"-Xmx{config.heap}m",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-Dfile.encoding=UTF-8",
        "-Djava.awt.headless=true",
        "-Dlog4j2.disableJmx=true",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dio.netty.noUnsafe=true",
        "-Dopensearch.networkaddress.cache.ttl=60",
        # 10,000 levels overflow the stack of OpenSearch's parser, and end the node
        "-Dopensearch.xcontent.depth.max=250",
        "--enable-native-access=ALL-UNNAMED",
        f"-Djava.io.tmpdir={config.folder / 'tmp'}",
    ]
    options.append(f"-Djava.locale.providers={'SPI,CLDR' if runtime.bundled else 'CLDR'}")
    if "jdk.incubator.vector" in runtime.modules:
        options.append("--add-modules=jdk.incubator.vector")
    return options


def answers(url: str, *, timeout_s: float = 1.0) -> bool:
    """Say whether a GET of `url` is answered with a success within `timeout_s` seconds."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            return bool(200 <= response.status < 300)
    except (OSError, ValueError, urllib.error.HTTPError):
        return False


def wait_for_node(config: NodeConfig, daemon: Daemon, *, nodes: int, patience_s: float = 300.0) -> None:
    """Return when the node itself answers and sees a cluster of at least `nodes` nodes.

    Raises NodeError with the last lines of the log when the node ends or `patience_s` seconds pass, and when another
    node answers in its place.
    """
    deadline = time.monotonic() + patience_s
    health = f"{config.url}/_cluster/health?wait_for_nodes=>={nodes}&timeout=1s"
    while not (_serves(config, daemon) and answers(health, timeout_s=3.0)):
        if not daemon.alive:
            raise NodeError(f"{config.name} ended while it started; {_tail(config.log)}")
        if time.monotonic() > deadline:
            raise NodeError(f"{config.name} did not answer within {patience_s:.0f} s; {_tail(config.log)}")
        time.sleep(0.1)


def red_indices(url: str, *, patience_s: float = 60.0) -> list[str]:
    """Return the indices that a search cannot use yet: some shard of theirs has not started after `patience_s` seconds.

    A node answers before its shards have started; returns as soon as every index is at least yellow, with none.
    Raises NodeError when the node does not tell in that time.
    """
    deadline = time.monotonic() + patience_s
    while True:
        late = time.monotonic() > deadline
        try:
            with urllib.request.urlopen(f"{url}/_cluster/health?level=indices&timeout=5s", timeout=10.0) as response:
                indices = json.load(response)["indices"]
        except (OSError, ValueError) as error:
            if late:
                raise NodeError(f"{url} does not tell the state of its indices: {error}") from error
        else:
            red = sorted(name for name, index in indices.items() if index["status"] == "red")
            if not red or late:
                return red
        time.sleep(0.1)


def _serves(config: NodeConfig, daemon: Daemon) -> bool:
    """Say whether the node answers. Two nodes started at once may have been given one port: only one gets it."""
    try:
        with urllib.request.urlopen(f"{config.url}/_nodes/_local/process", timeout=3.0) as response:
            found = json.load(response)["nodes"].values()
    except (OSError, ValueError, KeyError):
        return False
    pid = next((node["process"]["id"] for node in found), None)
    if pid not in (None, daemon.pid):
        raise NodeError(
            f"port {config.http_port} was taken by another OpenSearch (pid {pid}) while {config.name} started;"
            " run `plugin up` again: it finds a free port"
        )
    return pid == daemon.pid


def _tail(log: Path) -> str:
    said = [line for line in last_lines(log, 200) if not line.startswith(("\tat ", "\t... "))]  # no stack traces
    lines = "\n  ".join(said[-12:])
    return f"its log {log} ends with:\n  {lines}" if lines else f"its log {log} is empty"
