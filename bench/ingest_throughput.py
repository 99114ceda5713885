"""Documents a second of `ingest`, beside what it cannot beat: opensearch-py's own bulk helper, and the embedder alone.

    python -m bench.ingest_throughput [--data ../shared/data/chorus-icecat] [--sizes 20000,200000] [--embed 2000]

Starts a node of its own. For each size the catalogue is grown lazily (each copy has ids and titles of its own), written
once by `parallel_bulk` (4 threads, chunks of 500) from documents that are prepared in a file, and once by a run from
records to the index, each into an index of its own with the same mapping, in turn. Resident memory is the run's peak,
in a process of its own. `--embed N`: the same with vectors on N documents, beside the embedder on the same texts.
"""

import gzip
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
from opensearchpy.helpers import parallel_bulk

from ingest.document import DeadLetter, Record
from ingest.report import RunReport
from ingest.session import RunOptions, ingest
from ingest.stages import clean_batch
from plugin.client import connect
from plugin.index import IndexSpec, ensure_index
from rerank.embedder import load_embedder
from tests.node.own_node import own_node

DATA = Path("../shared/data/chorus-icecat")
LANGUAGES = ("en",)


@dataclass
class Grown:
    """A feed of `size` records made from a catalogue, one at a time; `begun` is when the first was asked for."""

    corpus: Path
    size: int
    name: str = "grown"
    begun: float = 0.0

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Give the catalogue again and again; a copy differs in id and title."""
        self.begun = time.perf_counter()
        made = copy = 0
        while True:
            with gzip.open(self.corpus, "rt", encoding="utf-8") as lines:
                for line in lines:
                    if made == self.size:
                        return
                    made += 1
                    fields = json.loads(line)
                    if copy:
                        fields |= {"id": f"{fields['id']}-{copy}", "title": f"{fields['title']} {copy}"}
                    yield Record(self.name, made, fields)
            copy += 1

    def progress(self) -> float:
        """Return 0: nobody looks."""
        return 0.0


@dataclass(frozen=True)
class Measured:
    """A run: its report, documents a second from the first record to the refresh, and its peak of memory."""

    report: RunReport
    rate: float
    rss_mib: int


def in_process(options: RunOptions, feed: Grown) -> Measured:
    """Run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there, options, feed))
    process.start()
    found: Measured = here.recv()
    process.join()
    return found


def _run(out: Connection, options: RunOptions, feed: Grown) -> None:
    report = ingest([feed], options)
    rate = report.indexed / (time.perf_counter() - feed.begun)
    out.send(Measured(report, rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10))


@click.command()
@click.option("--data", default=DATA, show_default=True, type=click.Path(path_type=Path))
@click.option("--sizes", default="20000,200000", show_default=True, help="Numbers of documents.")
@click.option("--embed", "embedded", default=2000, show_default=True, type=click.IntRange(0))
def main(data: Path, sizes: str, embedded: int) -> None:
    """Measure throughput and memory."""
    corpus = data / "corpus.jsonl.gz"
    if not corpus.is_file():
        raise click.ClickException(f"there is no catalogue {corpus}; name its folder with --data")
    points: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder, own_node("throughput") as node:
        options: dict[str, Any] = {
            "languages": LANGUAGES,
            "prior": "en",
            "translate": False,
            "pipeline": False,
            "url": node.config.url,
            "resources": Path(folder),
            "dead_letters": Path(folder) / "dead.jsonl",
            "manifest": Path(folder) / "manifest.json",
        }
        for size in map(int, sizes.split(",")):
            feed = Grown(corpus, size)
            plain = bulk_rate(node.config.url, feed, Path(folder) / "prepared.jsonl")
            run = in_process(RunOptions(f"run-{size}", embed=False, **options), feed)
            points.append((size, run.rss_mib))
            click.echo(
                f"{size} documents: parallel_bulk {plain:.0f}/s, ingest {run.rate:.0f}/s ({run.rate / plain:.0%}),"
                f" peak RSS {run.rss_mib} MiB; seconds by stage {run.report.as_json()['stage_seconds']}"
            )
        if len(points) > 1:
            (small, less), (large, more) = points[0], points[-1]
            click.echo(f"memory grows by {(more - less) / (large - small) * 1e6:.0f} MiB a million documents")
        if embedded:
            with_vectors(corpus, embedded, RunOptions("run-vectors", **options))


def with_vectors(corpus: Path, size: int, options: RunOptions) -> None:
    """Compare a run with vectors to the embedder on the same texts."""
    feed = Grown(corpus, size)
    embedder = load_embedder()
    documents = clean_batch(list(feed.entries())).documents
    texts = [embedder.template.render(one.fields_for(embedder.languages)) for one in documents]
    begin = time.perf_counter()
    for start in range(0, len(texts), options.batch_size):
        embedder.embed_documents(texts[start : start + options.batch_size])
    alone = size / (time.perf_counter() - begin)
    run = in_process(options, feed)
    click.echo(
        f"{size} with vectors: embedder alone {alone:.0f}/s, ingest {run.rate:.0f}/s ({run.rate / alone:.0%}),"
        f" peak RSS {run.rss_mib} MiB"
    )


def bulk_rate(url: str, feed: Grown, prepared: Path) -> float:
    """Return the documents a second that opensearch-py's `parallel_bulk` writes of prepared documents."""
    with prepared.open("w", encoding="utf-8") as out:
        for entry in feed.entries():
            for document in clean_batch([entry]).documents:
                out.write(json.dumps({"_id": document.id, "_source": document.source(LANGUAGES)}) + "\n")
    client = connect(url)
    index = ensure_index(client, f"bulk-{feed.size}", IndexSpec(LANGUAGES))
    begin = time.perf_counter()
    with prepared.open(encoding="utf-8") as lines:
        actions = ({"_index": index, **json.loads(line)} for line in lines)
        written = sum(1 for done, _ in parallel_bulk(client, actions) if done)
    client.indices.refresh(index=index)
    rate: float = written / (time.perf_counter() - begin)
    client.close()
    return rate


if __name__ == "__main__":
    main()
