"""A node of one's own, with data in a folder that goes away; it can be stopped and started again."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plugin.capacity import PortWish, choose_ports
from plugin.ground import ground_for
from plugin.node import NodeConfig, start_node, wait_for_node
from plugin.orchestra import prepare
from plugin.processes import Daemon, stop
from plugin.progress import download_bar
from rerank.home import polyrank_home

KEEP = Path(__file__).with_name("KeepSecret.java")


class OwnNode:
    """One embedded node with our plugin, from the program files in the polyrank home."""

    def __init__(self, name: str = "test", settings: Mapping[str, Any] | None = None) -> None:
        """Place the program files; start nothing. `settings` go into its `opensearch.yml`."""
        home = polyrank_home()
        self._ground = ground_for(home)
        self._distribution = prepare(home, self._ground, download_bar)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._ground.subfolder("nodes")))
        http_port, transport_port = choose_ports([PortWish(0), PortWish(0)])
        self.config = NodeConfig(
            name, folder, http_port, transport_port, [f"127.0.0.1:{transport_port}"], settings=settings or {}
        )
        self.daemon: Daemon | None = None

    def keep_secret(self, name: str, value: str) -> None:
        """Make the node's keystore with this secret in it, as `opensearch-keystore add` does."""
        folder = self.config.folder / "config"
        folder.mkdir(exist_ok=True)
        self._ground.give(folder)
        distribution, classes = self._distribution, self.config.folder / "classes"
        compiler = [
            str(distribution.java),
            "-cp",
            str(distribution.ecj),
            "org.eclipse.jdt.internal.compiler.batch.Main",
        ]
        path = os.pathsep.join(map(str, distribution.classpath))
        subprocess.run(
            [*compiler, "-source", "21", "-target", "21", "-nowarn", "-cp", path, "-d", classes, KEEP], check=True
        )
        keep = [str(distribution.java), "-cp", f"{classes}{os.pathsep}{path}", "KeepSecret", str(folder), name]
        subprocess.run(keep, input=value, text=True, check=True, capture_output=True)
        self._ground.give(folder / "opensearch.keystore")

    def start(self) -> Daemon:
        """Start it and wait until it answers."""
        self.daemon = start_node(self.config, self._distribution, self._ground)
        wait_for_node(self.config, self.daemon, nodes=1)
        return self.daemon

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self.daemon is not None:
            stop([self.daemon])
            self.daemon = None

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self.config.folder)


@contextmanager
def own_node(name: str = "test") -> Iterator[OwnNode]:
    """Start a node; stop it and delete its data at the end."""
    node = OwnNode(name)
    try:
        node.start()
        yield node
    finally:
        node.remove()
