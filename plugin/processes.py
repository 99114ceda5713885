"""Processes that outlive the command that started them: known again by pid and command line, stopped by pid."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from plugin.ground import User


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process we started: its pid, and a `token` that stands in its command line and in no other's.

    The token, not the start time, tells it from a later process with the same pid: start times move when the clock
    is set.
    """

    pid: int
    token: str

    @property
    def alive(self) -> bool:
        """Say whether the process still runs; a zombie or another process with its pid does not count."""
        return self._process() is not None

    @property
    def memory_bytes(self) -> int | None:
        """Resident memory, or None when the process is gone."""
        process = self._process()
        try:
            return int(process.memory_info().rss) if process else None
        except psutil.NoSuchProcess:
            return None

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            here = process.status() != psutil.STATUS_ZOMBIE and self.token in " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process if here else None


def spawn(
    command: Sequence[str],
    *,
    token: str,
    log: Path,
    folder: Path,
    environment: Mapping[str, str],
    user: User | None = None,
) -> Daemon:
    """Start `command` in a session of its own, its output in `log`, its folder `folder`, as `user` when one is given.

    The log of the time before is kept as `<log>.previous`. The command line must hold `token`.
    """
    if log.exists():
        log.replace(log.with_name(log.name + ".previous"))
    identity = {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )
    process.returncode = 0  # it is meant to outlive us: no warning when the handle is collected
    _wait_named(process.pid)
    return Daemon(process.pid, token)


def ending(daemon: Daemon) -> str | None:
    """Say how a daemon that this process started has ended: `exit status 1`, `SIGSEGV`; None when that is not known."""
    try:
        pid, status = os.waitpid(daemon.pid, os.WNOHANG)
    except ChildProcessError:
        return None
    if pid == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name


def stop(daemons: Sequence[Daemon], *, patience_s: float = 20.0) -> None:
    """Ask each daemon to end (SIGTERM), all at once; kill (SIGKILL) those that have not after `patience_s` seconds."""
    for daemon in daemons:
        _signal(daemon, signal.SIGTERM)
    _wait_gone(daemons, patience_s)
    for daemon in daemons:
        _signal(daemon, signal.SIGKILL)
    _wait_gone(daemons, 5.0)


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log, oldest first; none when there is no log. Reads at most its last MB."""
    if count <= 0 or not log.is_file():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 1_000_000))
        return stream.read().decode("utf-8", "replace").splitlines()[-count:]


def _signal(daemon: Daemon, number: signal.Signals) -> None:
    if daemon.alive:
        try:
            os.kill(daemon.pid, number)
        except ProcessLookupError:
            return


def _wait_named(pid: int, patience_s: float = 5.0) -> None:
    """Wait until the process carries its command line: for a moment after it was started the kernel shows an empty one,
    which would pass for a process that has ended."""
    deadline = time.monotonic() + patience_s
    while _nameless(pid) and time.monotonic() < deadline:
        time.sleep(0.002)


def _nameless(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and not process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _wait_gone(daemons: Sequence[Daemon], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while any(daemon.alive for daemon in daemons) and time.monotonic() < deadline:
        time.sleep(0.05)
    for daemon in daemons:
        ending(daemon)  # collected where it is our own child, so that no zombie stays behind in a long run
