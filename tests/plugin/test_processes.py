import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.ground import User
from plugin.processes import Daemon, ending, last_lines, spawn, stop

PATIENT = "import time; print('started', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Daemon]:
    daemon = start(tmp_path, PATIENT)
    yield daemon
    stop([daemon], patience_s=1)


def start(folder: Path, code: str) -> Daemon:
    token = f"token-of-{folder.name}"
    command = [sys.executable, "-c", code, token]
    return spawn(command, token=token, log=folder / "log", folder=folder, environment=os.environ)


def wait_for_log(log: Path) -> None:
    while not log.read_text():
        time.sleep(0.02)


def test_a_daemon_lives_until_it_is_stopped(running: Daemon) -> None:
    assert running.alive
    assert running.memory_bytes
    stop([running])
    assert not running.alive
    assert running.memory_bytes is None


def test_another_process_with_its_pid_is_not_taken_for_it(running: Daemon) -> None:
    stranger = Daemon(running.pid, "token of a process that ended long ago")
    assert not stranger.alive
    stop([stranger], patience_s=0.2)
    assert running.alive


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    daemon = start(tmp_path, STUBBORN)
    wait_for_log(tmp_path / "log")
    stop([daemon], patience_s=0.3)
    assert not daemon.alive


def test_the_log_of_the_time_before_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("last time\n")
    daemon = start(tmp_path, PATIENT)
    wait_for_log(tmp_path / "log")
    stop([daemon])
    assert (tmp_path / "log.previous").read_text() == "last time\n"
    assert (tmp_path / "log").read_text() == "started\n"


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise SystemExit(3)", "exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ],
)
def test_how_a_daemon_ended_is_told_once(tmp_path: Path, code: str, how: str) -> None:
    daemon = start(tmp_path, code)
    while daemon.alive:
        time.sleep(0.02)
    assert ending(daemon) == how
    assert ending(daemon) is None


def test_one_that_runs_has_no_ending(running: Daemon) -> None:
    assert ending(running) is None
    assert running.alive


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as another user")
def test_a_daemon_runs_as_the_user_it_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["/bin/sh", "-c", "id -u; id -g; id -G # token"]
    daemon = spawn(
        command, token="# token", log=log, folder=Path("/"), environment=os.environ, user=User("x", 54321, 54322)
    )
    while daemon.alive or log.read_text().count("\n") < 3:
        time.sleep(0.02)
    assert log.read_text().split() == ["54321", "54322", "54322"]


def test_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log, 3) == []
    log.write_text("a\nb\nc\nd\n")
    assert last_lines(log, 3) == ["b", "c", "d"]
    assert last_lines(log, 0) == []
