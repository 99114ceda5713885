import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ingest.errors import LOCKED, LockedError, exit_code_of
from ingest.lock import locked


def hold(home: str, ready: Connection) -> None:
    os.environ["POLYRANK_HOME"] = home
    with locked("shop", "cluster"):
        ready.send(os.getpid())
        signal.pause()


def test_a_second_run_is_told_who_holds_the_lock_and_a_killed_one_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    holder = context.Process(target=hold, args=(str(tmp_path), there))
    holder.start()
    try:
        assert here.poll(60)
        pid = here.recv()
        said = rf"another run \(process {pid}, since .*\) writes into shop"
        with pytest.raises(LockedError, match=said) as caught, locked("shop", "cluster"):
            raise AssertionError("both hold it")
        assert exit_code_of(caught.value) == LOCKED == 75
        with locked("shop", "another cluster"), locked("other", "cluster"):
            pass
    finally:
        holder.kill()
        holder.join()
    with locked("shop", "cluster"):
        pass
    here.close()
    there.close()
