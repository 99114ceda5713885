"""Response time and quality against the deadline, with a slowed model service: what is late is lost, never the search.

    python -m bench.deadline --index products --queries demo/queries.jsonl --qrels demo/qrels.tsv
        [--svg FILE] [--json FILE]

Needs `plugin up` with its service and an ingested index. A proxy in front of the service adds each delay to every call,
and takes it off the time that the call gives the service, as a service does that is busy for so long before it begins;
the cluster points at the proxy while this runs. The pipeline is the installed one with the service's score cache
switched off: with it, only the first cell would need the time that its deadline limits. Beside each cell, in turn with
its queries, the same queries are asked without a pipeline: what a plain search needs at that moment in that machine's
state, and what it is worth.
"""

import copy
import json
import math
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click

from bench.engine_latency import Client
from plugin.client import connect
from plugin.pipelines import processor_of, read_pipeline
from plugin.search import plain_query
from plugin.stack import read_stack
from rerank.evaluation.judgements import JudgedQuery, Judgement, read_qrels, read_queries
from rerank.evaluation.metrics import mean, per_query

DELAYS_MS = (10, 50, 200, 1000)
DEADLINES_MS = (50, 100, 200, 400, 800, 1600)
GRACE_MS = 20
"""What a response may take beyond its deadline."""
KEY = "polyrank.service.urls"
Json = dict[str, Any]


class SlowProxy:
    """Forwards to the model service, each call `delay_ms` late."""

    def __init__(self, target: str) -> None:
        self.delay_ms = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._answer(200, b"{}")

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if len(sent) < int(self.headers["Content-Length"]):  # hung up in the middle
                    self.close_connection = True
                    return
                body = json.loads(sent)
                time.sleep(proxy.delay_ms / 1000)
                body["deadline_ms"] = max(1, body["deadline_ms"] - proxy.delay_ms)
                request = urllib.request.Request(
                    target + self.path, json.dumps(body).encode(), {"Content-Type": "application/json"}
                )
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        self._answer(answer.status, answer.read())
                except urllib.error.HTTPError as refused:  # shed: no time was left
                    self._answer(refused.code, refused.read())

            def _answer(self, status: int, body: bytes) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):  # the search hung up: its deadline was over
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def slowed(client: Client, service: str) -> Iterator[SlowProxy]:
    """Put a proxy between cluster and service; afterwards the cluster's setting is what it was."""
    before = client.call("GET", "/_cluster/settings?flat_settings=true")["persistent"].get(KEY)
    proxy = SlowProxy(service)
    wide = {KEY: [proxy.url], "polyrank.service.breaker.failures": 1000}  # slowness is wanted here, not an open breaker
    client.call("PUT", "/_cluster/settings", {"persistent": wide})
    try:
        yield proxy
    finally:
        client.call(
            "PUT", "/_cluster/settings", {"persistent": {KEY: before, "polyrank.service.breaker.failures": None}}
        )
        proxy.close()


def run(
    client: Client,
    index: str,
    pipeline: Json,
    queries: Sequence[JudgedQuery],
    judgements: Sequence[Judgement],
    deadline_ms: int,
) -> Json:
    """Ask every query once with this deadline, and once without a pipeline; return times, quality, what was lost."""
    walls, plain, last, ranking, unmoved, read, cached, degraded = [], [], [], {}, {}, [], 0, 0
    for query in queries:
        body = {
            "query": plain_query(query.text),
            "size": 10,
            "_source": False,
            "search_pipeline": pipeline,
            "ext": {"polyrank": {"deadline_ms": deadline_ms}},
        }
        unranked = {"query": body["query"], "size": 10, "_source": False}
        content, wall = client.ask("POST", f"/{index}/_search?search_pipeline=_none", json.dumps(unranked).encode())
        plain.append(wall)
        unmoved[query.query_id] = [hit["_id"] for hit in json.loads(content)["hits"]["hits"]]
        content, wall = client.ask("POST", f"/{index}/_search", json.dumps(body).encode())
        answer = json.loads(content)
        walls.append(wall)
        last.append(wall - answer["ext"]["polyrank"]["timings_ms"]["total"])
        ranking[query.query_id] = [hit["_id"] for hit in answer["hits"]["hits"]]
        read.append(answer["ext"]["polyrank"]["reranked"])
        cached += answer["ext"]["polyrank"]["cached"]
        degraded += answer["ext"]["polyrank"]["degraded"] is not None
    if cached:
        raise click.ClickException(f"{cached} scores came from a cache: this would not measure the deadline")
    p99, plain_p99, last_p99 = (statistics.quantiles(times, n=100)[98] for times in (walls, plain, last))
    return {
        "p50_ms": round(statistics.median(walls), 1),
        "p99_ms": round(p99, 1),
        "over_ms": round(p99 - deadline_ms, 1),
        "plain_p99_ms": round(plain_p99, 1),
        "outside_p99_ms": round(last_p99, 1),
        "nDCG@10": round(mean(per_query(ranking, judgements)["nDCG@10"]), 4),
        "plain_nDCG@10": round(mean(per_query(unmoved, judgements)["nDCG@10"]), 4),
        "reranked": round(statistics.mean(read), 1),
        "degraded": degraded / len(queries),
    }


def draw(results: dict[int, dict[int, Json]]) -> str:
    """Plot nDCG@10 against the deadline (logarithmic), a line for each delay and one for plain search, as SVG."""
    cells = [cell for row in results.values() for cell in row.values()]
    plain = statistics.mean(cell["plain_nDCG@10"] for cell in cells)  # the same each time, or the index changed
    values = [plain, *(cell["nDCG@10"] for cell in cells)]
    low, high = min(values) - 0.01, max(values) + 0.01
    deadlines = sorted({deadline for row in results.values() for deadline in row})
    octaves = math.log(deadlines[-1] / deadlines[0]) or 1.0

    def place(deadline: int, value: float) -> tuple[float, float]:
        across = 70 + 500 * math.log(deadline / deadlines[0]) / octaves
        return round(across, 1), round(330 - 300 * (value - low) / (high - low), 1)

    level = place(deadlines[0], plain)[1]
    parts = [
        f'<path d="M70 {level}H570" stroke="#999" stroke-dasharray="4 4"/><text x="580" y="30">plain search</text>'
    ]
    for number, (delay, row) in enumerate(results.items()):
        colour = ("#1b6", "#16b", "#b61", "#b16", "#666")[number % 5]
        points = " ".join("{},{}".format(*place(deadline, cell["nDCG@10"])) for deadline, cell in row.items())
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="580" y="{50 + 20 * number}" fill="{colour}">service + {delay} ms</text>')
    for deadline in deadlines:
        parts.append(f'<text x="{place(deadline, low)[0]}" y="350" text-anchor="middle">{deadline}</text>')
    for step in range(5):
        value = low + (high - low) * step / 4
        parts.append(f'<text x="60" y="{334 - 75 * step}" text-anchor="end">{value:.3f}</text>')
    parts.append('<text x="320" y="375" text-anchor="middle">deadline, ms</text><text x="10" y="20">nDCG@10</text>')
    frame = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 390" font-family="sans-serif" font-size="13">'
    return frame + "".join(parts) + "</svg>\n"


@click.command(help=__doc__)
@click.option("--index", required=True)
@click.option("--queries", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--qrels", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--limit", default=60, show_default=True, help="Queries asked a cell.")
@click.option("--delay", "delays", type=int, multiple=True, default=DELAYS_MS, show_default=True)
@click.option("--deadline", "deadlines", type=int, multiple=True, default=DEADLINES_MS, show_default=True)
@click.option("--chunk", type=int, help="Documents a call; default the pipeline's.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the curves there.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    index: str,
    queries: Path,
    qrels: Path,
    limit: int,
    delays: Sequence[int],
    deadlines: Sequence[int],
    chunk: int | None,
    svg: Path | None,
    json_path: Path | None,
) -> None:
    """Measure and print; exit 1 when a p99 lies beyond its deadline and the grace."""
    stack = read_stack()
    if stack.url is None or stack.service is None:
        raise click.ClickException("`plugin up` first: this needs a node and the model service")
    client = Client(stack.url)
    pipeline = copy.deepcopy(read_pipeline(connect(stack.url), index))
    rerank = processor_of(pipeline).get("rerank")
    if rerank is None:
        raise click.ClickException(
            f"the pipeline {index} does not rerank: `plugin pipelines install {index}` makes one"
        )
    rerank["cache"] = False
    if chunk is not None:
        rerank["chunk"] = min(chunk, rerank.get("window", 50))
    judgements = read_qrels(qrels)
    judged = {judgement.query_id for judgement in judgements if judgement.relevance > 0}
    asked = [query for query in read_queries(queries) if query.query_id in judged][:limit]
    own = {query.query_id for query in asked}
    judgements = [judgement for judgement in judgements if judgement.query_id in own]
    results: dict[int, dict[int, Json]] = {}
    with slowed(client, stack.service.url) as proxy:
        run(client, index, pipeline, asked, judgements, 20_000)  # warms up
        for delay in delays:
            proxy.delay_ms = delay
            for deadline in deadlines:
                cell = run(client, index, pipeline, asked, judgements, deadline)
                results.setdefault(delay, {})[deadline] = cell
                click.echo(f"service +{delay:>5} ms  deadline {deadline:>5} ms  {cell}")
    if svg:
        svg.write_text(draw(results))
    if json_path:
        run_as = {"queries": len(asked), "cache": False, "window": rerank.get("window"), "grace_ms": GRACE_MS}
        json_path.write_text(json.dumps({**run_as, "cells": results}, indent=1) + "\n")
    late = [
        (delay, deadline)
        for delay, row in results.items()
        for deadline, cell in row.items()
        if cell["over_ms"] > GRACE_MS
    ]
    if late:
        raise click.ClickException(f"p99 lies more than {GRACE_MS} ms beyond the deadline at (delay, deadline) {late}")


if __name__ == "__main__":
    main()
