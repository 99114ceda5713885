"""What the tests of searches with a round less share: one search two ways, counted in query phases."""

import copy
import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.node.engine_rig import Json, Rig, lamps, told

SHARDS = 3
COUNT = itertools.count()
LAMP: Json = {"match": {"title": "lamp"}}
DESK: Json = {"match": {"title": "desk reading"}}
VECTOR = [0.3, -0.2, 0.5, 0.1, -0.7, 0.2, 0.4, -0.1]


def queries(rig: Rig, index: str) -> int:
    """How many query phases the shards have run."""
    total: int = rig.call("GET", f"/{index}/_stats/search")["_all"]["total"]["search"]["query_total"]
    return total


def counted(rig: Rig, body: Json, pipeline: str, index: str = "shop", **params: Any) -> tuple[Json, int]:
    before = queries(rig, index)
    found = rig.search(copy.deepcopy(body), index, pipeline, **params)
    return found, queries(rig, index) - before


def without_times(answer: Json) -> Json:
    kept = {key: value for key, value in answer.items() if key not in ("took", "_scroll_id", "pit_id", "profile")}
    kept["ext"] = {"polyrank": {key: value for key, value in told(answer).items() if key != "timings_ms"}}
    return kept


def lived_in(rig: Rig) -> None:
    """Make the index `stock`: four segments a shard, some documents deleted or written again."""
    rig.index("stock", lamps(200, seed=3), refresh_every=50)
    for number in range(0, 200, 9):
        rig.call("DELETE", f"/stock/_doc/{number}")
    for lamp in lamps(200, seed=3)[4:200:11]:
        fields = dict(lamp)
        rig.call("PUT", f"/stock/_doc/{fields.pop('_id')}", fields)
    rig.call("POST", "/stock/_refresh")


def fetched_by(rig: Rig, log: Path, body: Json, pipeline: str) -> list[str]:
    """Search `shop`; return the bodies of its fetch phases, one a shard that shows something, by the slow log."""
    start = log.stat().st_size
    threshold = "index.search.slowlog.threshold.fetch.info"
    rig.call("PUT", "/shop/_settings", {threshold: "0ms"})
    rig.search(copy.deepcopy(body), "shop", pipeline)
    rig.call("PUT", "/shop/_settings", {threshold: None})
    with log.open("rb") as file:
        file.seek(start)
        written = file.read().decode(errors="replace")
    return re.findall(r"fetch.*took\[.* source\[(.*)\], id\[", written)


@contextmanager
def between_lexical_and_knn(rig: Rig, act: Callable[[], None]) -> Iterator[int]:
    """Searches of `stock` inside find it as `act` left it once their lexical search was done; gives how many query
    phases there were before."""
    start = queries(rig, "stock")

    def meanwhile(handler: BaseHTTPRequestHandler, request: Json) -> None:
        while queries(rig, "stock") < start + SHARDS:  # the lexical search
            time.sleep(0.01)
        act()
        rig.call("POST", "/stock/_refresh")
        rig.service.well(handler, request)

    rig.service.behaviours["/understand"] = meanwhile
    try:
        yield start
    finally:
        del rig.service.behaviours["/understand"]
