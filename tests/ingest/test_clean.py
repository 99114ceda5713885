from typing import Any

import pytest

from ingest.clean import Brands, clean, declared_language
from ingest.document import DeadLetter, Document, Record


def cleaned(**fields: Any) -> Document:
    document = clean(Record("shop.jsonl", 7, fields))
    assert isinstance(document, Document), document
    return document


def refused(**fields: Any) -> str:
    letter = clean(Record("shop.jsonl", 7, fields))
    assert isinstance(letter, DeadLetter)
    assert (letter.feed, letter.line, letter.record) == ("shop.jsonl", 7, fields)
    return letter.reason


def test_fields_are_found_under_their_other_names() -> None:
    document = cleaned(
        SKU=4711,
        name="Lampe",
        description="<p>hell</p>",
        Vendor="Lux",
        **{"Product Type": "Licht"},
        EAN="4006381333931",
    )
    assert (document.id, document.title, document.text) == ("4711", "Lampe", "hell")
    assert (document.brand, document.category, document.gtin) == ("Lux", "Licht", ("4006381333931",))
    assert document.attrs == {}


def test_the_first_name_that_has_a_value_wins_and_the_other_becomes_an_attribute() -> None:
    document = cleaned(id="1", title="HP 80 Cyan", name="80")
    assert (document.title, document.attrs) == ("HP 80 Cyan", {"name": "80"})
    assert document.attributes == ""
    assert cleaned(id="1", title="", name="80").title == "80"


def test_further_columns_and_attrs_are_kept_and_rendered() -> None:
    document = cleaned(id="1", title="Chair", attrs={"t_material": "oak", "n_legs": 4.0}, finish="matt")
    assert document.attributes == "material: oak; finish: matt"
    assert document.attrs == {"t_material": "oak", "n_legs": 4.0, "finish": "matt"}


def test_cents_and_currency() -> None:
    document = cleaned(id="1", title="Ink", price_cents=12595, currency="eur")
    assert (document.price, document.currency) == (125.95, "EUR")


def test_what_cannot_be_read_stays_raw_and_is_named() -> None:
    document = cleaned(id="1", title="Ink", price="ask us", gtin="12", lang="german language")
    assert (document.price, document.gtin, document.language) == (None, (), "und")
    assert document.problems == ("price", "gtin", "language")
    assert document.attrs == {"price": "ask us", "gtin": "12", "language": "german language"}


def test_a_text_that_repeats_the_title_is_dropped() -> None:
    assert cleaned(id="1", title="Cable 1 m", text="Cable  1 m").text == ""


def test_lists_are_joined() -> None:
    assert cleaned(id="1", title="Pen", description=["blue", "", "fine"]).text == "blue; fine"


def test_dead_letters_say_why() -> None:
    assert refused(title="no id") == "the record has no id"
    assert refused(id=" ", title="blank id") == "the record has no id"
    assert refused(id="1", title="<br>", text=None) == "the record has neither title nor text"
    assert "whole number" in refused(id=1.5, title="x")
    assert "whole number" in refused(id=True, title="x")
    assert "longer than 512 bytes" in refused(id="ü" * 300, title="x")


def test_a_whole_float_is_an_id() -> None:
    assert cleaned(id=12.0, title="from a spreadsheet").id == "12"


@pytest.mark.parametrize(
    ("tag", "language"),
    [("de", "de"), ("EN", "en"), ("de_AT", "de"), ("zh-Hant-TW", "zh"), ("und", None), ("German", None), (None, None)],
)
def test_declared_languages(tag: str | None, language: str | None) -> None:
    assert declared_language(tag) == language


def test_a_brand_has_one_spelling() -> None:
    brands = Brands({"Hewlett-Packard": "HP", "Lux (DE)": "Lux"})
    for spelling, brand in {"hewlett packard": "HP", "hp": "HP", "LUX DE": "Lux", "Other": "Other"}.items():
        document = clean(Record("a", 1, {"id": 1, "title": "x", "brand": spelling}), brands)
        assert isinstance(document, Document)
        assert document.brand == brand


def test_part_numbers_times_and_measures_are_read() -> None:
    document = cleaned(id="1", title="Kettle 1,5 L", text="2 kW", MPN=" AB-12 ", updated_at="2026-05-01")
    assert (document.mpn, document.updated) == ("AB-12", "2026-05-01T00:00:00+00:00")
    assert document.measures == ("1.5 l", "2000 w")
    assert document.source(["en"])["measures"] == ["1.5 l", "2000 w"]
    assert cleaned(id="1", title="x", updated_at="soon").problems == ("updated",)
