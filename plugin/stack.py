"""What `plugin up` started, kept in `stack.json` of the polyrank home, so that every command finds it."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from plugin.capacity import LOOPBACK
from plugin.errors import NodeError
from plugin.processes import Daemon
from rerank.home import polyrank_home

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Member:
    """A node or the service: its name, where it answers, its process and its log.

    `transport_port` and `distribution` (the folder it runs from) are a node's alone.
    """

    name: str
    port: int
    daemon: Daemon
    log: Path
    transport_port: int = 0
    distribution: str = ""

    @property
    def url(self) -> str:
        """Its address on this machine."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def alive(self) -> bool:
        """Say whether its process runs; a running one may still not answer."""
        return self.daemon.alive


@dataclass(frozen=True, slots=True)
class Stack:
    """The nodes in name order, and the model service when there is one."""

    nodes: tuple[Member, ...] = ()
    service: Member | None = None

    @property
    def url(self) -> str | None:
        """The address of the first node that lives, None when none does."""
        return next((node.url for node in self.nodes if node.alive), None)

    @property
    def members(self) -> tuple[Member, ...]:
        """Nodes and service."""
        return (*self.nodes, *((self.service,) if self.service else ()))

    def with_node(self, node: Member) -> "Stack":
        """Return the stack with `node` in place of the one of its name, or added."""
        others = [other for other in self.nodes if other.name != node.name]
        return replace(self, nodes=tuple(sorted([*others, node], key=lambda member: member.name)))


def stack_file(home: Path | None = None) -> Path:
    """Where the state is kept."""
    return (home or polyrank_home()) / "stack.json"


def read_stack(home: Path | None = None) -> Stack:
    """Read the state of a polyrank home (default: the configured one); an empty stack when there is none.

    Raises NodeError when the file is damaged.
    """
    path = stack_file(home)
    try:
        data = json.loads(path.read_text())
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']}")
        nodes = tuple(_member(entry) for entry in data["nodes"])
        return Stack(nodes, _member(data["service"]) if data["service"] else None)
    except FileNotFoundError:
        return Stack()
    except (ValueError, KeyError, TypeError) as error:
        raise NodeError(
            f"{path} cannot be read ({error!r}); stop what it started by hand if anything runs, and remove it"
        ) from error


def write_stack(stack: Stack, home: Path) -> None:
    """Replace the state in one step; an empty stack removes the file."""
    path = stack_file(home)
    if not stack.members:
        path.unlink(missing_ok=True)
        return
    data = {"format": _FORMAT, "nodes": [asdict(node) for node in stack.nodes]}
    data["service"] = asdict(stack.service) if stack.service else None
    incoming = path.with_name(f".{path.name}.{os.getpid()}")
    incoming.write_text(json.dumps(data, indent=1, default=str) + "\n")
    incoming.replace(path)


def _member(entry: dict[str, Any]) -> Member:
    daemon = Daemon(int(entry["daemon"]["pid"]), str(entry["daemon"]["token"]))
    return Member(**{**entry, "daemon": daemon, "log": Path(entry["log"])})
