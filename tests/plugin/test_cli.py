import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plugin.cli import main
from plugin.model_service import service_log
from plugin.processes import spawn, stop
from plugin.stack import Member, Stack, read_stack, write_stack


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def service(home: Path) -> Iterator[Member]:
    """A process in the place of the model service."""
    command = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(60)", "the-service"]
    log = service_log(home)
    log.parent.mkdir()
    daemon = spawn(command, token="the-service", log=log, folder=home, environment=os.environ)
    member = Member("service", 1, daemon, log)
    write_stack(Stack(service=member), home)
    yield member
    stop([daemon], patience_s=1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_status_of_nothing() -> None:
    assert json.loads(run("status", "--json").output) == {"nodes": [], "service": None}
    assert "nothing is running" in run("status").output


def test_a_killed_service_is_said_to_be_dead(service: Member) -> None:
    state = json.loads(run("status", "--json").output)["service"]
    assert (state["pid"], state["alive"], state["ready"]) == (service.daemon.pid, True, False)
    assert "runs but does not answer" in run("status").output
    stop([service.daemon], patience_s=0)
    state = json.loads(run("status", "--json").output)["service"]
    assert (state["pid"], state["alive"], state["url"]) == (service.daemon.pid, False, "http://127.0.0.1:1")
    said = run("status").output
    assert f"service is DEAD (was pid {service.daemon.pid}" in said
    assert "`plugin up` starts what is dead" in said


def test_down_stops_and_may_be_repeated(service: Member, home: Path) -> None:
    assert run("down").output == "stopped service\n"
    assert not service.alive
    assert read_stack(home) == Stack()
    again = run("down")
    assert (again.exit_code, again.output) == (0, "nothing is running\n")


def test_logs_prints_the_last_lines(home: Path) -> None:
    service_log(home).parent.mkdir()
    service_log(home).write_text("one\ntwo\nthree\n")
    assert run("logs", "service", "-n", "2").output == "two\nthree\n"


def test_logs_of_an_unknown_name_is_one_line_and_exit_code_1() -> None:
    result = run("logs", "node-7")
    assert result.exit_code == 1
    assert result.stderr == "error: there is no log of node-7; `plugin status` names what was started\n"


def test_a_heap_that_is_no_size_is_refused_before_anything_starts(home: Path) -> None:
    result = run("up", "--heap", "much")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --heap much: give a size")
    assert list(home.iterdir()) == []


def test_the_command_is_installed() -> None:
    done = subprocess.run([Path(sys.executable).with_name("plugin"), "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "up" in done.stdout
