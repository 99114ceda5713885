"""A small multilingual shop goes into a real node by `ingest run`, as a user would do it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.sinks import IndexSink, Sink
from plugin.client import OpenSearch
from plugin.index import IndexConflictError, IndexSpec, VectorField, ensure_index, read_meta, vector_field_of
from plugin.pipelines import PipelineError, config_for, find_pipeline, read_pipeline
from tests.ingest.sink_contract import SinkContract, product
from tests.node.conftest import RunningNode

pytestmark = pytest.mark.node

PRODUCTS: list[dict[str, Any]] = [
    {
        "id": "k1",
        "lang": "de",
        "title": "Kabellose Kopfhörer",
        "text": "<p>Mit langer Akkulaufzeit</p>",
        "price": "89,90 €",
    },
    {"id": "k2", "lang": "en", "title": "Wireless headphones", "brand": "Sonora", "attrs": {"t_colour": "red"}},
    {"id": "k3", "lang": "pl", "title": "Słuchawki bezprzewodowe", "gtin": "4006381333931"},
    {"id": "k4", "lang": "ja", "title": "ワイヤレスヘッドホン", "category": "オーディオ"},
    {"id": "k5", "lang": "tr", "title": "Kablosuz kulaklık"},
    {
        "id": "k6",
        "lang": "fr",
        "title": "L'étagère murale en chêne",
        "attrs": {"depth": "12 cm", "": "x", "odd.key": [1, None]},
    },
    {"id": "k7", "title": "Garden hose with brass nozzle for the summer", "text": "Long and flexible", "b_flag": True},
    {"title": "no id"},
    {
        "id": "k2",
        "lang": "en",
        "title": "Wireless headphones, second edition",
        "brand": "Sonora",
        "attrs": {"t_colour": "red"},
    },
]


@pytest.fixture(scope="module")
def shop(node: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The feed file; its index and pipeline are removed at the end."""
    feed = tmp_path_factory.mktemp("shop") / "shop.jsonl"
    feed.write_text("\n".join(map(json.dumps, PRODUCTS)), encoding="utf-8")
    yield feed
    for alias in ("ingest-shop", "ingest-bare"):
        node.client.indices.delete(index=f"{alias}-000001", params={"ignore": 404})
        node.client.search_pipeline.delete(id=alias, params={"ignore": 404})


def ingest(shop: Path, node: RunningNode, *more: str, alias: str = "ingest-shop", command: str = "run") -> Result:
    """Run the command with everything it writes beside the feed."""
    folder = shop.parent
    places = ["--resources", str(folder / "resources"), "--dead-letters", str(folder / "dead.jsonl"), "--url", node.url]
    return CliRunner().invoke(main, [command, str(shop), "--index", alias, "--json", *places, *more])


@pytest.fixture(scope="module")
def report(shop: Path, node: RunningNode) -> dict[str, Any]:
    """What the first run printed."""
    result = ingest(shop, node, "--no-translate")
    assert result.exit_code == 3, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def hits(client: OpenSearch, query: dict[str, Any], alias: str = "ingest-shop") -> list[str]:
    answer = client.search(index=alias, body={"query": query}, params={"search_pipeline": "_none"})
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def test_the_report_counts_every_record(report: dict[str, Any]) -> None:
    assert (report["read"], report["created"], report["duplicates"], report["dead_letters"]) == (9, 7, 1, 1)
    assert report["index"] == "ingest-shop-000001"
    assert report["languages"] == {"de": 1, "en": 2, "pl": 1, "ja": 1, "tr": 1, "fr": 1}
    assert report["pipeline"] == "installed"


@pytest.mark.parametrize(
    ("field", "words", "found"),
    [
        ("title.de", "kopfhörern", ["k1"]),
        ("title.de", "Kopfhoerer", ["k1"]),
        ("text.de", "akkulaufzeiten", ["k1"]),
        ("title.pl", "sluchawek bezprzewodowych", ["k3"]),
        ("title.ja", "ヘッドホン", ["k4"]),
        ("title.und", "kulaklik", ["k5"]),
        ("title.fr", "etageres", ["k6"]),
        ("title.en", "hoses", ["k7"]),
        ("title.en", "edition", ["k2"]),
        ("attributes.en", "red", ["k2"]),
        ("brand", "SONORA", ["k2"]),
    ],
)
def test_each_language_is_analyzed_as_such(
    report: dict[str, Any], node: RunningNode, field: str, words: str, found: list[str]
) -> None:
    assert hits(node.client, {"match": {field: {"query": words, "operator": "and"}}}) == found


def test_facts_are_filters(report: dict[str, Any], node: RunningNode) -> None:
    assert hits(node.client, {"range": {"price": {"gte": 89, "lte": 90}}}) == ["k1"]
    assert hits(node.client, {"term": {"gtin": "4006381333931"}}) == ["k3"]
    assert hits(node.client, {"term": {"category.keyword": "オーディオ"}}) == ["k4"]
    assert hits(node.client, {"term": {"attrs.t_colour": "red"}}) == ["k2"]
    assert hits(node.client, {"term": {"language": "tr"}}) == ["k5"]


def test_mapping_meta_alias_and_pipeline(report: dict[str, Any], node: RunningNode) -> None:
    meta = read_meta(node.client, "ingest-shop")
    assert meta["schema_version"] == 1
    assert meta["vectors"]["embedding"]["fingerprint"].startswith("sha256:")
    assert node.client.indices.get_alias(name="ingest-shop")["ingest-shop-000001"]
    processor = read_pipeline(node.client, "ingest-shop")["request_processors"][0]["hybrid_rerank"]
    assert processor["languages"] == meta["languages"]
    with pytest.raises(PipelineError, match="plugin pipelines install nothing"):
        read_pipeline(node.client, "nothing")


def test_vectors_are_unit_and_searchable(report: dict[str, Any], node: RunningNode) -> None:
    vector = node.client.get(index="ingest-shop", id="k7", params={"_source": "embedding"})["_source"]["embedding"]
    assert sum(value * value for value in vector) == pytest.approx(1.0, abs=1e-4)
    assert hits(node.client, {"knn": {"embedding": {"vector": vector, "k": 3}}})[0] == "k7"


def test_the_resources_hold_the_vocabulary(report: dict[str, Any], shop: Path) -> None:
    assert (shop.parent / "resources" / "vocabulary" / "ingest-shop.tsv.gz").is_file()


def test_a_second_run_and_a_replay_change_nothing(report: dict[str, Any], node: RunningNode, shop: Path) -> None:
    everything = {"query": {"match_all": {}}, "size": 100, "sort": ["language", "_doc"]}
    before = node.client.search(index="ingest-shop", body=everything, params={"search_pipeline": "_none"})
    again = json.loads(ingest(shop, node, "--no-translate").stdout)
    assert (again["created"], again["updated"], again["unchanged"], again["embedded"]) == (0, 0, 7, 0)
    assert again["pipeline"] == "kept as it was"
    letters = shop.parent / "dead.jsonl"
    replay = ingest(letters, node, "--no-translate", command="replay")
    assert replay.exit_code == 3
    assert json.loads(replay.stdout)["reasons"] == {"the record has no id": 1}
    after = node.client.search(index="ingest-shop", body=everything, params={"search_pipeline": "_none"})
    assert {hit["_id"]: hit["_source"] for hit in before["hits"]["hits"]} == {
        hit["_id"]: hit["_source"] for hit in after["hits"]["hits"]
    }


def test_a_glossary_translates_documents(node: RunningNode, shop: Path, report: dict[str, Any]) -> None:
    glossary = shop.parent / "terms.tsv"
    glossary.write_text("en\tde\nwireless\tkabellos\nheadphones\tKopfhörer\n", encoding="utf-8")
    result = ingest(
        shop,
        node,
        "--glossary",
        str(glossary),
        "--languages",
        "en,de",
        "--no-embed",
        "--no-pipeline",
        alias="ingest-bare",
    )
    assert result.exit_code == 3, result.output
    assert "terms" in json.loads(result.stdout)["translator"]
    assert set(hits(node.client, {"match": {"title.de": "kopfhörer"}}, "ingest-bare")) == {"k1", "k2"}
    made = node.client.get(index="ingest-bare", id="k2")["_source"]["translations"]["de"]["title"]
    assert made["engine"].startswith("glossary")
    assert find_pipeline(node.client, "ingest-bare") is None


def test_a_document_the_index_refuses_is_a_dead_letter(node: RunningNode, shop: Path, report: dict[str, Any]) -> None:
    bad = shop.parent / "bad.jsonl"
    bad.write_text(json.dumps({"id": "long", "title": "Lamp", "currency": "€" * 20_000}), encoding="utf-8")
    result = ingest(bad, node, "--no-translate")
    assert result.exit_code == 3, result.output
    letter, waiting = map(json.loads, (shop.parent / "dead.jsonl").read_text().splitlines())
    assert "immense term" in letter["reason"]
    assert letter["record"]["id"] == "long"
    assert waiting["reason"] == "the record has no id"  # of another feed, which this run did not read
    assert json.loads(result.stdout)["dead_letters_waiting"] == 2


def test_vectors_of_two_models_are_never_mixed(node: RunningNode, shop: Path, report: dict[str, Any]) -> None:
    told: list[str] = []
    other = IndexSpec(vector=VectorField("sha256:other", 8, "other-model"))
    assert ensure_index(node.client, "ingest-shop", other, tell=told.append) == "ingest-shop-000001"
    assert "its vectors go to the field embedding_2" in told[0]
    meta = read_meta(node.client, "ingest-shop")
    assert vector_field_of(meta, "sha256:other") == "embedding_2"
    assert config_for(meta, None).vector_fields == ("embedding_2",)
    again = json.loads(ingest(shop, node, "--no-translate").stdout)  # with the first model, whose field stands
    assert (again["unchanged"], again["embedded"]) == (7, 0)
    assert config_for(read_meta(node.client, "ingest-shop"), None).vector_fields == ("embedding",)
    result = ingest(shop, node, "--no-embed")
    assert result.exit_code == 1
    assert "leave out --no-embed" in result.stderr


def test_a_foreign_index_is_left_alone(node: RunningNode, report: dict[str, Any]) -> None:
    node.client.indices.create(index="ingest-foreign")
    try:
        with pytest.raises(IndexConflictError, match="is an index, not an alias"):
            ensure_index(node.client, "ingest-foreign", IndexSpec())
    finally:
        node.client.indices.delete(index="ingest-foreign")


def test_a_new_language_is_added_to_an_index(node: RunningNode) -> None:
    try:
        ensure_index(node.client, "ingest-grown", IndexSpec(("en",)))
        assert ensure_index(node.client, "ingest-grown", IndexSpec(("en", "cs"))) == "ingest-grown-000001"
        mapping = node.client.indices.get_mapping(index="ingest-grown")["ingest-grown-000001"]["mappings"]
        assert mapping["_meta"]["polyrank"]["languages"] == ["en", "cs"]
        assert mapping["properties"]["title"]["properties"]["cs"]["analyzer"] == "czech"
        assert mapping["properties"]["title"]["properties"]["en"]["analyzer"] == "polyrank_en"
    finally:
        node.client.indices.delete(index="ingest-grown-000001")


def test_an_unreachable_cluster_is_said_in_one_line(shop: Path) -> None:
    result = CliRunner().invoke(main, ["run", str(shop), "--index", "x", "--no-embed", "--url", "http://127.0.0.1:9"])
    assert result.exit_code == 5
    assert "cannot be reached" in result.stderr
    assert len(result.stderr.splitlines()) == 1


class TestIndexSink(SinkContract):
    @pytest.fixture
    def client(self, node: RunningNode) -> Iterator[OpenSearch]:
        ensure_index(node.client, "ingest-sink", IndexSpec(("en",)))
        yield node.client
        node.client.indices.delete(index="ingest-sink-000001")

    @pytest.fixture
    def sink(self, client: OpenSearch) -> Sink:
        self.client_of_sink = client
        return IndexSink(client, "ingest-sink", ["en"])

    def stored_titles(self, sink: Sink) -> dict[str, str]:
        self.client_of_sink.indices.refresh(index="ingest-sink")
        found = self.client_of_sink.search(index="ingest-sink", body={"query": {"match_all": {}}})
        return {hit["_id"]: hit["_source"]["title"]["en"] for hit in found["hits"]["hits"]}

    def test_one_bad_document_does_not_keep_the_others_out(self, sink: Sink) -> None:
        outcomes = sink.write([product("a"), product("b", currency="x" * 40_000), product("c")])
        assert [outcome.result for outcome in outcomes] == ["created", "failed", "created"]

    def test_a_blocked_index_fails_each_document_with_the_reason(self, client: OpenSearch) -> None:
        client.indices.put_settings(index="ingest-sink", body={"index.blocks.write": True})
        (outcome,) = IndexSink(client, "ingest-sink", ["en"]).write([product("a")])
        client.indices.put_settings(index="ingest-sink", body={"index.blocks.write": False})
        assert outcome.result == "failed"
        assert "blocked" in outcome.reason
