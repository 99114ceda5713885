"""Runs of `ingest` as processes of their own, which can be killed; and all that an index holds, to compare."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plugin.client import OpenSearch
from plugin.scan import checkpoints, scan_index
from tests.node.traps import PLACES

PROGRAM = "from ingest.cli import main; main()"
IDLE = ("--no-embed", "--no-translate", "--no-pipeline", "--json")
"""Options for runs that are about writing alone."""


@dataclass(frozen=True)
class Ingest:
    """How to start `ingest run` over one feed, with a polyrank home of its own. `program` is what the process runs."""

    feed: Path
    alias: str
    url: str
    home: Path
    options: Sequence[str] = IDLE
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    program: str = PROGRAM

    def start(self) -> subprocess.Popen[bytes]:
        """Start a run."""
        command = [sys.executable, "-c", self.program, "run", str(self.feed)]
        command += ["--index", self.alias, "--url", self.url, *self.options]
        environment = {**self.environment, "POLYRANK_HOME": str(self.home)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finish(self, timeout_s: float = 600) -> float:
        """Run to the end; return the seconds it took. Raises AssertionError when it fails."""
        begin = time.perf_counter()
        process = self.start()
        _, said = process.communicate(timeout=timeout_s)
        if process.returncode != 0:
            raise AssertionError(f"ingest ended with {process.returncode}: {said.decode()[-2000:]}")
        return time.perf_counter() - begin

    def kill_after(self, seconds: float) -> bool:
        """Start a run and kill it, unless it kills itself before; return False when it ended in peace.

        Raises AssertionError when it failed.
        """
        process = self.start()
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        if process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"ingest ended with {process.returncode}: {said.decode()[-2000:]}")
        return process.returncode != 0


def kill_often(ingest: Ingest, feeds: Sequence[bytes], kills: int, longest_s: float, rng: random.Random) -> int:
    """Run `ingest` and kill it at random times until that happened `kills` times; return how many runs ended before.

    Whenever a run gets through, the next version of the feed takes the place of the last, so that there is always
    something to write and to delete. The first of `feeds` is there at the end, and was not read yet.
    """
    ended = 0
    ingest.feed.write_bytes(feeds[-1])
    while kills:
        if ingest.kill_after(rng.uniform(0.0, longest_s)):
            kills -= 1
        else:
            ended += 1
            ingest.feed.write_bytes(feeds[ended % len(feeds)])
    ingest.feed.write_bytes(feeds[0])
    return ended


def kill_at_stages(
    ingest: Ingest,
    feeds: Sequence[bytes],
    kills: int,
    rng: random.Random,
    stages: Sequence[str] = tuple(PLACES),
    timeout_s: float = 900,
    tell: Callable[[str], None] = lambda message: None,
) -> tuple[Counter[str], int]:
    """Kill runs in each stage in turn, at a random piece of its work and a random time into it, until `kills` died.

    Feeds change as for `kill_often`. Return how many were killed in each stage, and how many runs ended before.
    """
    killed: Counter[str] = Counter()
    ended = 0
    ingest.feed.write_bytes(feeds[-1])
    while killed.total() < kills:
        stage = stages[killed.total() % len(stages)]
        place = PLACES[stage]
        trap = f"arm({stage!r}, {rng.randint(1, place.calls)}, {rng.uniform(0.0, place.longest_s)})"
        program = f"from tests.node.traps import arm; {trap}; {PROGRAM}"
        if replace(ingest, program=program).kill_after(timeout_s):
            killed[stage] += 1
            tell(f"kill {killed.total()}: {stage}")
        else:
            ended += 1
            ingest.feed.write_bytes(feeds[ended % len(feeds)])
    ingest.feed.write_bytes(feeds[0])
    return killed, ended


def all_documents(client: OpenSearch, index: str) -> dict[str, dict[str, Any]]:
    """Return every document of an index, or of the one behind an alias, by id."""
    client.indices.refresh(index=index)
    (name,) = client.indices.get(index=index)
    whole = dict.fromkeys(checkpoints(client, name), -1)
    return {hit["_id"]: hit["_source"] for hit in scan_index(client, name, whole, source=True)}
