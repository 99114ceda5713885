"""Load and chaos: clients search a three-node cluster with two model services while parts of it die.

    python -m bench.load --index products --queries demo/queries.jsonl [--seconds 60] [--clients 16] [--json FILE]

Needs `plugin up --nodes 3` with its service and an ingested index, whose replicas are set to 1. Starts a second
service. During the run: a third in, one service is killed (SIGKILL) and the other hung for five seconds (SIGSTOP); half
way, one node is killed; at two thirds all that died is started again. Clients ask the nodes in turn and ask the next
one when a connection is refused, as any client of a cluster does; what counts as an error is an answer of 5xx.
"""

import copy
import itertools
import json
import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx

from plugin.capacity import PortWish, choose_ports
from plugin.client import connect
from plugin.model_service import service_log, start_service, wait_for_service
from plugin.orchestra import UpOptions, announce_service, up
from plugin.pipelines import processor_of, put_pipeline, read_pipeline
from plugin.processes import Daemon, stop
from plugin.search import plain_query
from plugin.stack import Stack, read_stack
from rerank.evaluation.judgements import read_queries
from rerank.home import polyrank_home

HANG_S = 5.0
STAGES = ("understand", "lexical", "retrieve", "fetch", "rerank", "total")
Json = dict[str, Any]


@dataclass
class Tally:
    """What the clients saw; `times` are (seconds since the start, wall ms, degraded)."""

    times: list[tuple[float, float, bool]] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


def client(urls: list[str], path: str, texts: list[str], number: int, end: float, began: float, tally: Tally) -> None:
    """Search until the end; one connection pool, the nodes in turn."""
    nodes = itertools.cycle(urls[number % len(urls) :] + urls[: number % len(urls)])
    with httpx.Client(timeout=30) as http:
        for text in itertools.cycle(texts[number:] + texts[:number]):
            if time.monotonic() >= end:
                return
            body = {"query": plain_query(text), "size": 10, "_source": ["title"]}
            sent = time.monotonic()
            for _ in range(len(urls) * 3):
                try:
                    answer = http.post(f"{next(nodes)}{path}", json=body)
                    break
                except httpx.TransportError:
                    tally.refused += 1
                    time.sleep(0.05)
            else:
                tally.errors.append("no node answered")
                continue
            note(answer, sent, began, tally)


def note(answer: httpx.Response, sent: float, began: float, tally: Tally) -> None:
    """Count one answer. Appends are atomic, so clients share the tally."""
    tally.statuses[answer.status_code] += 1
    if answer.status_code != 200:
        tally.errors.append(f"{time.monotonic() - began:.1f} s: {answer.status_code} {answer.text[:300]}")
        return
    section = answer.json()["ext"]["polyrank"]
    tally.times.append((sent - began, 1000 * (time.monotonic() - sent), section["degraded"] is not None))
    if section["degraded"]:
        tally.reasons[section["degraded"].split(":")[0]] += 1
    for stage in STAGES:
        if stage in section["timings_ms"]:
            tally.stages.setdefault(stage, []).append(section["timings_ms"][stage])


def uncached(index: str) -> str:
    """Install the index's pipeline without the score cache; return its name."""
    cluster, name = connect(), f"{index}-load"
    pipeline = copy.deepcopy(read_pipeline(cluster, index))
    processor_of(pipeline)["rerank"]["cache"] = False
    put_pipeline(cluster, name, pipeline)
    return name


def second_service(stack: Stack, first: str, home: Path) -> Daemon:
    """Start another service beside the stack's and tell the cluster of both."""
    (port,) = choose_ports([PortWish(0)])
    daemon = start_service(home, port)
    url = f"http://127.0.0.1:{port}"
    wait_for_service(url, daemon, service_log(home))
    announce_service(stack.nodes[0].url, [first, url])
    return daemon


def chaos(
    stack: Stack, first: Daemon, second: Daemon, seconds: float, say: Callable[[str], None]
) -> list[threading.Timer]:
    """Plan the events; return the timers, started."""
    node = stack.nodes[-1].daemon

    def end(what: str, daemon: Daemon) -> None:
        os.kill(daemon.pid, signal.SIGKILL)
        say(f"killed {what}")

    def hang() -> None:
        os.kill(second.pid, signal.SIGSTOP)
        say(f"hung the second service for {HANG_S:.0f} s")
        threading.Timer(HANG_S, os.kill, (second.pid, signal.SIGCONT)).start()

    def again() -> None:
        up(polyrank_home(), UpOptions(nodes=len(stack.nodes)), say)
        say("everything runs again")

    plan: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = [
        (seconds / 3, end, ("the first service", first)),
        (seconds / 3 + 1, hang, ()),
        (seconds / 2, end, (stack.nodes[-1].name, node)),
        (seconds * 2 / 3, again, ()),
    ]
    timers = [threading.Timer(at, what, given) for at, what, given in plan]
    for timer in timers:
        timer.start()
    return timers


def quantiles(values: Sequence[float]) -> Json:
    """p50, p95 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "p99": round(cuts[98], 1), "n": len(values)}


def report(tally: Tally, seconds: float) -> Json:
    """Turn the tally into figures. `recovered_s` is the time from the restart to the last degraded answer."""
    restart = seconds * 2 / 3
    late = [at for at, _, degraded in tally.times if degraded and at >= restart]
    quiet = [wall for at, wall, _ in tally.times if at < seconds / 3]
    return {
        "queries_per_s": round(len(tally.times) / seconds, 1),
        "wall_ms": quantiles([wall for _, wall, _ in tally.times]),
        "wall_ms_before_chaos": quantiles(quiet),
        "stages_ms": {stage: quantiles(values) for stage, values in tally.stages.items()},
        "statuses": dict(tally.statuses),
        "refused_connections": tally.refused,
        "degraded": round(sum(degraded for _, _, degraded in tally.times) / max(1, len(tally.times)), 4),
        "degraded_before_chaos": round(sum(d for at, _, d in tally.times if at < seconds / 3) / max(1, len(quiet)), 4),
        "reasons": dict(tally.reasons),
        "recovered_s": round(max(late) - restart, 1) if late else 0.0,
        "errors": tally.errors[:10],
    }


@click.command(help=__doc__)
@click.option("--index", required=True)
@click.option("--queries", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--clients", default=16, show_default=True)
@click.option("--cache/--no-cache", default=True, show_default=True, help="Whether scores given before are used again.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(index: str, queries: Path, seconds: float, clients: int, cache: bool, json_path: Path | None) -> None:
    """Measure and print; exit 1 when a search was answered with anything but a 200."""
    stack, home = read_stack(), polyrank_home()
    if len(stack.nodes) < 3 or stack.service is None:
        raise click.ClickException("`plugin up --nodes 3` first: this needs three nodes and the model service")
    urls = [node.url for node in stack.nodes]
    with httpx.Client(base_url=urls[0], timeout=60) as http:
        http.put(f"/{index}/_settings", json={"index.number_of_replicas": 1}).raise_for_status()
        http.get("/_cluster/health?wait_for_status=green&timeout=50s").raise_for_status()
    second = second_service(stack, stack.service.url, home / "load")
    path = f"/{index}/_search?search_pipeline={index if cache else uncached(index)}"
    texts, tally = [query.text for query in read_queries(queries)], Tally()
    began = time.monotonic()

    def say(what: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {what}", err=True)

    timers = chaos(stack, stack.service.daemon, second, seconds, say)
    try:
        threads = [
            threading.Thread(target=client, args=(urls, path, texts, number, began + seconds, began, tally))
            for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for timer in timers:
            timer.join()
    finally:
        running = read_stack()
        stop([second])
        if running.url and running.service:
            announce_service(running.url, [running.service.url])
    found = report(tally, seconds)
    click.echo(json.dumps(found, indent=1))
    if json_path:
        json_path.write_text(json.dumps(found, indent=1) + "\n")
    if tally.errors:
        raise click.ClickException(f"{len(tally.errors)} searches were not answered with a 200")


if __name__ == "__main__":
    main()
