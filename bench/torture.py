"""Kill `ingest run` again and again, stop the node under it, and compare what is there at the end with a quiet run.

    python -m bench.torture [--data ../shared/data/chorus-icecat] [--kills 50] [--restarts 2] [--seed 1] [--limit N]

Starts a node of its own. A run over the catalogue is killed (SIGKILL) at random times between its start and the time a
quiet run takes, and started again each time; whenever one gets through, the feed changes: titles, and products that go
and come back. Then the node is stopped and started while a run writes everything anew. At the end the index must hold,
document by document, what one quiet run over the last feed wrote: nothing lost, nothing twice, nothing left behind.
Exits with 1 when it does not.
"""

import gzip
import random
import tempfile
import time
from pathlib import Path

import click

from plugin.client import connect
from tests.node.killing import IDLE, Ingest, all_documents, kill_often
from tests.node.own_node import OwnNode, own_node

DATA = Path("../shared/data/chorus-icecat")


@click.command()
@click.option("--data", default=DATA, show_default=True, type=click.Path(path_type=Path), help="Catalogue.")
@click.option("--kills", default=50, show_default=True, type=click.IntRange(0))
@click.option("--restarts", default=2, show_default=True, type=click.IntRange(0), help="Stops of the node.")
@click.option("--seed", default=1, show_default=True)
@click.option("--limit", type=click.IntRange(20), help="Use so many products alone.")
def main(data: Path, kills: int, restarts: int, seed: int, limit: int | None) -> None:
    """Torture `ingest run`."""
    corpus = data / "corpus.jsonl.gz"
    if not corpus.is_file():
        raise click.ClickException(f"there is no catalogue {corpus}; name its folder with --data")
    whole, other = feed_versions(corpus, limit)
    with tempfile.TemporaryDirectory() as name, own_node("torture") as node:
        folder, rng = Path(name), random.Random(seed)
        feed = folder / "feed.jsonl"
        feed.write_bytes(whole)
        quiet = Ingest(feed, "quiet", node.config.url, folder / "quiet")
        took_s = quiet.finish()
        click.echo(f"a quiet run over {len(whole.splitlines())} products: {took_s:.1f} s")
        tortured = Ingest(feed, "tortured", node.config.url, folder / "tortured")
        begin = time.perf_counter()
        ended = kill_often(tortured, [whole, other], kills, took_s, rng)
        click.echo(f"{kills} runs killed, {ended} ended before, in {time.perf_counter() - begin:.0f} s")
        for _ in range(restarts):
            stop_under(tortured, node, rng.uniform(0.3, 0.9) * took_s)
        tortured.finish()
        compare(node.config.url)


def feed_versions(corpus: Path, limit: int | None) -> tuple[bytes, bytes]:
    """Return the catalogue, and one in which every second title is another and every twentieth product is gone."""
    with gzip.open(corpus) as file:
        lines = file.readlines()[:limit]
    title, new = b'"title": "', b'"title": "New '
    changed = [line.replace(title, new, 1) if place % 2 else line for place, line in enumerate(lines)]
    return b"".join(lines), b"".join(line for place, line in enumerate(changed) if place % 20)


def stop_under(ingest: Ingest, node: OwnNode, after_s: float) -> None:
    """Stop the node while a run writes everything again, start it, and let the run come to its end."""
    process = Ingest(ingest.feed, ingest.alias, ingest.url, ingest.home, (*IDLE, "--rewrite")).start()
    time.sleep(after_s)
    running = process.poll() is None
    node.stop()
    time.sleep(2)
    node.start()
    _, said = process.communicate(timeout=900)
    click.echo(f"node stopped {'under a run' if running else 'after the run'}: ingest ended with {process.returncode}")
    if process.returncode:
        raise click.ClickException(said.decode()[-2000:])


def compare(url: str) -> None:
    """Compare both indices. Raises ClickException when they differ."""
    client = connect(url)
    quiet, tortured = all_documents(client, "quiet"), all_documents(client, "tortured")
    missing, extra = quiet.keys() - tortured.keys(), tortured.keys() - quiet.keys()
    different = [key for key in quiet.keys() & tortured.keys() if quiet[key] != tortured[key]]
    click.echo(
        f"{len(quiet)} documents: {len(missing)} lost, {len(extra)} left behind, {len(different)} different,"
        f" {len(tortured)} in the tortured index"
    )
    client.close()
    if missing or extra or different:
        raise click.ClickException(f"not equal: {sorted([*missing, *extra, *different])[:20]}")


if __name__ == "__main__":
    main()
