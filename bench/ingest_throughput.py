"""Documents a second of `ingest`, beside what it cannot beat, in turn on one node: opensearch-py's own bulk helper, and
the embedder alone.

    python -m bench.ingest_throughput [--data ../shared/data/chorus-icecat] [--sizes 20000,1000000:1] [--rounds 5]
        [--embed 10000] [--workers N] [--json FILE]

Starts a node of its own. For each size the catalogue is grown into a feed (each copy has ids and titles of its own) and
into the same documents prepared for the index, both written line by line. A round fills an index with
`opensearchpy.helpers.parallel_bulk` (4 threads, chunks of 500) from the prepared documents, and another of the same
mapping with a run of `ingest` from the feed, without translation and vectors; every second round the other way round.
`--embed N`: the same with vectors on N documents, beside the embedder alone on the same texts in the same batches.

Each of these is a process of its own, so that its peak of memory (VmHWM) is its own; with --workers peak and CPU are of
the first process alone. Timed is from the first line that is read to the refresh of the index; imports, models and the
creation of the index are not. Medians over the rounds.
`slope` is how many bytes of peak a further document costs from the smallest size to the largest; `inner_slope` the
same within the largest run, by least squares over its second half. 20000,1000000:1 means one round of the second.
"""

import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, ParamSpec, TypeVar

import click
from opensearchpy.helpers import parallel_bulk

from ingest.document import DeadLetter, Record
from ingest.feeds import Feed, open_feed
from ingest.run import BATCH_SIZE
from ingest.session import RunOptions, ingest
from ingest.stages import clean_batch
from plugin.client import OpenSearch, connect
from plugin.index import IndexSpec, ensure_index
from rerank.embedder import load_embedder
from tests.node.own_node import own_node

DATA = Path("../shared/data/chorus-icecat")
LANGUAGES = ("en",)
NOTED_DOCUMENTS = 2000
"""Memory is noted after each so many documents."""

WARM_UP = 2000
"""Documents of a first comparison that is not reported, without vectors and with."""

KIB = 1024
Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What one process did: documents, the seconds that they took on the clock and of CPU, its peak of memory, how its
    memory went (documents, bytes), and where the time went."""

    documents: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    memory: tuple[tuple[int, int], ...] = ()
    stage_seconds: tuple[tuple[str, float], ...] = ()

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.documents / self.seconds


class Watch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def measured(self, documents: int, **more: Any) -> Measured:
        """Return what was done until now."""
        seconds, cpu = time.perf_counter() - self._clock, time.process_time() - self._cpu
        return Measured(documents, seconds, cpu, _memory("VmHWM"), **more)


@dataclass
class Clocked:
    """A feed that knows when its first record was asked for, and what its process had done until then."""

    feed: Feed
    watch: "Watch | None" = None

    @property
    def name(self) -> str:
        """The feed's name."""
        return self.feed.name

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Give the feed's entries."""
        self.watch = Watch()
        yield from self.feed.entries()

    def progress(self) -> float:
        """Return the feed's progress."""
        return self.feed.progress()


@dataclass(frozen=True)
class Files:
    """A catalogue of `size`, as records and as prepared documents; `texts` are what an embedder reads of them."""

    size: int
    feed: Path
    prepared: Path
    texts: Path


def grow(corpus: Path, size: int, folder: Path) -> Files:
    """Write a catalogue of `size`, a line at a time: the real one again and again, with other ids and titles."""
    embedder = load_embedder()
    files = Files(size, folder / "feed.jsonl", folder / "prepared.jsonl", folder / "texts.jsonl")
    with files.feed.open("w") as feed, files.prepared.open("w") as prepared, files.texts.open("w") as texts:
        for number, fields in enumerate(_grown(corpus, size), start=1):
            feed.write(json.dumps(fields) + "\n")
            for document in clean_batch([Record("grown", number, fields)]).documents:
                prepared.write(json.dumps({"_id": document.id, "_source": document.source(LANGUAGES)}) + "\n")
                texts.write(json.dumps(embedder.template.render(document.fields_for(embedder.languages))) + "\n")
    return files


def _grown(corpus: Path, size: int) -> Iterator[Json]:
    made = copy = 0
    while True:
        with gzip.open(corpus, "rt", encoding="utf-8") as lines:
            for line in lines:
                if made == size:
                    return
                made += 1
                fields = json.loads(line)
                if copy:
                    fields |= {"id": f"{fields['id']}-{copy}", "title": f"{fields['title']} {copy}"}
                yield fields
        copy += 1


def in_process(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Return what a fresh process makes of it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def run_ingest(options: RunOptions, feed: Path, home: Path) -> Measured:
    """Run `ingest` over a feed; what it keeps between runs is below `home`."""
    os.environ["POLYRANK_HOME"] = str(home)
    clocked = Clocked(open_feed(feed))
    memory: list[tuple[int, int]] = []

    def note(tally: Any) -> None:
        written = tally.created + tally.updated
        if written >= (memory[-1][0] if memory else 0) + NOTED_DOCUMENTS:
            memory.append((written, _memory("VmRSS")))

    report = ingest([clocked], options, on_batch=note)
    if clocked.watch is None:
        raise RuntimeError(f"the run did not read {feed}")
    spent = tuple((stage, round(took, 2)) for stage, took in report.tally.seconds.items())
    return clocked.watch.measured(report.indexed, memory=tuple(memory), stage_seconds=spent)


def run_bulk(url: str, prepared: Path, alias: str) -> Measured:
    """Write prepared documents with opensearch-py's `parallel_bulk`."""
    client = connect(url)
    index = ensure_index(client, alias, IndexSpec(LANGUAGES))
    watch = Watch()
    with prepared.open(encoding="utf-8") as lines:
        actions = ({"_index": index, **json.loads(line)} for line in lines)
        written = sum(1 for done, _ in parallel_bulk(client, actions) if done)
    client.indices.refresh(index=index)
    return watch.measured(written)


def run_embedder(texts: Path) -> Measured:
    """Embed texts and do nothing with the vectors."""
    embedder = load_embedder()
    read = [json.loads(line) for line in texts.read_text(encoding="utf-8").splitlines()]
    watch = Watch()
    for start in range(0, len(read), BATCH_SIZE):
        embedder.embed_documents(read[start : start + BATCH_SIZE])
    return watch.measured(len(read))


def _memory(name: str) -> int:
    """Return a figure of this process in bytes. Not `ru_maxrss`: it begins with that of the process that forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith(name))


def compare(
    client: OpenSearch, files: Files, rounds: int, options: RunOptions, peer: Callable[[str], Measured], folder: Path
) -> Json:
    """Take turns: `peer` (given a name for its index), and a run of `ingest`; return the figures of both."""
    ours: list[Measured] = []
    theirs: list[Measured] = []
    for number in range(rounds):
        names = f"{options.alias}-{number}", f"peer-{options.alias}-{number}"
        for own in (False, True) if number % 2 == 0 else (True, False):
            if own:
                run = replace(options, alias=names[0])
                ours.append(in_process(run_ingest, run, files.feed, folder / f"home-{number}"))
            else:
                theirs.append(peer(names[1]))
        for name in names:
            if client.indices.exists(index=name):
                count = client.count(index=name)["count"]
                if count != files.size:
                    raise click.ClickException(f"{name} holds {count} documents, not {files.size}: nothing to compare")
                client.indices.delete(index=f"{name}-000001")
    if any(one.documents != files.size for one in (*ours, *theirs)):
        raise click.ClickException(f"not all of {files.size} documents were written; see the node's log")
    return {
        "documents": files.size,
        "rounds": rounds,
        "ingest": _figures(ours),
        "peer": _figures(theirs),
        "ratio": round(median(one.rate for one in ours) / median(one.rate for one in theirs), 3),
        "ratios": [round(one.rate / other.rate, 3) for one, other in zip(ours, theirs, strict=True)],
    }


def measure(url: str, corpus: Path, size: int, rounds: int, *, vectors: bool = False, workers: int = 0) -> Json:
    """Grow a catalogue and compare on it, with `parallel_bulk` or with the embedder alone; return the figures."""
    client = connect(url)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = in_process(grow, corpus, size, folder)
        options = RunOptions(
            f"{'vectors' if vectors else 'bare'}-{size}",
            LANGUAGES,
            "en",
            resources=folder / "resources",
            dead_letters=folder / "dead.jsonl",
            translate=False,
            pipeline=False,
            embed=vectors,
            url=url,
            workers=workers,
        )

        def peer(alias: str) -> Measured:
            if vectors:
                return in_process(run_embedder, files.texts)
            return in_process(run_bulk, url, files.prepared, alias)

        found = compare(client, files, rounds, options, peer, folder)
    client.close()
    return found


def _figures(runs: Sequence[Measured]) -> Json:
    found = {
        "documents_per_s": round(median(one.rate for one in runs), 1),
        "documents_per_s_by_round": [round(one.rate, 1) for one in runs],
        "cpu_ms_per_document": round(1000 * median(one.cpu_seconds / one.documents for one in runs), 3),
        "peak_rss_mib": round(median(one.peak_bytes for one in runs) / KIB**2, 1),
    }
    last = runs[-1]
    if last.stage_seconds:
        found["stage_seconds_of_last_round"] = dict(last.stage_seconds)
    later = last.memory[len(last.memory) // 2 :]
    if len(later) > 2:
        found["inner_slope_bytes_per_document"] = round(linear_regression(*zip(*later, strict=True)).slope, 1)
    return found


def _line(name: str, found: Json) -> str:
    ours, peer = found["ingest"], found["peer"]
    return (
        f"{found['documents']} documents, {found['rounds']} rounds: {name} {peer['documents_per_s']:.0f}/s"
        f" ({peer['cpu_ms_per_document']} ms CPU a document, peak {peer['peak_rss_mib']:.0f} MiB), ingest"
        f" {ours['documents_per_s']:.0f}/s ({ours['cpu_ms_per_document']} ms, peak {ours['peak_rss_mib']:.0f} MiB):"
        f" {found['ratio']:.0%} (rounds: {min(found['ratios']):.0%} to"
        f" {max(found['ratios']):.0%}); seconds by stage {ours['stage_seconds_of_last_round']}"
    )


def _sizes(ctx: click.Context, parameter: click.Parameter, value: str) -> list[tuple[int, int | None]]:
    try:
        pairs = [part.partition(":") for part in value.split(",") if part.strip()]
        found = [(int(size), int(rounds) if rounds else None) for size, _, rounds in pairs]
    except ValueError as error:
        raise click.BadParameter("give numbers of documents, such as 20000,1000000:1") from error
    return sorted(found, key=lambda one: one[0])


@click.command(help=__doc__)
@click.option("--data", default=DATA, show_default=True, type=click.Path(path_type=Path), help="Catalogue.")
@click.option("--sizes", default="20000,1000000:1", show_default=True, callback=_sizes, help="Documents[:ROUNDS], ...")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--embed", "embedded", default=10_000, show_default=True, type=click.IntRange(0), help="With vectors.")
@click.option("--workers", default=0, show_default=True, type=click.IntRange(0), help="As for `ingest run`.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
def main(
    data: Path, sizes: list[tuple[int, int | None]], rounds: int, embedded: int, workers: int, json_path: Path | None
) -> None:
    """Measure throughput and memory."""
    corpus = data / "corpus.jsonl.gz"
    if not corpus.is_file():
        raise click.ClickException(f"there is no catalogue {corpus}; name its folder with --data")
    found: Json = {"workers": workers}
    with own_node("throughput") as node:
        measure(node.config.url, corpus, WARM_UP, 1, workers=workers)  # a virtual machine that has just begun is slow
        found["parallel_bulk"] = []
        for size, its in sizes:
            found["parallel_bulk"].append(measure(node.config.url, corpus, size, its or rounds, workers=workers))
            click.echo(_line("parallel_bulk", found["parallel_bulk"][-1]))
        if embedded:
            measure(node.config.url, corpus, WARM_UP, 1, vectors=True, workers=workers)  # nor has it built a graph yet
            found["embedder"] = measure(node.config.url, corpus, embedded, rounds, vectors=True, workers=workers)
            click.echo(_line("embedder alone", found["embedder"]))
    if len(sizes) > 1:
        found["slope_bytes_per_document"] = slope(found["parallel_bulk"])
        click.echo(f"a further document costs {found['slope_bytes_per_document']:.1f} bytes of peak memory")
    if json_path is not None:
        json_path.write_text(json.dumps(found, indent=2), encoding="utf-8")


def slope(figures: Sequence[Json]) -> float:
    """Return the bytes of peak memory a document, from the smallest size to the largest."""
    small, large = figures[0], figures[-1]
    mib: float = large["ingest"]["peak_rss_mib"] - small["ingest"]["peak_rss_mib"]
    documents: int = large["documents"] - small["documents"]
    return round(mib * KIB**2 / documents, 2)


if __name__ == "__main__":
    main()
