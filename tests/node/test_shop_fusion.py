"""A shop's TOML with three platforms in three formats and languages, fused, in a real index."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli import main
from plugin.client import OpenSearch
from tests.node.conftest import RunningNode

pytestmark = pytest.mark.node
ALIAS = "fused-shop"
TOML = """
[fusion]

[[source]]
name = "merchant"
path = "merchant.xml"
language = "de"
platform = "google"
priority = 10

[[source]]
name = "storefront"
path = "storefront.csv"
language = "en"
platform = "shopify"
priority = 5

[[source]]
name = "partner"
path = "partner.jsonl"
language = "fr"
[source.fields]
title = "libelle"
gtin = "ean"
brand = "marque"
"""
GTINS = {"hose": "4006381333931", "lamp": "4012345678901", "desk": "5901234123457", "chair": "8711319994615"}
GERMAN = {"hose": "Gartenschlauch mit Messingdüse", "lamp": "Schreibtischlampe aus Messing", "desk": "Tisch aus Eiche"}
ENGLISH = {
    "hose": "Garden hose with brass nozzle",
    "lamp": "Desk lamp made of brass",
    "chair": "Folding beech chair",
}
FRENCH = {"hose": "Tuyau d'arrosage avec buse en laiton", "chair": "Chaise pliante en hêtre"}


def merchant(names: list[str], price: str = "19.90 EUR") -> str:
    items = "".join(
        f"<item><g:id>m-{name}</g:id><title>{GERMAN[name]}</title><g:price>{price}</g:price><g:brand>Lux</g:brand>"
        f"<g:gtin>{GTINS[name]}</g:gtin></item>"
        for name in names
    )
    return f'<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>{items}</channel></rss>'


def storefront(names: list[str]) -> str:
    out = io.StringIO()
    columns = ["Handle", "Title", "Body (HTML)", "Vendor", "Variant SKU", "Variant Price", "Variant Barcode"]
    rows = csv.writer(out)
    rows.writerow(columns)
    for name in names:
        rows.writerow([name, ENGLISH[name], f"<p>A good {name}</p>", "Lux", f"s-{name}", "24.50", GTINS[name]])
    return out.getvalue()


def partner(names: list[str]) -> str:
    records = [{"id": f"p-{name}", "libelle": FRENCH[name], "ean": GTINS[name], "marque": "LUX"} for name in names]
    return "\n".join(map(json.dumps, records))


@dataclass
class Shop:
    """The folder of the TOML and its feeds, and the command with everything it writes there."""

    folder: Path
    url: str
    client: OpenSearch

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *more: str, code: int = 0) -> dict[str, Any]:
        places = ["--resources", str(self.folder / "resources"), "--dead-letters", str(self.folder / "dead.jsonl")]
        line = ["run", str(self.folder / "shop.toml"), "--index", ALIAS, "--url", self.url, "--json", *places]
        result = CliRunner().invoke(main, [*line, "--languages", "de,en,fr", "--no-translate", "--no-embed", *more])
        assert result.exit_code == code, result.output
        self.said = result.stderr
        found: dict[str, Any] = json.loads(result.stdout) if result.stdout.startswith("{") else {}
        return found

    def documents(self) -> dict[str, dict[str, Any]]:
        self.client.indices.refresh(index=ALIAS)
        body = {"size": 100, "version": True}
        found = self.client.search(index=ALIAS, body=body, params={"search_pipeline": "_none"})
        return {hit["_id"]: {**hit["_source"], "_version": hit["_version"]} for hit in found["hits"]["hits"]}


@pytest.fixture
def shop(node: RunningNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("POLYRANK_HOME", str(tmp_path / "home"))
    found = Shop(tmp_path, node.url, node.client)
    found.write("shop.toml", TOML)
    found.write("merchant.xml", merchant(["hose", "lamp", "desk"]))
    found.write("storefront.csv", storefront(["hose", "lamp", "chair"]))
    found.write("partner.jsonl", partner(["hose", "chair"]))
    yield found
    node.client.indices.delete(index=f"{ALIAS}-*")
    node.client.search_pipeline.delete(id=ALIAS, params={"ignore": 404})


def test_three_platforms_become_one_catalogue(shop: Shop) -> None:
    first = shop.run()
    assert (first["read"], first["created"], first["fused"], first["dead_letters"]) == (8, 4, 4, 0)
    documents = shop.documents()
    assert set(documents) == {"m-hose", "m-lamp", "m-desk", "s-chair"}
    hose = documents["m-hose"]
    assert hose["title"] == {"de": GERMAN["hose"], "en": ENGLISH["hose"], "fr": FRENCH["hose"]}
    assert hose["language"] == "de"
    assert (hose["price"], hose["currency"], hose["brand"], hose["gtin"]) == (19.9, "EUR", "Lux", [GTINS["hose"]])
    assert hose["text"] == {"en": "A good hose"}
    assert [(one["source"], one.get("platform"), one["id"]) for one in hose["sources"]] == [
        ("merchant", "google", "m-hose"),
        ("storefront", "shopify", "s-hose"),
        ("partner", None, "p-hose"),
    ]
    given = {one["source"]: set(one["fields"]) for one in hose["sources"]}
    assert {"title", "brand", "price"} <= given["merchant"]
    assert {"title.en", "text.en"} <= given["storefront"]
    assert given["partner"] == {"title.fr"}
    assert hose["translations"]["fr"]["title"]["engine"] == "source:partner"
    assert documents["s-chair"]["title"] == {"en": ENGLISH["chair"], "fr": FRENCH["chair"]}
    again = shop.run()
    assert (again["created"], again["updated"], again["deleted"], again["unchanged"]) == (0, 0, 0, 4)
    assert again["drift"] == {}
    assert shop.documents() == documents


def test_what_a_platform_drops_leaves_the_document_and_what_all_drop_goes(shop: Shop) -> None:
    shop.run()
    shop.write("partner.jsonl", partner(["chair"]))
    dropped = shop.run()
    assert (dropped["updated"], dropped["deleted"], dropped["unchanged"]) == (1, 0, 3)
    hose = shop.documents()["m-hose"]
    assert hose["title"] == {"de": GERMAN["hose"], "en": ENGLISH["hose"]}
    assert [one["source"] for one in hose["sources"]] == ["merchant", "storefront"]
    shop.write("merchant.xml", merchant(["hose", "lamp"]))
    gone = shop.run("--max-delete-fraction", "0.3")
    assert (gone["deleted"], gone["unchanged"]) == (1, 3)
    assert set(shop.documents()) == {"m-hose", "m-lamp", "s-chair"}
    shop.write("merchant.xml", merchant(["hose"]))
    renamed = shop.run("--max-delete-fraction", "0.5")  # the lamp is the storefront's alone now, under its id
    assert (renamed["created"], renamed["deleted"]) == (1, 1)
    assert set(shop.documents()) == {"m-hose", "s-lamp", "s-chair"}
    manifests = sorted((shop.folder / "home" / "runs" / ALIAS).glob("*.json"))
    schemas = json.loads(manifests[-1].read_text())["schemas"]
    languages = {"merchant": {"de": 1}, "storefront": {"en": 3}, "partner": {"fr": 1}}
    assert {name: told["languages"] for name, told in schemas.items()} == languages
    shop.write("partner.jsonl", json.dumps({"id": "p-chair", "libelle": "Der Stuhl ist aus Buche und kann klappen"}))
    done = CliRunner().invoke(main, ["check", str(shop.folder / "shop.toml"), "--index", ALIAS, "--json"])
    drift = {one["name"]: one["drift"] for one in json.loads(done.stdout)}
    said = ["language de in 100% of the documents, was 0%", "language fr in 0% of the documents, was 100%"]
    assert drift["merchant"] == drift["storefront"] == []
    assert drift["partner"][-2:] == said


def test_a_broken_source_costs_no_document(shop: Shop) -> None:
    shop.run()
    before = shop.documents()
    whole = merchant(["hose", "lamp", "desk"])
    shop.write("merchant.xml", whole[: whole.index("<item><g:id>m-desk")])
    shop.run(code=4)
    assert "merchant.xml" in shop.said
    assert shop.documents() == before
    (shop.folder / "merchant.xml").unlink()
    shop.run(code=4)
    assert shop.documents() == before
    shop.write("merchant.xml", whole)
    shop.write("partner.jsonl", partner(["hose", "chair"]).replace("{", "[", 1))
    torn = shop.run(code=3)
    assert (torn["dead_letters"], torn["deleted"]) == (1, 0)
    after = shop.documents()
    assert set(after) == set(before)
    assert after["s-chair"] == before["s-chair"]
