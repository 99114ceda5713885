"""Bringing the whole stack up and down: nodes, model service, and the setting that tells the nodes of the service.

`up` may be run again at any time: what runs is left alone, what died is started again, what is missing is added.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from plugin.artifacts import ArtifactStore
from plugin.build import build_plugin, descriptor
from plugin.capacity import LOOPBACK, PortWish, available_mb, check_memory, choose_ports
from plugin.client import cluster_errors, connect
from plugin.errors import NodeError
from plugin.ground import Ground, ground_for, sweep_abandoned
from plugin.layout import Distribution, add_plugin, lay_out
from plugin.model_service import service_log, start_service, wait_for_service
from plugin.node import NodeConfig, node_log, red_indices, start_node, wait_for_node
from plugin.processes import stop
from plugin.progress import ProgressFactory, silent
from plugin.stack import Member, Stack, read_stack, write_stack

_HTTP_PORT, _SERVICE_PORT = 9200, 8808
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What is asked of `up`. `nodes` None: as many as there were, else one. `heap` in MB. Ports None: free ones."""

    nodes: int | None = None
    heap: int = 512
    port: int | None = None
    service: bool = True
    service_port: int | None = None


def prepare(home: Path, ground: Ground, progress: ProgressFactory = silent) -> Distribution:
    """Lay out OpenSearch with k-NN and our own plugin, building the plugin when its sources changed."""
    base = lay_out(ground, ArtifactStore(home / "artifacts"), progress=progress)
    return add_plugin(base, descriptor()["name"], build_plugin(home / "artifacts", base))


def up(home: Path, options: UpOptions, say: Say, progress: ProgressFactory = silent) -> Stack:
    """Bring the stack of `home` to what `options` ask, saying what is done; return it when everything answers.

    Raises OutOfMemoryError, PortTakenError, ArtifactError, BuildError, NodeError or ServiceError. What this call had
    started is stopped again when a later step of it fails.
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".stack.lock"):
        for place in sweep_abandoned():
            say(f"removed {place}, whose polyrank home is gone")
        before = read_stack(home)
        ground = ground_for(home)
        if ground.user and ground.moved:
            say(
                f"OpenSearch does not run as root: it runs as {ground.user.name}, who cannot enter {home}, "
                f"so its files are in {ground.folder}"
            )
        names = _names(options, before, ground)
        living = [node for node in before.nodes if node.alive]
        missing = [name for name in names if name not in {node.name for node in living}]
        serve = options.service and not (before.service and before.service.alive)
        check_memory(len(missing), options.heap, available_mb(), service=serve)
        stack = replace(before, nodes=tuple(living))
        stack = replace(stack, service=None if serve else before.service)
        _say_running(stack, say)
        distribution = prepare(home, ground, progress)
        _say_outdated(stack, distribution, say)
        launch = _Launch(home, ground, distribution, options, say)
        try:
            stack = launch.start(stack, before, missing, serve=serve)
            launch.wait(stack, cluster_size=len(stack.nodes))
        except BaseException:
            stop([member.daemon for member in launch.started])
            names_started = {member.name for member in launch.started}
            write_stack(_without(stack, names_started), home)
            raise
        return stack


def down(home: Path, say: Say, *, delete_data: bool = False) -> None:
    """Stop everything that `up` started: politely, then by force. `delete_data` removes the nodes' indices too."""
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".stack.lock"):
        stack = read_stack(home)
        alive = [member for member in stack.members if member.alive]
        stop([member.daemon for member in alive])
        left = [member.name for member in alive if member.alive]
        if left:
            raise NodeError(f"{', '.join(left)} did not stop; end the process by hand (`plugin status` has its pid)")
        write_stack(Stack(), home)
        say(f"stopped {', '.join(member.name for member in alive)}" if alive else "nothing is running")
        if delete_data:
            for folder in (ground_for(home, make=False).folder / "nodes").glob("node-*"):
                shutil.rmtree(folder)
            say("removed the nodes' data")


class _Launch:
    """One call of `up`: starts processes, and remembers which, so that a failure can take them back."""

    def __init__(self, home: Path, ground: Ground, distribution: Distribution, options: UpOptions, say: Say) -> None:
        self.home, self.ground, self.distribution = home, ground, distribution
        self.options, self.say = options, say
        self.started: list[Member] = []
        self._configs: list[tuple[NodeConfig, Member]] = []

    def start(self, stack: Stack, before: Stack, missing: list[str], *, serve: bool) -> Stack:
        """Start the missing nodes and the service together; write the state after each, so that `down` knows all."""
        http, transport, service_port = self._ports(before, missing, serve=serve)
        if serve:
            log = service_log(self.home)
            service = Member("service", service_port, start_service(self.home, service_port), log)
            stack = self._keep(replace(stack, service=service), service)
        seeds = [f"{LOOPBACK}:{port}" for port in [*(node.transport_port for node in stack.nodes), *transport]]
        for name, http_port, transport_port in zip(missing, http, transport, strict=True):
            folder = self.ground.subfolder("nodes") / name
            config = NodeConfig(
                name, folder, http_port, transport_port, seeds, self.options.heap, founder=name == _name(1)
            )
            daemon = start_node(config, self.distribution, self.ground)
            node = Member(name, http_port, daemon, node_log(folder), transport_port, self.distribution.home.name)
            self._configs.append((config, node))
            stack = self._keep(stack.with_node(node), node)
        return stack

    def wait(self, stack: Stack, *, cluster_size: int) -> None:
        """Wait until everything that was started answers, and tell the nodes where the service is."""
        began = time.monotonic()
        service = stack.service
        if service and service in self.started:  # first, as it is the quicker one to fail
            wait_for_service(service.url, service.daemon, service.log)
            self.say(f"service answers at {service.url} ({time.monotonic() - began:.1f} s)")
        for config, node in self._configs:
            wait_for_node(config, node.daemon, nodes=cluster_size)
            self.say(f"{node.name} answers at {node.url} ({time.monotonic() - began:.1f} s)")
        if self._configs and stack.url and (red := red_indices(stack.url)):
            self.say(
                f"searches of {', '.join(red)} will fail: not all shards have started, as when a node with their data "
                "is missing (`plugin status` lists the nodes)"
            )
        if service and self.started and stack.url:
            announce_service(stack.url, [service.url])

    def _keep(self, stack: Stack, member: Member) -> Stack:
        self.started.append(member)
        write_stack(stack, self.home)
        return stack

    def _ports(self, before: Stack, missing: list[str], *, serve: bool) -> tuple[list[int], list[int], int]:
        """HTTP and transport ports of the missing nodes and the service's port (0 without one).

        HTTP and service ports asked for must be free; else those of last time, else the usual ones, else any.
        """
        last, options = {member.name: member for member in before.members}, self.options
        http, transport = [], []
        for name in missing:
            offset = int(name.rpartition("-")[2]) - 1
            known = last.get(name)
            usual = known.port if known else _HTTP_PORT + offset
            http.append(PortWish(options.port + offset, required=offset == 0) if options.port else PortWish(usual))
            transport.append(PortWish(0))  # nobody needs to know it, and two clusters started at once never meet
        usual = last["service"].port if "service" in last else _SERVICE_PORT
        service = PortWish(options.service_port or usual, required=bool(options.service_port))
        ports = choose_ports([*http, *transport, *([service] if serve else [])])
        count = len(missing)
        return ports[:count], ports[count : 2 * count], ports[-1] if serve else 0


def announce_service(node_url: str, service_urls: list[str]) -> None:
    """Set the cluster's `polyrank.service.urls`. Raises ClusterError when the cluster refuses it."""
    with cluster_errors("tell the cluster of the model service"):
        connect(node_url).cluster.put_settings(body={"persistent": {"polyrank.service.urls": service_urls}})


def _names(options: UpOptions, before: Stack, ground: Ground) -> list[str]:
    known = {node.name for node in before.nodes} | {path.parent.name for path in ground.folder.glob("nodes/*/data")}
    on_disk = len([name for name in known if name.startswith("node-")])
    count = options.nodes or max(on_disk, 1)
    if count < on_disk and not any(node.alive for node in before.nodes):
        raise NodeError(
            f"this cluster has {on_disk} nodes on disk and finds no majority with {count}; start it with --nodes "
            f"{on_disk}, or begin anew after `plugin down --delete-data`"
        )
    return [_name(number) for number in range(1, count + 1)]


def _name(number: int) -> str:
    return f"node-{number}"


def _without(stack: Stack, names: set[str]) -> Stack:
    service = stack.service if stack.service and stack.service.name not in names else None
    return Stack(tuple(node for node in stack.nodes if node.name not in names), service)


def _say_running(stack: Stack, say: Say) -> None:
    for member in stack.members:
        say(f"{member.name} is already running at {member.url} (pid {member.daemon.pid})")


def _say_outdated(stack: Stack, distribution: Distribution, say: Say) -> None:
    old = [node.name for node in stack.nodes if node.distribution != distribution.home.name]
    if old:
        say(f"{', '.join(old)} runs an older build of the plugin; `plugin down` and `plugin up` load the new one")
