"""Latency of the engine's own work, service calls apart, beside plain OpenSearch searches on the same node.

    python -m bench.engine_latency --data ../shared/data/chorus-icecat [--url URL] [--vectors FILE.npy] [--json FILE]

Indexes the catalogue with one and with three shards (once; `--fresh` again), puts an instant service in a process of
its own behind the node, and asks each system each query in turn, one client, one connection. `own` is the client's wall
time less the time the service calls took; the lexical search runs while the service understands, so `own+lexical` adds
back what that hides. A node that has neural-search too (a full distribution, or `bench.stock_hybrid`) is asked for its
hybrid search (RRF) of the same two queries as well.
"""

import gzip
import http.client
import json
import multiprocessing
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np
from numpy.typing import NDArray

from plugin.stack import read_stack
from tests.node.fake_service import FINGERPRINT, FakeService

Json = dict[str, Any]
Vectors = NDArray[np.float32]
WINDOW = 100
FIELDS = {"title": ["title"], "brand": ["brand"], "text": ["text"]}
PIPELINES = ("fused", "reranked")
STOCK = "msearch match+knn 100 ids"
"""What stock OpenSearch does of the work: the two searches, neither fused nor fetched."""
HYBRID = "stock hybrid, RRF"
HYBRID_PIPELINE = "latency-hybrid"
MATCH_FIELDS = ["title^3", "brand", "text"]


class Client:
    """One kept-alive connection; answers are timed until their last byte, before they are parsed."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)

    def ask(self, method: str, path: str, body: bytes, kind: str = "application/json") -> tuple[bytes, float]:
        begin = time.perf_counter()
        self._connection.request(method, path, body, {"Content-Type": kind})
        answer = self._connection.getresponse()
        content = answer.read()
        took_ms = 1000 * (time.perf_counter() - begin)
        if answer.status >= 300:
            raise click.ClickException(f"{method} {path} answered {answer.status}: {content[:500].decode()}")
        return content, took_ms

    def call(self, method: str, path: str, body: object = None) -> Json:
        found: Json = json.loads(self.ask(method, path, b"" if body is None else json.dumps(body).encode())[0])
        return found


def lines(path: Path) -> list[Json]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def embed(texts: Sequence[str], bundle: Path | None, *, queries: bool) -> Vectors:
    from rerank.embedder import load_embedder

    embedder = load_embedder(bundle)
    found: Vectors = embedder.embed_queries(texts) if queries else embedder.embed_documents(texts)
    return found


def index(client: Client, name: str, shards: int, documents: Sequence[Json], vectors: Vectors) -> None:
    """Fill the index and merge it to one segment a shard, as stock was measured."""
    method = {"name": "hnsw", "engine": "lucene", "space_type": "innerproduct"}
    vector = {"type": "knn_vector", "dimension": vectors.shape[1], "method": method}
    text = {"type": "text", "analyzer": "english"}
    properties = {"title": text, "text": text, "brand": {"type": "text"}, "embedding": vector}
    meta = {"polyrank": {"vectors": {"embedding": {"fingerprint": FINGERPRINT}}}}
    settings = {"knn": True, "number_of_shards": shards, "number_of_replicas": 0, "refresh_interval": -1}
    mappings = {"_meta": meta, "dynamic": False, "properties": properties}
    client.call("PUT", f"/{name}", {"settings": {"index": settings}, "mappings": mappings})
    for start in range(0, len(documents), 500):
        batch = []
        for number in range(start, min(start + 500, len(documents))):
            fields = {key: value for key, value in documents[number].items() if key != "id"}
            batch.append(json.dumps({"index": {"_id": documents[number]["id"]}}))
            batch.append(json.dumps({**fields, "embedding": [round(float(x), 6) for x in vectors[number]]}))
        client.ask("POST", f"/{name}/_bulk", ("\n".join(batch) + "\n").encode(), "application/x-ndjson")
    client.call("POST", f"/{name}/_refresh")
    client.call("POST", f"/{name}/_forcemerge?max_num_segments=1")


def serve(pipe: Connection, vectors: dict[str, list[float]]) -> None:
    """An instant service: vectors from a table, relevance by the length of the title."""
    with FakeService() as service:
        service.vectors = vectors
        service.relevance = lambda query, document: 1 / (1 + len(document.get("title", "")))
        pipe.send(service.url)
        pipe.recv()


@contextmanager
def instant_service(client: Client, vectors: dict[str, list[float]]) -> Iterator[None]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, vectors), daemon=True)
    process.start()
    key = "polyrank.service.urls"
    before = client.call("GET", "/_cluster/settings?flat_settings=true")["persistent"].get(key)
    client.call("PUT", "/_cluster/settings", {"persistent": {key: [ours.recv()]}})
    try:
        yield
    finally:
        client.call("PUT", "/_cluster/settings", {"persistent": {key: before}})
        ours.send("end")
        process.join()


def install_pipelines(client: Client) -> None:
    for name in PIPELINES:
        config: Json = {
            "languages": ["en"],
            "retrievers": [{"lexical": {"weight": 0.2}}, {"knn": {"field": "embedding", "weight": 0.8, "k": WINDOW}}],
            "window": WINDOW,
            "deadline_ms": 20_000,
        }
        if name == "reranked":
            config["rerank"] = {"window": 50, "weight": 0.5, "document_fields": FIELDS}
        body = {
            "request_processors": [{"hybrid_rerank": config}],
            "phase_results_processors": [{"polyrank_page": {}}],
            "response_processors": [{"polyrank_response": {}}],
        }
        client.call("PUT", f"/_search/pipeline/latency-{name}", body)


def install_hybrid(client: Client) -> bool:
    """Install the pipeline of stock's hybrid search; return whether the node has what it takes."""
    ranker = {"score-ranker-processor": {"combination": {"technique": "rrf"}}}
    try:
        client.call("PUT", f"/_search/pipeline/{HYBRID_PIPELINE}", {"phase_results_processors": [ranker]})
    except click.ClickException as error:
        if "score-ranker-processor" not in error.message:
            raise
        return False
    return True


def systems(name: str, text: str, vector: list[float], *, hybrid: bool) -> dict[str, tuple[str, bytes, str]]:
    """What each system is asked for one query: path, body, content type."""
    match = {"multi_match": {"query": text, "fields": MATCH_FIELDS}}
    knn = {"knn": {"embedding": {"vector": vector, "k": WINDOW}}}
    source = ["title", "brand"]

    def search(query: Json, size: int, *, shown: object = source, pipeline: str = "_none") -> tuple[str, bytes, str]:
        body = {"query": query, "size": size, "_source": shown}
        return f"/{name}/_search?search_pipeline={pipeline}", json.dumps(body).encode(), "application/json"

    ids = [{"query": query, "size": WINDOW, "_source": False, "track_total_hits": False} for query in (match, knn)]
    both = "".join(json.dumps(line) + "\n" for body in ids for line in ({"index": name}, body))
    asked = {
        "nothing": search({"match_none": {}}, 10),
        "knn none shown": search(knn, 0),
        "match 10": search(match, 10),
        "match 100 ids": search(match, WINDOW, shown=False),
        "knn 10": search(knn, 10),
        STOCK: ("/_msearch", both.encode(), "application/x-ndjson"),
        "polyrank fused": search(match, 10, pipeline="latency-fused"),
        "polyrank reranked": search(match, 10, pipeline="latency-reranked"),
    }
    if hybrid:
        query = {"hybrid": {"queries": [match, knn], "pagination_depth": WINDOW}}
        asked[HYBRID] = search(query, 10, pipeline=HYBRID_PIPELINE)
    return asked


def own_ms(content: bytes, wall: float) -> dict[str, float]:
    """Split the wall time of a search through our pipeline."""
    section = json.loads(content)["ext"]["polyrank"]
    if section["degraded"]:
        raise click.ClickException(f"a search was degraded: {section['degraded']}")
    timings: dict[str, float] = section["timings_ms"]
    own = wall - timings["service"]
    hidden = min(timings["understand"], timings["lexical"])
    return {"wall": wall, "own": own, "own+lexical": own + hidden, **{f"stage {k}": v for k, v in timings.items()}}


def measure(
    client: Client, name: str, asked: Sequence[tuple[str, list[float]]], rounds: int, *, hybrid: bool
) -> dict[str, Json]:
    """Ask every system every query, systems in turn in a shuffled order; the first third of the rounds warms up."""
    samples: dict[str, dict[str, list[float]]] = {}
    order = random.Random(1)
    for round_number in range(rounds + rounds // 2):
        for text, vector in asked:
            items = list(systems(name, text, vector, hybrid=hybrid).items())
            order.shuffle(items)
            for system, (path, body, kind) in items:
                content, wall = client.ask("POST", path, body, kind)
                if round_number < rounds // 2:
                    continue
                parts = own_ms(content, wall) if system.startswith("polyrank") else {"wall": wall}
                for part, value in parts.items():
                    samples.setdefault(system, {}).setdefault(part, []).append(value)
    return {system: {part: spread(values) for part, values in parts.items()} for system, parts in samples.items()}


def spread(values: Sequence[float]) -> Json:
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 2), "p95": round(cuts[18], 2), "n": len(values)}


def show(results: dict[str, dict[str, Json]]) -> None:
    for shards, found in results.items():
        click.echo(f"\n{shards} shard(s)".ljust(40) + "p50 ms   p95 ms        n")
        for system, parts in found.items():
            for part, value in parts.items():
                label = f"{system}, {part}"
                click.echo(f"{label:<40}{value['p50']:>6.2f} {value['p95']:>8.2f} {value['n']:>8}")
        ours = [(f"polyrank {name}", part) for name in PIPELINES for part in ("own", "own+lexical")]
        for stock in (STOCK, HYBRID):
            for system, part in ours if stock in found else ():
                ratio = found[system][part]["p50"] / found[stock]["wall"]["p50"]
                click.echo(f"{system}, {part} / {stock}".ljust(60) + f"{ratio:.2f}")


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of the catalogue.")
@click.option("--url", help="Node to measure; default the first node of `plugin up`.")
@click.option("--vectors", type=click.Path(exists=True, path_type=Path), help="Document vectors as .npy, in order.")
@click.option("--embedder", type=click.Path(exists=True, path_type=Path), help="Bundle; default the shipped one.")
@click.option("--shards", type=int, multiple=True, default=(1, 3), show_default=True)
@click.option("--rounds", type=int, default=6, show_default=True, help="How often each of the queries is measured.")
@click.option("--fresh", is_flag=True, help="Index again.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there too.")
def main(
    data: Path,
    url: str | None,
    vectors: Path | None,
    embedder: Path | None,
    shards: tuple[int, ...],
    rounds: int,
    fresh: bool,
    json_path: Path | None,
) -> None:
    """Measure and print."""
    client = Client(url or read_stack().nodes[0].url)
    texts = [query["text"] for query in lines(data / "queries.jsonl.gz")]
    asked = list(zip(texts, embed(texts, embedder, queries=True).tolist(), strict=True))
    install_pipelines(client)
    hybrid = install_hybrid(client)
    indices = {count: f"engine-latency-{count}" for count in shards}
    there = set(client.call("GET", "/_alias"))
    missing = {count: name for count, name in indices.items() if fresh or name not in there}
    if missing:
        documents = lines(data / "corpus.jsonl.gz")
        glued = [f"{document['title']} {document.get('text', '')}" for document in documents]
        loaded = np.load(vectors).astype(np.float32) if vectors else embed(glued, embedder, queries=False)
        for count, name in missing.items():
            if name in there:
                client.call("DELETE", f"/{name}")
            index(client, name, count, documents, loaded)
    with instant_service(client, dict(asked)):
        results = {str(count): measure(client, name, asked, rounds, hybrid=hybrid) for count, name in indices.items()}
    show(results)
    if json_path:
        json_path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
