import os
from pathlib import Path

import pytest

from plugin.errors import NodeError
from plugin.processes import Daemon
from plugin.stack import Member, Stack, read_stack, stack_file, write_stack

GONE = Daemon(2**22 + 1, "no such process")


def member(name: str, port: int, daemon: Daemon = GONE) -> Member:
    return Member(name, port, daemon, Path("/log"), transport_port=port + 100, distribution="abc")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stack = Stack((member("node-1", 9200), member("node-2", 9201)), member("service", 8808))
    write_stack(stack, tmp_path)
    assert read_stack(tmp_path) == stack
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_no_file_is_an_empty_stack_and_an_empty_stack_leaves_no_file(tmp_path: Path) -> None:
    assert read_stack(tmp_path) == Stack()
    write_stack(Stack((member("node-1", 9200),)), tmp_path)
    write_stack(Stack(), tmp_path)
    assert not stack_file(tmp_path).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"format": 9}', '{"format": 1, "nodes": [{}], "service": null}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    stack_file(tmp_path).write_text(content)
    with pytest.raises(NodeError, match=r"stack\.json cannot be read"):
        read_stack(tmp_path)


def test_the_url_is_that_of_the_first_living_node() -> None:
    ourselves = Daemon(os.getpid(), "pytest")
    assert Stack((member("node-1", 9200),)).url is None
    assert Stack((member("node-1", 9200), member("node-2", 9201, ourselves))).url == "http://127.0.0.1:9201"


def test_a_node_started_again_takes_the_place_of_the_old_one() -> None:
    stack = Stack((member("node-1", 1), member("node-2", 2))).with_node(member("node-1", 3))
    assert [(node.name, node.port) for node in stack.nodes] == [("node-1", 3), ("node-2", 2)]
