"""Runs of `ingest` as processes of their own, which can be killed; and all that an index holds, to compare."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plugin.client import OpenSearch

PAGE = 2000
IDLE = ("--no-embed", "--no-translate", "--no-pipeline", "--json")
"""Options for runs that are about writing alone."""


@dataclass(frozen=True)
class Ingest:
    """How to start `ingest run` over one feed, with a polyrank home of its own."""

    feed: Path
    alias: str
    url: str
    home: Path
    options: Sequence[str] = IDLE
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a run."""
        command = [sys.executable, "-c", "from ingest.cli import main; main()", "run", str(self.feed)]
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
        """Start a run and kill it; return False when it ended before. Raises AssertionError when it failed."""
        process = self.start()
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        if process.returncode != 0:
            raise AssertionError(f"ingest ended with {process.returncode}: {said.decode()[-2000:]}")
        return False


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


def all_documents(client: OpenSearch, index: str) -> dict[str, dict[str, Any]]:
    """Return every document of an index by id."""
    client.indices.refresh(index=index)
    found: dict[str, dict[str, Any]] = {}
    page = client.search(
        index=index, body={"size": PAGE, "sort": ["_doc"]}, params={"scroll": "2m", "search_pipeline": "_none"}
    )
    while page["hits"]["hits"]:
        found |= {hit["_id"]: hit["_source"] for hit in page["hits"]["hits"]}
        page = client.scroll(body={"scroll_id": page["_scroll_id"], "scroll": "2m"})
    client.clear_scroll(body={"scroll_id": [page["_scroll_id"]]})
    return found
