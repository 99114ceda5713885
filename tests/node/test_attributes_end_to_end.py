"""Attributes with the real service: part of the demo shop, ingested by `ingest run`, asked as a shopper would."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli import main
from plugin.client import OpenSearch
from plugin.pipelines import processor_of, put_pipeline, read_pipeline
from tests.node.conftest import RunningNode, RunningService

pytestmark = pytest.mark.node
CATALOGUE = Path(__file__).parents[2] / "demo" / "catalogue.jsonl"
ALIAS = "priced"
WEBCAM = "Full HD webcam with privacy cover"
"""Its text names a microphone."""


@pytest.fixture(scope="module")
def priced(
    node: RunningNode, service: RunningService, service_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenSearch]:
    """The demo's English products behind a pipeline that filters."""
    folder = tmp_path_factory.mktemp("priced")
    catalogue = map(json.loads, CATALOGUE.read_text(encoding="utf-8").splitlines())
    products = [product for product in catalogue if product["lang"] == "en"]
    webcam = next(product for product in products if product["title"] == WEBCAM)
    products.append({**webcam, "id": "dollars", "currency": "USD"})
    del webcam["currency"]
    (folder / "shop.jsonl").write_text("\n".join(map(json.dumps, products)), encoding="utf-8")
    places = ["--resources", str(service_home / "resources"), "--dead-letters", str(folder / "dead.jsonl")]
    ask = ["run", str(folder / "shop.jsonl"), "--index", ALIAS, "--no-translate", "--url", node.url, *places]
    result = CliRunner().invoke(main, ask)
    assert result.exit_code == 0, result.output
    body = read_pipeline(node.client, ALIAS)
    processor_of(body).update(attributes={"use": "filter"}, deadline_ms=30_000)
    put_pipeline(node.client, ALIAS, body)
    node.set_service_urls(service.url)
    yield node.client
    node.client.indices.delete(index=f"{ALIAS}-000001")
    node.client.search_pipeline.delete(id=ALIAS)


def ask(client: OpenSearch, text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The hits' sources and what polyrank tells."""
    body = {"query": {"multi_match": {"query": text, "fields": ["title.*", "text.*"]}}, "size": 100}
    answer = client.search(index=ALIAS, body=body, params={"search_pipeline": ALIAS})
    assert answer["ext"]["polyrank"]["degraded"] is None
    return [hit["_source"] for hit in answer["hits"]["hits"]], answer["ext"]["polyrank"]["understanding"]


def test_a_price_in_the_query_is_a_filter(priced: OpenSearch) -> None:
    dear, _ = ask(priced, "microphone from 50 GBP")
    cheap, understanding = ask(priced, "microphone under 50 GBP")
    (price,) = [one for one in understanding["applied"] if one["name"] == "price"]
    assert (price["use"], price["field"], price["text"]) == ("filter", "price", "under 50 GBP")
    assert cheap
    assert all(product["price"] <= 50 and product.get("currency", "GBP") == "GBP" for product in cheap)
    unsaid = [product["title"]["en"] for product in cheap if "currency" not in product]
    assert unsaid == [WEBCAM], "a product that states no currency has the shop's"
    assert dear
    assert all(product["price"] >= 50 for product in dear)


def test_a_price_that_no_product_meets_is_a_wish(priced: OpenSearch) -> None:
    found, understanding = ask(priced, "microphone under 0.01 GBP")
    assert found
    assert [one["reason"] for one in understanding["applied"] if one["name"] == "price"] == [
        "as a filter it leaves nothing"
    ]


def test_a_brand_of_the_catalogue_is_a_boost(priced: OpenSearch) -> None:
    found, understanding = ask(priced, "aurelo microphone")
    (brand,) = [one for one in understanding["applied"] if one["name"] == "brand"]
    assert (brand["use"], brand["field"], brand["value"]) == ("boost", "brand.keyword", "Aurelo")
    assert any(product["brand"] != "Aurelo" for product in found)
