"""Load and chaos: clients search a three-node cluster with two model services while parts of it die.

    python -m bench.load --index products --queries demo/queries.jsonl [--seconds 60] [--clients 16] [--share .5]
        [--svg FILE] [--json FILE]

Needs `plugin up --nodes 3` with its service and an ingested index, whose replicas are set to 1. Starts a second
service. During the run: a third in, one service is killed (SIGKILL) and the other hung for five seconds (SIGSTOP); half
way, one node is killed; at two thirds all that died is started again. The run lasts until 15 s after all is up. Clients
ask the nodes in turn and ask the next one when a connection is refused, as any client of a cluster does; what counts as
an error is an answer of 5xx.

Without `--share` and `--rate` each client asks again as soon as it has its answer: more than the machine is able to,
so that the time limit cuts searches before anything has died. `--rate` makes all clients together ask for so many
searches a second; `--share` for that share of what they get without pause when nothing is cut short, which is measured
first. Then the share of degraded answers tells what the losses cost, and `recovered_s` how long.
"""

import copy
import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import httpx

from bench.load_report import Answer, Event, draw, level_before, periods, quantiles
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
AMPLE_MS = 20_000
"""The time limit under which it is measured what the machine is able to: no search is cut short."""
AFTERWARDS_S = 15.0
"""How long the clients go on when all that died is up again."""
STAGES = ("understand", "lexical", "retrieve", "fetch", "rerank", "total")
Json = dict[str, Any]


@dataclass
class Tally:
    """What the clients saw."""

    answers: list[Answer] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """What is asked, by whom and when: `interval_s` lies between two searches of one client, 0 without pause."""

    urls: list[str]
    path: str
    texts: list[str]
    clients: int
    interval_s: float = 0.0
    deadline_ms: int | None = None


def ask(load: Load, seconds: float, over: Callable[[], bool] = lambda: True) -> Tally:
    """Search for so long, and on until `over`; return what the clients saw."""
    tally, began = Tally(), time.monotonic()

    def ends() -> bool:
        return time.monotonic() >= began + seconds and over()

    threads = [
        threading.Thread(target=client, args=(load, number, began, ends, tally)) for number in range(load.clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def client(load: Load, number: int, began: float, ends: Callable[[], bool], tally: Tally) -> None:
    """Search until the end; one connection pool, the nodes in turn. A search that comes late delays those behind it."""
    nodes = itertools.cycle(load.urls[number % len(load.urls) :] + load.urls[: number % len(load.urls)])
    draw_pause = random.Random(number)
    due = began + load.interval_s * number / load.clients
    with httpx.Client(timeout=30) as http:
        for text in itertools.cycle(load.texts[number:] + load.texts[:number]):
            time.sleep(max(0.0, due - time.monotonic()))
            if ends():
                return
            body: Json = {"query": plain_query(text), "size": 10, "_source": ["title"]}
            if load.deadline_ms is not None:
                body["ext"] = {"polyrank": {"deadline_ms": load.deadline_ms}}
            sent = time.monotonic()
            due = sent + load.interval_s * draw_pause.uniform(0.5, 1.5)
            for _ in range(len(load.urls) * 3):
                try:
                    answer = http.post(f"{next(nodes)}{load.path}", json=body)
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
    wall_ms = 1000 * (time.monotonic() - sent)
    tally.answers.append(Answer(sent - began, wall_ms, section["degraded"] is not None))
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


class Chaos:
    """What dies and comes back during a run of so many seconds; `events` tells when it did, in seconds."""

    def __init__(self, stack: Stack, first: Daemon, second: Daemon, seconds: float) -> None:
        self._stack, self._second = stack, second
        self._began = time.monotonic()
        self._up: float | None = None
        self.events: list[Event] = []
        plan: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = [
            (seconds / 3, self._end, ("first service killed, second hung", first)),
            (seconds / 3 + 1, self._hang, ()),
            (seconds / 2, self._end, (f"{stack.nodes[-1].name} killed", stack.nodes[-1].daemon)),
            (seconds * 2 / 3, self._again, ()),
        ]
        self._timers = [threading.Timer(at, what, given) for at, what, given in plan]
        for timer in self._timers:
            timer.start()

    def is_over(self) -> bool:
        """Whether all runs again, and has for long enough to tell that nothing is felt any more."""
        return self._up is not None and time.monotonic() >= self._up + AFTERWARDS_S

    def up_again_s(self) -> float | None:
        """Seconds from the restart to where everything ran; None when it did not."""
        return None if self._up is None else round(self._up - self._began - self.events[-1].at_s, 1)

    def _say(self, what: str) -> None:
        click.echo(f"{time.monotonic() - self._began:6.1f} s  {what}", err=True)

    def _happened(self, what: str) -> None:
        self.events.append(Event(time.monotonic() - self._began, what))
        self._say(what)

    def _end(self, what: str, daemon: Daemon) -> None:
        os.kill(daemon.pid, signal.SIGKILL)
        self._happened(what)

    def _hang(self) -> None:
        os.kill(self._second.pid, signal.SIGSTOP)
        self._say(f"second service hung for {HANG_S:.0f} s")
        threading.Timer(HANG_S, os.kill, (self._second.pid, signal.SIGCONT)).start()

    def _again(self) -> None:
        self._happened("restart")
        try:
            up(polyrank_home(), UpOptions(nodes=len(self._stack.nodes)), self._say)
            self._say("everything runs again")
        finally:
            self._up = time.monotonic()


def report(tally: Tally, events: Sequence[Event], seconds: float) -> Json:
    """Turn the tally into figures."""
    degraded = sum(answer.degraded for answer in tally.answers)
    return {
        "queries_per_s": round(len(tally.answers) / seconds, 1),
        "wall_ms": quantiles([answer.wall_ms for answer in tally.answers]),
        "stages_ms": {stage: quantiles(values) for stage, values in tally.stages.items()},
        "statuses": dict(tally.statuses),
        "refused_connections": tally.refused,
        "degraded": round(degraded / max(1, len(tally.answers)), 4),
        "degraded_level_before": round(level_before(tally.answers, events), 4),
        "periods": periods(tally.answers, events, seconds),
        "reasons": dict(tally.reasons),
        "errors": tally.errors[:10],
    }


@click.command(help=__doc__)
@click.option("--index", required=True)
@click.option("--queries", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--clients", default=16, show_default=True)
@click.option("--rate", type=float, help="Searches a second that all clients together ask for; default without pause.")
@click.option("--share", type=float, help="Ask for this share of what the clients manage without pause.")
@click.option("--calibrate", default=20.0, show_default=True, help="Seconds for which that is measured.")
@click.option("--deadline-ms", type=int, help="Time limit of each search; default the pipeline's.")
@click.option("--cache/--no-cache", default=True, show_default=True, help="Whether scores given before are used again.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the run there.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    index: str,
    queries: Path,
    seconds: float,
    clients: int,
    rate: float | None,
    share: float | None,
    calibrate: float,
    deadline_ms: int | None,
    cache: bool,
    svg: Path | None,
    json_path: Path | None,
) -> None:
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
    load = Load(urls, path, [query.text for query in read_queries(queries)], clients, deadline_ms=deadline_ms)
    found: Json = {"clients": clients, "cache": cache}
    try:
        if share is not None:
            whole = replace(load, deadline_ms=AMPLE_MS)
            ask(whole, calibrate / 4)  # warms up
            able = len(ask(whole, calibrate).answers) / calibrate
            found["able_queries_per_s"] = round(able, 1)
            rate = share * able
        if rate is not None:
            found["asked_queries_per_s"] = round(rate, 1)
            load = replace(load, interval_s=clients / rate)
            ask(load, calibrate / 4)  # so that the run begins with the load it goes on with
        chaos = Chaos(stack, stack.service.daemon, second, seconds)
        tally = ask(load, seconds, chaos.is_over)
    finally:
        running = read_stack()
        stop([second])
        if running.url and running.service:
            announce_service(running.url, [running.service.url])
    lasted = max([seconds, *(answer.at_s for answer in tally.answers)])
    found |= {"lasted_s": round(lasted, 1), "restart_took_s": chaos.up_again_s()} | report(tally, chaos.events, lasted)
    click.echo(json.dumps(found, indent=1))
    if svg:
        svg.write_text(draw(tally.answers, chaos.events, lasted))
    if json_path:
        json_path.write_text(json.dumps(found, indent=1) + "\n")
    if tally.errors:
        raise click.ClickException(f"{len(tally.errors)} searches were not answered with a 200")


if __name__ == "__main__":
    main()
