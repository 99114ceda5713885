import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clean import clean
from ingest.document import Document, Record
from ingest.fusion.config import FusionConfig, FusionRules, SourceRank
from ingest.fusion.fuse import Fusion
from rerank.protocols import Vectors

RULES = FusionRules(FusionConfig(), {"shop": SourceRank(2, "shopify"), "erp": SourceRank(1), "market": SourceRank(0)})
GTIN, OTHER = "4006381333931", "4006381333948"


def product(source: str, doc_id: str, title: str, language: str = "en", **fields: Any) -> Document:
    record = Record(f"{source}.jsonl", 1, {"id": doc_id, "title": title, "language": language, **fields}, source)
    document = clean(record)
    assert isinstance(document, Document)
    return document


def fused(documents: Sequence[Document], rules: FusionRules = RULES, vectorize: Any = None) -> list[Document]:
    fusion = Fusion(rules, vectorize)
    try:
        for document in documents:
            fusion.add([document])
        return [one for part in fusion.products(3) for one in part.products]
    finally:
        fusion.close()


def groups(documents: Sequence[Document], rules: FusionRules = RULES, vectorize: Any = None) -> set[frozenset[str]]:
    made = fused(documents, rules, vectorize)
    return {frozenset(f"{origin.source}/{origin.id}" for origin in one.sources) for one in made}


def test_a_gtin_joins_in_any_spelling_and_fields_come_by_priority() -> None:
    (one,) = fused(
        [
            product("market", "m1", "Great pen!!", gtin=f"0{GTIN}", price=3, currency="EUR", brand="Lux", text="long"),
            product("erp", "e1", "PEN 12", gtin=GTIN, mpn="P-12", category="Office", attrs={"ink": "blue", "w": 1}),
            product("shop", "s1", "Fine pen", gtin=GTIN, attrs={"ink": "navy"}),
        ]
    )
    assert (one.id, one.title, one.text, one.mpn, one.category) == ("s1", "Fine pen", "long", "P-12", "Office")
    assert (one.price, one.currency, one.brand) == (3, "EUR", "Lux")
    assert one.attrs == {"ink": "navy", "w": 1}
    assert one.gtin == (GTIN, f"0{GTIN}")
    assert [(origin.source, origin.platform, origin.fields) for origin in one.sources] == [
        ("shop", "shopify", ("title", "attributes")),
        ("erp", None, ("category", "mpn")),
        ("market", None, ("text", "brand", "price")),
    ]
    assert one.source(["en"])["sources"][0] == {
        "source": "shop",
        "platform": "shopify",
        "id": "s1",
        "fields": ("title", "attributes"),
    }


def test_of_equal_priority_the_newer_record_wins_and_a_preference_overrides() -> None:
    old = product("a", "1", "Old pen", gtin=GTIN, price=5, updated="2026-01-01")
    new = product("b", "2", "New pen", gtin=GTIN, price=6, updated="2026-02-01")
    (one,) = fused([old, new])
    assert (one.title, one.price, one.updated) == ("New pen", 6, "2026-02-01T00:00:00+00:00")
    (one,) = fused([old, new], FusionRules(FusionConfig(prefer={"price": ["a"]})))
    assert (one.title, one.price) == ("New pen", 5)


def test_a_text_of_another_language_is_a_translation_with_its_source() -> None:
    (one,) = fused([product("shop", "1", "Fine pen", gtin=GTIN), product("erp", "2", "Stift", "de", gtin=GTIN)])
    assert one.translated == {"de": {"title": "Stift"}}
    assert one.provenance["de"]["title"].engine == "source:erp"


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ({"mpn": "AB-12", "brand": "Lux"}, {"mpn": "ab 12", "brand": "LUX"}, True),
        ({"mpn": "AB-12", "brand": "Lux"}, {"mpn": "AB-12", "brand": "Other"}, False),
        (
            {"mpn": "AB-12", "brand": "Lux", "gtin": GTIN},
            {"mpn": "AB-12", "brand": "Lux", "gtin": OTHER},
            False,
        ),
        ({"gtin": "2040010272194", "brand": "Lux"}, {"gtin": "2040010272194", "brand": "Lux"}, True),
        ({"gtin": "2040010272194", "brand": "Lux"}, {"gtin": "2040010272194", "brand": "Other"}, False),
        ({"gtin": "4006381333932"}, {"gtin": "4006381333932"}, False),
    ],
)
def test_codes(left: dict[str, Any], right: dict[str, Any], joined: bool) -> None:
    made = groups([product("shop", "1", "One thing", **left), product("erp", "2", "Quite another", **right)])
    assert (len(made) == 1) == joined


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("Insulated steel bottle 750 ml, navy", "Bottle, insulated steel, navy, 0.75 L", True),
        ("Insulated steel bottle 750 ml, navy", "Insulated steel bottle 1 litre, navy", False),
        ("Insulated steel bottle 750 ml, navy", "Insulated steel bottle 750 ml, red", False),
        ("Laser printer M402 duplex network", "Laser printer M402 duplex network mono", True),
        ("Laser printer M402 duplex network", "Laser printer M404 duplex network", False),
        ("Garden chair made of teak wood", "Office lamp with a clamp", False),
    ],
)
def test_titles_of_one_brand(left: str, right: str, joined: bool) -> None:
    made = groups([product("shop", "1", left, brand="Lux"), product("erp", "2", right, brand="lux")])
    assert (len(made) == 1) == joined


def test_vectors_join_languages_within_a_brand() -> None:
    def vectorize(documents: Sequence[Document]) -> Vectors:
        axis = {"bottle": 0, "Flasche": 0, "chair": 1}
        return np.eye(8, dtype=np.float32)[[axis[one.title.split()[-1]] for one in documents]]

    rules = FusionRules(FusionConfig(vectors=True))
    documents = [
        product("a", "1", "Steel bottle", brand="Lux"),
        product("b", "2", "Stahl Flasche", "de", brand="Lux"),
        product("c", "3", "Stahl Flasche", "de", brand="Other"),
        product("d", "4", "Steel chair", "fr", brand="Lux"),
    ]
    assert groups(documents, rules, vectorize) == {
        frozenset({"a/1", "b/2"}),
        frozenset({"c/3"}),
        frozenset({"d/4"}),
    }


def test_a_product_has_one_record_of_a_source_and_one_code() -> None:
    twin = {"brand": "Lux"}
    assert len(groups([product("shop", "1", "Teak chair", **twin), product("shop", "2", "Teak chair", **twin)])) == 2
    made = groups(
        [
            product("a", "1", "Teak garden chair", gtin=GTIN, **twin),
            product("b", "2", "Teak garden chair", **twin),
            product("c", "3", "Teak garden chair", gtin=OTHER, **twin),
        ]
    )
    assert made == {frozenset({"a/1", "b/2"}), frozenset({"c/3"})}


def test_products_of_several_sources_with_one_id_stay_apart() -> None:
    made = fused([product("erp", "1", "Teak chair"), product("shop", "1", "Steel lamp"), product("market", "2", "Rug")])
    assert {one.id: one.title for one in made} == {"erp:1": "Teak chair", "1": "Steel lamp", "2": "Rug"}


def test_the_later_record_of_an_id_stands() -> None:
    made = fused(
        [product("erp", "1", "Old", gtin=GTIN), product("erp", "1", "New"), product("shop", "2", "X", gtin=GTIN)]
    )
    assert {one.title for one in made} == {"New", "X"}


DEMO = [json.loads(line) for line in (Path(__file__).parents[3] / "demo" / "catalogue.jsonl").read_text().splitlines()]


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_records_does_not_matter(dice: random.Random) -> None:
    chosen = [one for one in DEMO if one["lang"] in ("en", "de")][::6]
    documents = [product("shop", one["id"], one["title"], one["lang"], brand=one["brand"]) for one in chosen]
    documents += [product("erp", f"e{one['id']}", one["title"], one["lang"], brand=one["brand"]) for one in chosen]
    shuffled = list(documents)
    dice.shuffle(shuffled)
    assert groups(shuffled) == groups(documents)
    assert len(groups(documents)) < len(documents)
