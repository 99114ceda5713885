"""Runs are killed, the cluster fails, feeds shrink: nothing is lost, nothing is twice, nothing comes back."""

import gzip
import json
import random
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.lock import locked
from plugin.bulk import BulkAction, BulkWriter
from plugin.client import cluster_id
from plugin.patience import Patience
from tests.node.conftest import RunningNode
from tests.node.flaky_cluster import FAULTS, flaky_cluster
from tests.node.killing import IDLE, Ingest, all_documents, kill_often

pytestmark = pytest.mark.node

DEMO = Path(__file__).parents[2] / "demo" / "catalogue.jsonl"
ALIASES = ("safe-killed", "safe-whole", "safe-flaky", "safe-feed", "safe-versions")


@pytest.fixture(autouse=True)
def _clean(node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    yield
    for alias in ALIASES:
        node.client.indices.delete(index=f"{alias}-000001", params={"ignore": 404})


def run(url: str, feed: Path, alias: str, *more: str, command: str = "run") -> Result:
    return CliRunner().invoke(main, [command, str(feed), "--index", alias, "--url", url, *IDLE, *more])


def numbers(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(node: RunningNode, tmp_path: Path) -> None:
    whole = DEMO.read_bytes()
    lines = whole.splitlines(keepends=True)
    changed = [line.replace(b'"title": "', b'"title": "2. ') if place % 2 else line for place, line in enumerate(lines)]
    other = b"".join(line for place, line in enumerate(changed) if place % 20)
    feed = tmp_path / "feed.jsonl"
    feed.write_bytes(whole)
    options = (*IDLE, "--batch-size", "8")
    undisturbed = Ingest(feed, "safe-whole", node.url, tmp_path / "a", options)
    took_s = undisturbed.finish()
    killed = Ingest(feed, "safe-killed", node.url, tmp_path / "b", options)
    kill_often(killed, [whole, other], 4, took_s, random.Random(7))
    killed.finish()
    expected = all_documents(node.client, "safe-whole")
    assert len(expected) == len({json.loads(line)["id"] for line in lines})
    assert all_documents(node.client, "safe-killed") == expected


def test_storms_and_lost_connections_lose_nothing_and_dead_letters_replay_to_zero(
    node: RunningNode, tmp_path: Path
) -> None:
    feed = tmp_path / "feed.jsonl"
    feed.write_text("".join(json.dumps({"id": str(one), "title": f"Lamp {one}"}) + "\n" for one in range(200)))
    faults = list(islice(cycle(FAULTS), 18))
    letters = tmp_path / "dead.jsonl"
    with flaky_cluster(node.url, faults=faults, refused=lambda doc_id: doc_id.endswith("7")) as flaky:
        result = run(flaky.url, feed, "safe-flaky", "--batch-size", "20", "--dead-letters", str(letters))
        assert result.exit_code == 3, result.output
        assert (numbers(result)["indexed"], numbers(result)["dead_letters"]) == (180, 20)
        assert all(flaky.done[fault] >= 3 for fault in FAULTS)
        flaky.refused = lambda doc_id: False
        replayed = run(flaky.url, letters, "safe-flaky", command="replay")
    assert replayed.exit_code == 0, replayed.output
    assert numbers(replayed)["indexed"] == 20
    assert not letters.exists()
    documents = all_documents(node.client, "safe-flaky")
    assert {key: one["title"] for key, one in documents.items()} == {
        str(one): {"en": f"Lamp {one}"} if "en" in documents[str(one)]["title"] else documents[str(one)]["title"]
        for one in range(200)
    }
    assert numbers(run(node.url, feed, "safe-flaky"))["unchanged"] == 200


def test_a_cluster_that_stays_away_ends_the_run_with_5_and_the_next_goes_on(node: RunningNode, tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl"
    feed.write_text("".join(json.dumps({"id": str(one), "title": f"Lamp {one}"}) + "\n" for one in range(40)))
    with flaky_cluster(node.url, faults=["pass", *["busy"] * 10_000]) as flaky:
        result = run(flaky.url, feed, "safe-flaky", "--batch-size", "20", "--patience", "0.5")
    assert result.exit_code == 5
    assert "gave up after 0 s" in result.stderr or "gave up after 1 s" in result.stderr
    again = numbers(run(node.url, feed, "safe-flaky"))
    assert (again["unchanged"], again["created"]) == (20, 20)


def test_a_run_that_fails_leaves_the_words_of_the_catalogue_as_they_were(node: RunningNode, tmp_path: Path) -> None:
    feed, broken = tmp_path / "feed.jsonl", tmp_path / "broken.jsonl.gz"
    own = ("--resources", str(tmp_path / "resources"), "--batch-size", "20")
    feed.write_text("".join(json.dumps({"id": str(one), "title": "Lamp", "lang": "en"}) + "\n" for one in range(40)))
    assert run(node.url, feed, "safe-flaky", *own).exit_code == 0
    files = [tmp_path / "resources" / kind / "safe-flaky.tsv.gz" for kind in ("vocabulary", "values")]
    before = [one.read_bytes() for one in files]
    broken.write_bytes(gzip.compress(feed.read_bytes().replace(b"Lamp", b"Chair"))[:-9])
    assert run(node.url, broken, "safe-flaky", *own).exit_code == 4
    assert [one.read_bytes() for one in files] == before
    feed.write_bytes(feed.read_bytes().replace(b"Lamp", b"Stool"))
    with flaky_cluster(node.url, faults=["pass", *["busy"] * 10_000]) as flaky:
        assert run(flaky.url, feed, "safe-flaky", *own, "--patience", "0.5").exit_code == 5
    assert [one.read_bytes() for one in files] == before
    assert run(node.url, feed, "safe-flaky", *own).exit_code == 0
    assert [one.read_bytes() for one in files] != before
    kept = [path.name for path in (tmp_path / "resources").rglob("*") if path.is_file()]
    assert all(not name.startswith(".") for name in kept)


def test_a_feed_that_shrank_is_refused_and_one_that_lost_a_product_loses_it(node: RunningNode, tmp_path: Path) -> None:
    feed, metrics, manifest = tmp_path / "feed.jsonl", tmp_path / "m" / "ingest.prom", tmp_path / "manifest.json"
    lines = [json.dumps({"id": str(one), "title": "Lamp"}) + "\n" for one in range(10)]
    feed.write_text("".join(lines))
    assert run(node.url, feed, "safe-feed").exit_code == 0
    feed.write_text("".join(lines[:5]))
    assert numbers(run(node.url, feed, "safe-feed", "--dry-run"))["refused"]
    told = ("--metrics", str(metrics), "--manifest", str(manifest))
    shrunk = run(node.url, feed, "safe-feed", *told)
    assert shrunk.exit_code == 4
    assert "5 of 10 documents are gone from" in shrunk.stderr
    assert len(all_documents(node.client, "safe-feed")) == 10
    assert json.loads(manifest.read_text())["counts"]["unchanged"] == 5
    assert 'polyrank_ingest_exit_code{alias="safe-feed"} 4.0' in metrics.read_text()
    feed.write_text("".join(lines[1:]))
    rehearsed = numbers(run(node.url, feed, "safe-feed", "--dry-run"))
    assert (rehearsed["deleted"], rehearsed["dry_run"]) == (1, True)
    assert len(all_documents(node.client, "safe-feed")) == 10
    assert numbers(run(node.url, feed, "safe-feed"))["deleted"] == 1
    assert set(all_documents(node.client, "safe-feed")) == set(map(str, range(1, 10)))


def test_an_index_that_lost_documents_is_filled_again(node: RunningNode, tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl"
    feed.write_text("".join(json.dumps({"id": str(one), "title": "Lamp"}) + "\n" for one in range(5)))
    run(node.url, feed, "safe-feed")
    node.client.delete(index="safe-feed", id="3", params={"refresh": "true"})
    result = run(node.url, feed, "safe-feed", "--log-format", "json")
    assert numbers(result)["indexed"] == 5
    told = [json.loads(line) for line in result.stderr.splitlines()]
    assert "holds 4 documents of 5" in told[0]["message"]


def test_a_second_run_at_the_same_time_ends_with_75(node: RunningNode, tmp_path: Path) -> None:
    with locked("safe-feed", cluster_id(node.client)):
        result = run(node.url, DEMO, "safe-feed")
    assert result.exit_code == 75
    assert "another run (process" in result.stderr


def test_an_older_version_never_replaces_a_newer_one_and_a_spoilt_document_stands_alone(node: RunningNode) -> None:
    node.client.indices.create(
        index="safe-versions-000001", body={"mappings": {"properties": {"n": {"type": "integer"}}}}
    )
    writer = BulkWriter(node.client, "safe-versions-000001", Patience(5))
    new, spoilt = BulkAction("a", {"n": 2}, 20), BulkAction("b", {"n": "x"}, 20)
    assert [one.result for one in writer.write([new, spoilt])] == ["created", "failed"]
    assert writer.write([BulkAction("a", {"n": 1}, 10)])[0].result == "stale"
    assert writer.write([BulkAction("a", None, 10)])[0].result == "stale"
    assert writer.write([new])[0].result == "updated"
    assert node.client.get(index="safe-versions-000001", id="a")["_source"] == {"n": 2}
    assert [one.result for one in writer.write([BulkAction("a", None, 30), BulkAction("c", None, 30)])] == [
        "deleted",
        "deleted",
    ]
