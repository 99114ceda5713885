"""What queries name, in many languages, and what must not be taken for it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.understanding.attributes import Attribute, find_attributes
from rerank.understanding.field_values import FieldValue, index_values
from rerank.understanding.proposals import propose
from rerank.understanding.vocabulary import Vocabulary

VALUES = index_values(
    [
        FieldValue("brand", "HP", 900),
        FieldValue("brand", "Western Digital", 50),
        FieldValue("brand", "Case", 3),
        FieldValue("attrs.material", "Leather", 30),
        FieldValue("attrs.compatibility", "HP LaserJet", 2),
        FieldValue("attrs.ports", "7", 40),
    ]
)
VOCABULARY = Vocabulary({"en": 2000}, {"en": {"case": 600, "hp": 950, "leather": 30, "hp laserjet": 400}})


def one(query: str, name: str) -> Attribute:
    found = [item for item in find_attributes(query, "en", VALUES, VOCABULARY) if item.name == name]
    assert len(found) == 1, found
    return found[0]


PRICES = [
    ("headphones under 50 €", None, 50, "EUR"),
    ("headphones under €50", None, 50, "EUR"),
    ("laptop below $1,200", None, 1200, "USD"),
    ("laptop unter 1.200 euro", None, 1200, "EUR"),
    ("kopfhörer bis 49,90 €", None, 49.9, "EUR"),
    ("casque moins de 50 €", None, 50, "EUR"),
    ("auriculares menos de 50 euros", None, 50, "EUR"),
    ("cuffie sotto 50 euro", None, 50, "EUR"),
    ("koptelefoon onder 50 euro", None, 50, "EUR"),
    ("fones até 50 euros", None, 50, "EUR"),
    ("słuchawki poniżej 200 zł", None, 200, "PLN"),
    ("hörlurar under 500 kr", None, 500, "SEK"),
    ("ヘッドホン 5000円以下", None, 5000, "JPY"),
    ("tv over 300 euro", 300, None, "EUR"),
    ("tv ab 300 €", 300, None, "EUR"),
    ("tv 300-500 €", 300, 500, "EUR"),
    ("tv zwischen 300 und 500 euro", 300, 500, "EUR"),
    ("tv between $300 and $500", 300, 500, "USD"),
]


@pytest.mark.parametrize(("query", "low", "high", "currency"), PRICES)
def test_a_price_is_read_in_every_language(query: str, low: float | None, high: float | None, currency: str) -> None:
    price = one(query, "price")
    assert (price.low, price.high, price.currency, price.confidence) == (low, high, currency, 0.95)


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("red shoes size 42", "size", "42"),
        ("schuhe größe 42,5", "size", "42.5"),
        ("t-shirt taille xl", "size", "XL"),
        ("ssd 128 GB", "measure", "128 gb"),
        ("ssd 2tb", "measure", "2000 gb"),
        ('fernseher 55"', "measure", "55 in"),
        ("rote jacke", "color", "red"),
        ("chaussures rouges noir", "color", "black"),
        ("赤 靴", "color", "red"),
        ("hp laptop", "brand", "HP"),
        ("western digital disk", "brand", "Western Digital"),
        ("leather bag", "value", "Leather"),
        ("toner CE285A", "code", "CE285A"),
    ],
)
def test_other_things_are_read(query: str, name: str, value: str) -> None:
    assert one(query, name).value == value


@pytest.mark.parametrize(
    "query", ["iphone 13", "2 in 1 laptop", "24-70 lens", "usb 3.0 to 2.0", "ps5", "wireless mouse"]
)
def test_what_names_nothing_is_left_alone(query: str) -> None:
    assert find_attributes(query, "en", VALUES, VOCABULARY) == []


def test_a_brand_that_is_an_ordinary_word_is_not_sure() -> None:
    assert one("laptop case", "brand").confidence < 0.7 < one("hp laptop", "brand").confidence


def test_a_sure_brand_goes_before_a_longer_value_that_is_not() -> None:
    assert one("hp laserjet", "brand").value == "HP"


SCHEMA = {
    "price": "double",
    "currency": "keyword",
    "brand": "text",
    "brand.keyword": "keyword",
    "measures": "keyword",
    "attrs": "flat_object",
    "size": "text",
}


def proposed(query: str, schema: dict[str, str] = SCHEMA) -> dict[str, tuple[str, object]]:
    found = propose(find_attributes(query, "en", VALUES, VOCABULARY), schema)
    return {item.attribute.name: (item.use, item.clause or item.reason) for item in found}


def test_what_the_index_has_a_field_for_becomes_a_clause() -> None:
    assert proposed("hp laptop 16 gb under 500 €") == {
        "brand": ("boost", {"term": {"brand.keyword": {"value": "HP", "case_insensitive": True}}}),
        "measure": ("boost", {"term": {"measures": {"value": "16 gb", "case_insensitive": True}}}),
        "price": (
            "filter",
            {
                "bool": {
                    "filter": [{"range": {"price": {"lte": 500.0}}}],
                    "should": [
                        {"term": {"currency": "EUR"}},
                        {"bool": {"must_not": [{"exists": {"field": "currency"}}]}},
                    ],
                    "minimum_should_match": 1,
                }
            },
        ),
    }
    assert proposed("leather shoes size 42") == {
        "value": ("boost", {"term": {"attrs.material": "Leather"}}),
        "size": ("filter", {"match": {"size": {"query": "42", "operator": "and"}}}),
    }


def test_a_colour_is_looked_for_in_every_language_of_the_catalogue() -> None:
    values = index_values(
        [
            *(FieldValue("attrs.Farbe", value, count) for value, count in [("Schwarz", 9), ("Rot", 4), ("Blau", 2)]),
            *(FieldValue("attrs.Color", value, count) for value, count in [("Black", 5), ("Red", 7), ("Green", 2)]),
            FieldValue("brand", "Rot", 50),
        ]
    )
    (found,) = propose(find_attributes("rode jas", "nl", values), {"attrs": "flat_object", "brand": "keyword"})
    assert (found.use, found.field) == ("boost", "attrs.Color")
    assert found.clause == {
        "bool": {
            "should": [{"term": {"attrs.Color": "Red"}}, {"term": {"attrs.Farbe": "Rot"}}],
            "minimum_should_match": 1,
        }
    }


def test_the_rest_is_ignored_with_a_reason() -> None:
    assert proposed("red laptop under 50") == {
        "color": ("boost", {"term": {"attrs.color": "red"}}),
        "price": ("ignored", "confidence 0.5 is under 0.7"),
    }
    assert proposed("red laptop", {}) == {"color": ("ignored", "the index has no field for a color")}
    assert proposed("laptop under 50 €", {"price": "keyword"}) == {
        "price": ("ignored", "price is no number but keyword")
    }


@given(st.text(max_size=60))
def test_spans_are_in_order_and_within_the_query(query: str) -> None:
    found = find_attributes(query, "en", VALUES, VOCABULARY)
    spans = [(item.start, item.end) for item in found]
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
