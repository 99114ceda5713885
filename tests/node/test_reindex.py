"""A reindex as an operator does it: build beside the old index, verify, swap and roll back while shoppers search."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.lock import locked
from ingest.reindex.swap import rollback, swap
from plugin.client import OpenSearch, cluster_errors, cluster_id, connect
from plugin.index import read_meta
from plugin.pipelines import config_for, install_pipeline
from rerank.embedder import load_embedder
from tests.node.conftest import RunningNode
from tests.node.engine_rig import Json, Rig
from tests.node.fake_service import FakeService, slow

pytestmark = pytest.mark.node
ALIAS = "reindex-shop"
OLD, NEW = f"{ALIAS}-000001", f"{ALIAS}-000002"
COUNT = 60
PAGE = 20


def products(edition: str, count: int = COUNT) -> list[Json]:
    return [
        {"id": str(i), "lang": "en", "title": f"desk lamp number {i}", "brand": edition, "price": 10 + i}
        for i in range(count)
    ]


@dataclass
class Shop:
    """Two editions of a catalogue, and the command with everything it writes beside them."""

    folder: Path
    url: str
    client: OpenSearch

    def feed(self, name: str, records: list[Json]) -> Path:
        path = self.folder / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        return path

    def ingest(self, *arguments: str | Path) -> Result:
        places = ["--resources", self.folder / "resources", "--dead-letters", self.folder / "dead.jsonl"]
        fill = [*places, "--no-translate"] if {"run", "build"} & set(map(str, arguments)) else []
        line = [*arguments, "--index", ALIAS, "--url", self.url, "--json", *fill]
        return CliRunner().invoke(main, list(map(str, line)))

    def told(self, *arguments: str | Path, code: int = 0) -> Json:
        result = self.ingest(*arguments)
        assert result.exit_code == code, result.output
        found: Json = json.loads(result.stdout)
        return found

    def brands(self, index: str) -> Counter[str]:
        self.client.indices.refresh(index=index)
        with cluster_errors(f"search {index}"):
            found = self.client.search(index=index, body={"size": 200}, params={"search_pipeline": "_none"})
        return Counter(hit["_source"]["brand"] for hit in found["hits"]["hits"])


@pytest.fixture
def reindexed(node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The old edition searched, the new one built beside it; all its indices are dropped afterwards."""
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    shop = Shop(tmp_path, node.url, node.client)
    shop.told("run", shop.feed("old", products("old")))
    shop.told("reindex", "build", shop.feed("new", products("new")))
    yield shop
    node.client.indices.delete(index=f"{ALIAS}-*")
    node.client.search_pipeline.delete(id=ALIAS, params={"ignore": 404})


def test_building_leaves_the_alias_where_it_is(reindexed: Shop) -> None:
    assert list(reindexed.client.indices.get_alias(name=ALIAS)) == [OLD]
    assert (reindexed.brands(ALIAS), reindexed.brands(NEW)) == ({"old": COUNT}, {"new": COUNT})
    old, new = (read_meta(reindexed.client, index) for index in (OLD, NEW))
    assert (new["languages"], new["vectors"]) == (old["languages"], old["vectors"])


def test_the_gate_says_what_differs_and_swap_heeds_it(reindexed: Shop) -> None:
    unverified = reindexed.ingest("reindex", "swap")
    assert unverified.exit_code == 1
    assert f"{NEW} was not compared with {OLD} yet" in unverified.stderr
    verdict = reindexed.told("reindex", "verify", "--slowdown", "100", code=3)
    failed = {name for name, check in verdict["checks"].items() if not check["passed"]}
    assert failed == {"documents"}
    assert "differs in brand" in verdict["checks"]["documents"]["detail"]
    refused = reindexed.ingest("reindex", "swap")
    assert refused.exit_code == 1
    assert "did not pass" in refused.stderr
    assert list(reindexed.client.indices.get_alias(name=ALIAS)) == [OLD]
    verdict = reindexed.told("reindex", "verify", "--slowdown", "100", "--changed", "1")
    assert verdict["passed"]
    swapped = reindexed.told("reindex", "swap")
    assert (swapped["left"], swapped["index"]) == (OLD, NEW)
    assert reindexed.brands(ALIAS) == {"new": COUNT}


def test_the_gate_sees_lost_documents_vectors_and_languages(reindexed: Shop) -> None:
    feed = reindexed.feed("poor", products("old", COUNT - 10))
    reindexed.told("reindex", "build", feed, "--no-embed", "--languages", "de,en")
    verdict = reindexed.told("reindex", "verify", "--slowdown", "100", code=3)
    assert verdict["new"] == f"{ALIAS}-000003"
    assert not verdict["checks"]["counts"]["passed"]
    assert verdict["checks"]["documents"]["missing"] == 10
    said = verdict["checks"]["mapping"]["detail"]
    assert "languages no longer served: es, fr" in said
    assert "vector fields no longer there: embedding" in said


def test_judged_queries_and_searches_are_compared(reindexed: Shop) -> None:
    queries = reindexed.feed("queries", [{"id": "q", "text": "lamp 7"}])
    qrels = reindexed.folder / "qrels.tsv"
    qrels.write_text("query_id\tdoc_id\trelevance\nq\t7\t1\n", encoding="utf-8")
    client = reindexed.client
    client.update(index=NEW, id="7", body={"doc": {"title": {"en": "a chair"}}}, params={"refresh": "true"})
    arguments = ("--queries", queries, "--qrels", qrels, "--changed", "1", "--slowdown", "100")
    verdict = reindexed.told("reindex", "verify", *arguments, code=3)
    relevance = verdict["checks"]["relevance"]
    assert (relevance["passed"], relevance["old"]) == (False, 1.0)
    assert relevance["new"] < 0.5


def test_what_is_written_meanwhile_reaches_the_new_index(reindexed: Shop) -> None:
    client = reindexed.client
    late = [{**products("late")[3], "price": 999}, {**products("late")[4], "id": "added"}]
    reindexed.told("run", reindexed.feed("late", late))
    client.delete(index=ALIAS, id="5", params={"refresh": "true"})
    swapped = reindexed.told("reindex", "swap", "--force")
    assert (swapped["written"], swapped["deleted"]) == (2, 1)
    assert reindexed.brands(ALIAS) == {"new": COUNT - 2, "late": 2}
    assert client.get(index=ALIAS, id="3")["_source"]["price"] == 999
    assert not client.exists(index=ALIAS, id="5")
    reindexed.told("run", reindexed.folder / "new.jsonl")  # what the build wrote and the catch-up changed is due again
    assert client.get(index=ALIAS, id="3")["_source"]["brand"] == "new"
    assert client.exists(index=ALIAS, id="5")


def test_the_way_back_and_cleaning_up(reindexed: Shop) -> None:
    client = reindexed.client
    none = reindexed.ingest("reindex", "rollback")
    assert none.exit_code == 1
    assert "there is no way back" in none.stderr
    client.indices.put_settings(index=OLD, body={"index.search.default_pipeline": ALIAS})
    reindexed.told("reindex", "swap", "--force")
    settings = client.indices.get_settings(index=NEW)[NEW]["settings"]["index"]
    assert settings["search"]["default_pipeline"] == ALIAS
    reindexed.told("run", reindexed.feed("after", [{**products("after")[1]}]))
    back = reindexed.told("reindex", "rollback")
    assert (back["left"], back["index"], back["behind"]) == (NEW, OLD, 1)
    assert reindexed.brands(ALIAS) == {"old": COUNT}
    assert reindexed.told("reindex", "clean", "--keep", "0") == {"dropped": [NEW]}
    assert list(client.indices.get(index=f"{ALIAS}-*")) == [OLD]


def test_nothing_moves_while_a_run_or_a_build_writes(reindexed: Shop) -> None:
    cluster = cluster_id(reindexed.client)
    with locked(ALIAS, cluster):
        for command in ("swap", "rollback", "clean"):
            refused = reindexed.ingest("reindex", command, *(["--force"] if command == "swap" else []))
            assert refused.exit_code == 75, refused.output
            assert f"writes into {ALIAS}; wait until it ends" in refused.stderr
    with locked(NEW, cluster):
        assert reindexed.ingest("reindex", "swap", "--force").exit_code == 75
        assert reindexed.ingest("reindex", "clean", "--keep", "0").exit_code == 75
    assert list(reindexed.client.indices.get_alias(name=ALIAS)) == [OLD]
    assert reindexed.client.indices.exists(index=NEW)


def test_a_build_that_broke_off_is_gone_on_with(reindexed: Shop) -> None:
    reindexed.told("reindex", "clean", "--keep", "0")
    broken = reindexed.ingest("reindex", "build", reindexed.folder / "new.jsonl", "--prior", "no such option")
    assert broken.exit_code == 2
    torn = reindexed.folder / "torn.jsonl.gz"
    torn.write_bytes(b"\x1f\x8b\x08\x00not gzip at all")
    assert reindexed.ingest("reindex", "build", torn).exit_code not in (0, 3)
    feed = reindexed.folder / "new.jsonl"
    refused = reindexed.ingest("reindex", "build", feed)
    assert refused.exit_code == 1
    assert f"the build of {NEW} broke off" in refused.stderr
    verdict = reindexed.told("reindex", "verify", "--slowdown", "100", code=3)
    assert not verdict["checks"]["complete"]["passed"]
    assert reindexed.told("reindex", "build", feed, "--resume")["index"] == NEW
    assert reindexed.brands(NEW) == {"new": COUNT}


@dataclass
class Load:
    """Shoppers who search without a pause, and what is wrong with what they saw."""

    url: str
    faults: list[str] = field(default_factory=list)
    pages: Counter[str] = field(default_factory=Counter)
    end: threading.Event = field(default_factory=threading.Event)

    def shop(self, number: int) -> None:
        client = connect(self.url)
        body = {"query": {"multi_match": {"query": "desk lamp", "fields": ["title.en", "brand"]}}, "size": PAGE}
        try:
            while not self.end.is_set():
                self._look(client.search(index=ALIAS, body=body, params={"search_pipeline": ALIAS}))
        except Exception as error:  # noqa: BLE001  (any failure at all is what is looked for)
            self.faults.append(f"shopper {number}: {error!r}")
        finally:
            client.close()

    def _look(self, answer: dict[str, Any]) -> None:
        hits, section = answer["hits"]["hits"], answer["ext"]["polyrank"]
        indices = {hit["_index"] for hit in hits} | {hit["_index"] for hit in section["hits"]}
        brands = {hit["_source"]["brand"] for hit in hits}
        retrievers = {name for hit in section["hits"] for name in hit["ranks"]}
        if len(hits) != PAGE or len(section["hits"]) != PAGE:
            self.faults.append(f"a page of {len(hits)}, {len(section['hits'])} explained")
        if len(indices) != 1 or len(brands) != 1:
            self.faults.append(f"a page of {sorted(indices)}, {sorted(brands)}")
        if section["degraded"] or not {"lexical", "knn.embedding"} <= retrievers:
            self.faults.append(f"degraded: {section['degraded']}, only {sorted(retrievers)}")
        self.pages.update(brands)


def test_swap_and_rollback_under_load(reindexed: Shop, node: RunningNode) -> None:
    client = reindexed.client
    embedder = load_embedder()
    with FakeService(embedder.dimension) as service:
        service.fingerprint = embedder.fingerprint
        service.behaviours["/understand"] = slow(0.02, service.well)  # so that a swap falls between two sub-searches
        rig = Rig(node.url, service)
        before = rig.services()
        rig.use(service.url)
        config = replace(config_for(read_meta(client, OLD), ALIAS), deadline_ms=20_000)
        install_pipeline(client, ALIAS, config)
        load = Load(node.url)
        shoppers = [threading.Thread(target=load.shop, args=(number,)) for number in range(4)]
        try:
            for shopper in shoppers:
                shopper.start()
            for _ in range(5):
                time.sleep(0.15)
                swap(client, ALIAS, force=True)
                time.sleep(0.15)
                rollback(client, ALIAS)
        finally:
            load.end.set()
            for shopper in shoppers:
                shopper.join()
            rig.use(*before)
            rig.http.close()
    assert not load.faults, Counter(load.faults).most_common(5)
    assert load.pages["old"] > 50
    assert load.pages["new"] > 50
