"""Where a run is killed: a process sets a trap in itself before it starts, and falls into it in the middle of its work.

Nothing is replaced: the functions named here do their work, and a count of their calls decides when the process sends
itself a SIGKILL, which no code of its can see.
"""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A function of a stage, how often it may be called before the trap closes, and about how long a call takes."""

    module: str
    owner: str
    name: str
    calls: int
    longest_s: float


PLACES = {
    "read": Place("ingest.state", "IndexState", "known", 40, 0.05),
    "embed": Place("rerank.embedder", "SentenceEmbedder", "embed_documents", 12, 1.5),
    "bulk": Place("plugin.bulk", "BulkWriter", "_send", 20, 0.15),
    "state": Place("ingest.state", "IndexState", "keep", 20, 0.006),
    "sweep": Place("ingest.sinks", "IndexSink", "delete", 2, 0.1),
}
"""Stage -> what is called once a batch there. `read` looks up what is known of a batch that was just read."""


def arm(stage: str, call: int, delay_s: float) -> None:
    """Let this process kill itself `delay_s` after a stage began its `call`-th piece of work (from 1)."""
    place = PLACES[stage]
    owner = getattr(importlib.import_module(place.module), place.owner)
    setattr(owner, place.name, _counted(getattr(owner, place.name), call, delay_s))


def _counted(work: Callable[..., Any], call: int, delay_s: float) -> Callable[..., Any]:
    calls = 0

    @wraps(work)
    def counted(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += bool(args[1])  # an empty batch is no work
        if calls == call:
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return work(*args, **named)

    return counted
