"""What the machine has to offer before a node is started: memory and ports."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from plugin.errors import NodeError, OutOfMemoryError, PortTakenError

LOOPBACK = "127.0.0.1"
NODE_OVERHEAD_MB = 300
"""What a node takes beside its heap: an idle one was 380-530 MB at a heap of 512."""
SERVICE_MB = 500
_UNITS_MB = {"m": 1, "g": 1024}


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port that would be nice to have (0: any), or that must be had."""

    port: int
    required: bool = False


def heap_mb(text: str) -> int:
    """Read a heap size such as `512m` or `2g` as MB. Raises NodeError for anything else and below 256m."""
    match = re.fullmatch(r"(\d+)([mg])", text.strip().lower())
    size = int(match[1]) * _UNITS_MB[match[2]] if match else 0
    if size < 256:
        raise NodeError(f"--heap {text}: give a size of at least 256m, such as 512m or 2g")
    return size


def available_mb(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory that can be taken without swapping, in MB: the machine's, or the container's when less."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        cache = re.search(r"^inactive_file (\d+)", (cgroup / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return free >> 20
    if limit.isdigit():
        free = min(free, int(limit) - used + (int(cache[1]) if cache else 0))
    return max(free, 0) >> 20


def check_memory(nodes: int, heap: int, available: int, *, service: bool) -> None:
    """Raise OutOfMemoryError when `nodes` nodes of `heap` MB heap (and the service) need more than `available` MB."""
    needed = nodes * (heap + NODE_OVERHEAD_MB) + (SERVICE_MB if service else 0)
    if needed > available:
        what = f"{nodes} node{'s' if nodes > 1 else ''} with a heap of {heap} MB" if nodes else ""
        parts = " and ".join(filter(None, [what, "the model service" if service else ""]))
        raise OutOfMemoryError(
            f"{parts} need about {needed} MB and {available} MB are free; close something, ask for fewer nodes, "
            "or give a smaller --heap (256m at least)"
        )


def choose_ports(wishes: Sequence[PortWish]) -> list[int]:
    """Return one free loopback port per wish, in their order, no two alike.

    A required port that is in use raises PortTakenError; in place of another that is in use, any free port is given.
    The ports are free at the time of the call; nothing holds them.
    """
    held: dict[int, socket.socket] = {}
    try:
        for place, wish in sorted(enumerate(wishes), key=lambda item: not item[1].required):
            sock = _bind(wish.port) or (None if wish.required else _bind(0))
            if sock is None:
                raise PortTakenError(
                    f"port {wish.port} on {LOOPBACK} is in use: choose another, or stop what listens there"
                )
            held[place] = sock
        return [int(held[place].getsockname()[1]) for place in range(len(wishes))]
    finally:
        for sock in held.values():
            sock.close()


def _bind(port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a server
        sock.bind((LOOPBACK, port))
        sock.listen()
    except OSError:
        sock.close()
        return None
    return sock
