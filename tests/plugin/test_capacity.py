import socket
from pathlib import Path

import pytest

from plugin.capacity import (
    NODE_OVERHEAD_MB,
    SERVICE_MB,
    PortWish,
    available_mb,
    check_memory,
    choose_ports,
    heap_mb,
)
from plugin.errors import NodeError, OutOfMemoryError, PortTakenError


def test_heap_sizes() -> None:
    assert heap_mb("512m") == 512
    assert heap_mb(" 2G ") == 2 * 1024


@pytest.mark.parametrize("text", ["", "512", "128m", "1.5g", "lots"])
def test_other_heap_sizes_are_refused(text: str) -> None:
    with pytest.raises(NodeError, match="at least 256m"):
        heap_mb(text)


def test_memory_is_compared_with_nodes_and_service() -> None:
    needed = 3 * (512 + NODE_OVERHEAD_MB) + SERVICE_MB
    check_memory(3, 512, needed, service=True)
    with pytest.raises(OutOfMemoryError, match=rf"3 nodes .* and the model service need about {needed} MB"):
        check_memory(3, 512, needed - 1, service=True)
    check_memory(0, 512, 0, service=False)


def test_a_container_limit_counts_when_it_is_less(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{300 << 20}\n")
    (tmp_path / "memory.current").write_text(f"{200 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {50 << 20}\n")
    assert available_mb(tmp_path) == 300 - 200 + 50
    (tmp_path / "memory.max").write_text("max\n")
    assert available_mb(tmp_path) > 150
    assert available_mb(tmp_path / "none") > 150


def test_a_required_port_in_use_is_an_error_and_a_preferred_one_gives_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} on 127.0.0.1 is in use"):
            choose_ports([PortWish(port, required=True)])
        (other,) = choose_ports([PortWish(port)])
    assert other != port
    assert choose_ports([PortWish(other, required=True)]) == [other]


def test_ports_are_all_different_and_a_required_one_is_served_first() -> None:
    (port,) = choose_ports([PortWish(0)])
    chosen = choose_ports([PortWish(port), PortWish(0), PortWish(port, required=True)])
    assert len(set(chosen)) == 3
    assert chosen[2] == port
