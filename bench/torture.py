"""Kill `ingest run` in every stage, stop the node under it, let the cluster refuse, and compare with a quiet run.

    python -m bench.torture [--data ../shared/data/chorus-icecat] [--kills 50] [--restarts 2] [--seed 1] [--limit N]
        [--no-embed]

Starts a node of its own. A run over the catalogue, with vectors, kills itself (SIGKILL) while it reads, embeds, writes,
saves its state or deletes what is gone: each stage in turn, at a random batch and a random time into it. It is started
again each time; whenever one gets through, the feed changes: every tenth title, and every twentieth product goes or
comes back. Then the node is stopped and started while a run writes everything anew. Another index is filled through a
proxy that answers 429 and 503, drops connections and refuses documents, and its dead letters are replayed.

Each index must hold, document by document, what one quiet run over the last feed wrote: nothing lost, nothing twice,
nothing left behind. Vectors are compared by cosine: the int8 model scales by what else is in its batch, and batches
differ when documents are known already. Exits with 1 when something is not equal.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from plugin.client import connect
from plugin.index import VECTOR_FIELD
from tests.node.flaky_cluster import FAULTS, flaky_cluster
from tests.node.killing import IDLE, PROGRAM, Ingest, all_documents, kill_at_stages
from tests.node.own_node import OwnNode, own_node
from tests.node.traps import PLACES

DATA = Path("../shared/data/chorus-icecat")
WITH_VECTORS = tuple(option for option in IDLE if option != "--no-embed")
LEAST_COSINE = 0.99
FAULTY_REQUESTS = 60
BATCHES = 64
"""As many batches at least, so that there are places to be killed at in a small catalogue, too."""


@click.command()
@click.option("--data", default=DATA, show_default=True, type=click.Path(path_type=Path), help="Catalogue.")
@click.option("--kills", default=50, show_default=True, type=click.IntRange(0))
@click.option("--restarts", default=2, show_default=True, type=click.IntRange(0), help="Stops of the node.")
@click.option("--seed", default=1, show_default=True)
@click.option("--limit", type=click.IntRange(20), help="Use so many products alone.")
@click.option("--embed/--no-embed", default=True, show_default=True, help="With vectors, and kills while embedding.")
def main(data: Path, kills: int, restarts: int, seed: int, limit: int | None, embed: bool) -> None:
    """Torture `ingest run`."""
    corpus = data / "corpus.jsonl.gz"
    if not corpus.is_file():
        raise click.ClickException(f"there is no catalogue {corpus}; name its folder with --data")
    whole, other = feed_versions(corpus, limit)
    with tempfile.TemporaryDirectory() as name, own_node("torture") as node:
        folder, rng = Path(name), random.Random(seed)
        feed = folder / "feed.jsonl"
        feed.write_bytes(whole)
        url = node.config.url
        options = WITH_VECTORS if embed else IDLE
        took_s = Ingest(feed, "quiet", url, folder / "quiet", options).finish(1200)
        click.echo(f"a quiet run over {len(whole.splitlines())} products: {took_s:.1f} s")
        storm(Ingest(feed, "stormed", url, folder / "stormed"), folder / "dead.jsonl")
        compare(url, "stormed", vectors=False)
        small = ("--batch-size", str(max(1, min(256, len(whole.splitlines()) // BATCHES))))
        tortured = Ingest(feed, "tortured", url, folder / "tortured", (*options, *small))
        begin = time.perf_counter()
        stages = [stage for stage in PLACES if embed or stage != "embed"]
        killed, ended = kill_at_stages(tortured, [whole, other], kills, rng, stages, tell=click.echo)
        click.echo(f"killed in {dict(killed)}, {ended} ended before, in {time.perf_counter() - begin:.0f} s")
        tortured.finish(900)
        compare(url, "tortured", vectors=embed)
        for _ in range(restarts):
            stop_under(replace(tortured, alias="stopped", options=IDLE), node, rng)
        if restarts:
            compare(url, "stopped", vectors=False)


def feed_versions(corpus: Path, limit: int | None) -> tuple[bytes, bytes]:
    """Return the catalogue, and one in which every tenth title is another and every twentieth product is gone."""
    with gzip.open(corpus) as file:
        lines = file.readlines()[:limit]
    title, new = b'"title": "', b'"title": "New '
    changed = [line.replace(title, new, 1) if place % 10 == 1 else line for place, line in enumerate(lines)]
    return b"".join(lines), b"".join(line for place, line in enumerate(changed) if place % 20)


def storm(ingest: Ingest, letters: Path) -> None:
    """Fill an index through a proxy that refuses: for now, in many ways, and some documents for good. Replay these."""
    faults = list(islice(cycle(FAULTS), FAULTY_REQUESTS))
    with flaky_cluster(ingest.url, faults=faults, refused=lambda doc_id: doc_id.endswith("7")) as flaky:
        through = replace(ingest, url=flaky.url)
        code, report = ended_with(through, "run", ingest.feed, letters)
        click.echo(f"through {flaky.done}: exit code {code}, {report['dead_letters']} dead letters")
        flaky.refused = lambda doc_id: False
        code, report = ended_with(through, "replay", letters, letters)
        click.echo(f"replayed: exit code {code}, {report['indexed']} indexed, {report['dead_letters']} dead letters")
    if code or report["dead_letters"] or letters.exists():
        raise click.ClickException("dead letters do not replay to zero")


def ended_with(ingest: Ingest, command: str, feed: Path, letters: Path) -> tuple[int, dict[str, Any]]:
    """Return exit code and report of a command that may leave dead letters."""
    given = [sys.executable, "-c", PROGRAM, command, str(feed), "--index", ingest.alias, "--url", ingest.url]
    given += ["--dead-letters", str(letters), *ingest.options]
    environment = {**ingest.environment, "POLYRANK_HOME": str(ingest.home)}
    done = subprocess.run(given, env=environment, capture_output=True, check=False, timeout=600)
    if done.returncode not in (0, 3):
        raise click.ClickException(f"ingest {command} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return done.returncode, json.loads(done.stdout)


def stop_under(ingest: Ingest, node: OwnNode, rng: random.Random) -> None:
    """Stop the node while a run writes everything again, start it, and let the run come to its end."""
    process = replace(ingest, options=(*ingest.options, "--rewrite")).start()
    client, before = connect(ingest.url), time.monotonic()
    while process.poll() is None and time.monotonic() - before < 60 and not _writes(client, ingest.alias):
        time.sleep(0.1)
    client.close()
    time.sleep(rng.uniform(0.0, 2.0))
    running = process.poll() is None
    node.stop()
    time.sleep(2)
    node.start()
    _, said = process.communicate(timeout=900)
    click.echo(f"node stopped {'under a run' if running else 'after the run'}: ingest ended with {process.returncode}")
    if process.returncode:
        raise click.ClickException(said.decode()[-2000:])


def _writes(client: Any, alias: str) -> bool:
    """Return whether an index takes documents now: its count of operations moves."""
    counts = []
    for _ in range(2):
        stats = client.indices.stats(index=f"{alias}-*", metric="indexing")
        counts.append(stats["_all"]["total"].get("indexing", {}).get("index_total", 0))
        time.sleep(0.1)
    return bool(counts[1] > counts[0])


def compare(url: str, alias: str, *, vectors: bool = True) -> None:
    """Compare an index with the quiet one. Raises ClickException when they differ."""
    client = connect(url)
    quiet, found = all_documents(client, "quiet"), all_documents(client, alias)
    client.close()
    missing, extra = quiet.keys() - found.keys(), found.keys() - quiet.keys()
    both = sorted(quiet.keys() & found.keys())
    pairs = [(quiet[key].pop(VECTOR_FIELD, None), found[key].pop(VECTOR_FIELD, None)) for key in both]
    least = _least_cosine(pairs) if vectors and pairs else 1.0
    different = [key for key in both if quiet[key] != found[key]]
    said = f", least cosine of vectors {least:.5f}" if vectors else ""
    click.echo(
        f"{alias}: {len(found)} documents, {len(missing)} lost, {len(extra)} left behind,"
        f" {len(different)} different{said}"
    )
    if missing or extra or different or least < LEAST_COSINE:
        raise click.ClickException(f"not equal: {sorted([*missing, *extra, *different])[:20]}")


def _least_cosine(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Return the least cosine of pairs of unit vectors; -1 where one lacks."""
    if any(one is None or other is None for one, other in pairs):
        return -1.0
    left, right = (np.asarray(side, np.float32) for side in zip(*pairs, strict=True))
    return float(np.einsum("nd,nd->n", left, right).min())


if __name__ == "__main__":
    main()
