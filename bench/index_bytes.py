"""Bytes that a product and its vector take in an index, on the running node (`plugin up`).

    python -m bench.index_bytes --data ../shared/data/chorus-icecat [--counts 5000,19406] [--dimension 384]

Also prints how many products the shipped embedder embeds in a second of one CPU (by `process_time`: other work on the
machine does not count).

Fills an index with and one without vectors for each count, merges each to one segment, prints what the store takes and
drops them. The vectors are those of a hash and not of a model: their bytes are the same and they cost no time.
"""

import json
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click

from ingest.dead_letters import DeadLetterFile
from ingest.embed import embed_documents
from ingest.feeds import open_feed
from ingest.run import BATCH_SIZE, read_chunks, run_stages
from ingest.sinks import IndexSink
from ingest.stages import Stages, clean_batch
from plugin.client import OpenSearch, cluster_errors, connect
from plugin.index import IndexSpec, VectorField
from rerank.baselines import HashEmbedder
from rerank.embedder import load_embedder
from rerank.template import DEFAULT_TEMPLATE
from rerank.understanding.language import ScriptDetector, load_detector

LANGUAGES = ("en",)


def embedder_speed(corpus: Path, count: int) -> float:
    """Products that the shipped embedder embeds in a second of one CPU."""
    embedder = load_embedder()
    documents = [
        one
        for chunk in read_chunks([open_feed(corpus)], BATCH_SIZE, count)
        for one in clean_batch(chunk.entries).documents
    ]
    embed_documents(documents[:16], embedder, embedder.template)  # the first run sets up
    start = process_time()
    embed_documents(documents, embedder, embedder.template)
    return len(documents) / (process_time() - start)


def measure(client: OpenSearch, corpus: Path, count: int, dimension: int | None) -> dict[str, Any]:
    """Index so many products, with vectors of `dimension` or without, and return what they take."""
    name = f"index-bytes-{count}-{dimension or 'bare'}"
    vector = VectorField("sha256:hash", dimension, "hash") if dimension else None
    embedder = HashEmbedder(dimension) if dimension else None
    template = DEFAULT_TEMPLATE if dimension else None
    stages = Stages(load_detector(LANGUAGES), ScriptDetector(), LANGUAGES, "en", embedder=embedder, template=template)
    with cluster_errors(f"measure {name}"), tempfile.TemporaryDirectory() as folder:
        client.indices.delete(index=name, params={"ignore": 404})
        client.indices.create(index=name, body=IndexSpec(LANGUAGES, vector, replicas=0).body())
        try:
            start = perf_counter()
            with DeadLetterFile(Path(folder) / "dead.jsonl") as letters:
                batches = read_chunks([open_feed(corpus)], BATCH_SIZE, count)
                run_stages(batches, stages, IndexSink(client, name, LANGUAGES), letters)
            seconds = perf_counter() - start
            client.indices.forcemerge(index=name, params={"max_num_segments": 1, "timeout": 600})
            client.indices.flush(index=name)
            client.indices.refresh(index=name)
            stats = client.indices.stats(index=name)["_all"]["primaries"]
        finally:
            client.indices.delete(index=name)
    documents, store = stats["docs"]["count"], stats["store"]["size_in_bytes"]
    return {"documents": documents, "bytes": store, "each": store / documents, "seconds": seconds}


@click.command(help=__doc__)
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of the catalogue.")
@click.option("--counts", default="5000,19406", show_default=True, help="How many products, separated by commas.")
@click.option("--dimension", default=384, show_default=True, help="Of the vectors.")
@click.option("--url", help="Address of the cluster; default: the running node.")
def main(data: Path, counts: str, dimension: int, url: str | None) -> None:
    """Measure and print a line of JSON for each count."""
    speed = embedder_speed(data / "corpus.jsonl.gz", 300)
    click.echo(json.dumps({"embedded_a_cpu_second": round(speed, 1)}))
    client = connect(url, timeout_s=600)
    for count in map(int, counts.split(",")):
        bare = measure(client, data / "corpus.jsonl.gz", count, None)
        full = measure(client, data / "corpus.jsonl.gz", count, dimension)
        line = {
            "documents": bare["documents"],
            "text_bytes_each": round(bare["each"], 1),
            "vector_bytes_each": round(full["each"] - bare["each"], 1),
            "documents_per_second_bare": round(bare["documents"] / bare["seconds"], 1),
            "documents_per_second_with_vectors": round(full["documents"] / full["seconds"], 1),
        }
        click.echo(json.dumps(line))


if __name__ == "__main__":
    main()
