from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.sources.mapping import FieldMapping, MappingError
from ingest.sources.rules import FieldRule, Rules
from ingest.sources.schema import SchemaCount, drift, merged
from ingest.sources.shop import open_shop
from ingest.sources.source import Source
from rerank.errors import PolyrankError
from tests.ingest.feed_contract import letters, records
from tests.ingest.test_feeds import written

SHOP = """
[brands]
"Hewlett-Packard" = "HP"

[[source]]
name = "main"
path = "main.csv"
language = "de"
id_prefix = "m-"
[source.fields]
id = "Nr"
title = "join(' ', [Marke, Artikel])"
brand = "Marke"
price = "join(' ', [Preis, 'EUR'])"

[[source]]
name = "other"
path = "sub"
"""


def shop(folder: Path, toml: str = SHOP) -> Path:
    written(folder / "main.csv", "Nr;Marke;Artikel;Preis\n1;Lux;Lampe;12,50\n")
    (folder / "sub").mkdir(exist_ok=True)
    written(folder / "sub" / "a.jsonl", '{"id": 1, "title": "Lamp"}\n')
    return written(folder / "shop.toml", toml)


def test_a_toml_opens_its_sources_with_their_fields(tmp_path: Path) -> None:
    opened = open_shop([shop(tmp_path), tmp_path / "sub" / "a.jsonl"])
    assert [feed.name for feed in opened.feeds[:2]] == ["main", "other"]
    assert opened.brands == {"Hewlett-Packard": "HP"}
    (record,) = records(opened.feeds[0])
    assert record.fields == {
        "id": "m-1",
        "title": "Lux Lampe",
        "brand": "Lux",
        "price": "12,50 EUR",
        "Artikel": "Lampe",
        "Preis": "12,50",
    }
    assert (record.source, record.prior, record.line) == ("main", "de", 2)


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("[[source]]\nname = 'a'", "exactly one of path, url and sql"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\nurl = 'http://x/y'", "exactly one"),
        ("[[source]]\npath = 'main.csv'", "name"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\npriorty = 1", "has no key 'priorty'; did you mean priority"),
        (
            "[[source]]\nname = 'a'\npath = 'main.csv'\n[[translation.engine]]\nx = 1",
            "the keys are api_key, device",
        ),
        ("colour = 1\n[[source]]\nname = 'a'\npath = 'main.csv'", "no key 'colour'; the keys are brands"),
        ("[[source]]\nname = 'a'\npath = 'gone.csv'", "shop.toml, source 'a': there is no feed"),
        ("[[source]]\nname = 'a'\nsql = 'nosuch://x/y'\ntable = 't'", "source 'a': the database, or its driver"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\npriority = 'high'", "priority"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\n[source.fields]\nid = 'a ||'", "field 'id'"),
        ("source = []", "names no source"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\n[source.schema]\nid = {pattern = '('}", "cannot be read"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\n[source.schema]\nid = {type = 'date'}", "choose among text"),
        ("[[source", "no list of sources"),
        ("[[source]]\nname = 'a'\nurl = 'http://x/${POLYRANK_NOT_SET}'", "POLYRANK_NOT_SET"),
        ("[[source]]\nname = 'a'\npath = 'main.csv'\n[[source]]\nname = 'a'\npath = 'main.csv'", "the name 'a'"),
    ],
)
def test_a_wrong_toml_is_refused_in_a_sentence(tmp_path: Path, toml: str, complaint: str) -> None:
    with pytest.raises(PolyrankError, match=complaint):
        open_shop([shop(tmp_path, toml)])


def test_bookmarks_hold_the_schema_and_tell_its_drift(tmp_path: Path) -> None:
    path = shop(tmp_path)
    (first, *_) = open_shop([path]).feeds
    records(first)
    written(tmp_path / "main.csv", "Nr;Artikel;Farbe\n1;Lampe;rot\n")
    (second, *_) = open_shop([path]).feeds
    second.resume(first.bookmark())  # type: ignore[attr-defined]
    records(second)
    assert second.drift() == [  # type: ignore[attr-defined]
        "new field Farbe",
        "missing field Marke, which 100% of the records had",
        "missing field Preis, which 100% of the records had",
    ]
    records(second)


def test_a_record_that_breaks_the_schema_is_a_dead_letter(tmp_path: Path) -> None:
    toml = (
        "[[source]]\nname='a'\npath='x.jsonl'\n[source.schema]\nbrand={required=true}\nprice={minimum=0.5,maximum=99}"
    )
    lines = (
        '{"id": 1, "brand": "B", "price": "12,50 EUR"}',
        '{"id": 2, "price": 3}',
        '{"id": 3, "brand": "B", "price": 0}',
    )
    written(tmp_path / "x.jsonl", "\n".join(lines))
    (feed,) = open_shop([written(tmp_path / "a.toml", toml)]).feeds
    assert [record.fields["id"] for record in records(feed)] == [1]
    assert [(letter.line, letter.reason) for letter in letters(feed)] == [
        (2, "schema: brand is required"),
        (3, "schema: price must be at least 0.5, found '0'"),
    ]


@pytest.mark.parametrize(
    ("rule", "value", "complaint"),
    [
        (FieldRule(type="text"), 3, "must be of the type text"),
        (FieldRule(type="number"), 3, ""),
        (FieldRule(pattern="[A-Z]{2}-\\d+"), "AB-12", ""),
        (FieldRule(pattern="[A-Z]{2}-\\d+"), "AB-12x", "must match"),
        (FieldRule(values=["new", "used"]), "old", "must be one of new, used"),
        (FieldRule(maximum=5), "6.00", "must be at most 5"),
        (FieldRule(maximum=5), "cheap", "must be a number"),
        (FieldRule(minimum=5), None, ""),
    ],
)
def test_rules(rule: FieldRule, value: object, complaint: str) -> None:
    said = Rules({"f": rule}).broken({"f": value})
    assert said.startswith(f"schema: f {complaint}" if complaint else "")
    assert bool(said) == bool(complaint)


def test_an_expression_that_a_record_does_not_fit_makes_a_dead_letter(tmp_path: Path) -> None:
    toml = "[[source]]\nname='a'\npath='x.jsonl'\n[source.fields]\ntitle = 'lower(name)'"
    written(tmp_path / "x.jsonl", '{"id": 1, "name": 5}\n{"id": 2, "name": "B"}\n')
    (feed,) = open_shop([written(tmp_path / "a.toml", toml)]).feeds
    assert [record.fields["title"] for record in records(feed)] == ["b"]
    (letter,) = letters(feed)
    assert (letter.line, letter.record) == (1, {"id": 1, "name": 5})
    assert "the expression of 'title'" in letter.reason


def test_an_id_is_prefixed_under_any_of_its_names(tmp_path: Path) -> None:
    toml = "[[source]]\nname='a'\npath='x.jsonl'\nid_prefix='a-'"
    written(tmp_path / "x.jsonl", '{"SKU": 7, "title": "x"}\n{"title": "none"}\n')
    (feed,) = open_shop([written(tmp_path / "a.toml", toml)]).feeds
    assert [record.fields for record in records(feed)] == [{"SKU": "a-7", "title": "x"}, {"title": "none"}]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("label || name", "N"),
        ('"Product name"', "P"),
        ("split(tags, ',')", ["a", "b"]),
        ("replace(name, 'N', 'M')", "M"),
        ("images[0].url", "u"),
        ("trim(spaced)", "s"),
        ("to_number(price)", 2.5),
        ("missing", None),
        ("lower(missing)", None),
    ],
)
def test_expressions(expression: str, value: object) -> None:
    record = {
        "name": "N",
        "Product name": "P",
        "tags": "a, b,",
        "images": [{"url": "u"}],
        "spaced": " s ",
        "price": "2.5",
    }
    assert FieldMapping({"out": expression}).apply(record).get("out") == value


def test_moved_columns_go_and_used_ones_stay() -> None:
    mapping = FieldMapping({"title": "label || name", "text": "join(' ', [a, b])"})
    moved = mapping.apply({"name": "N", "label": "L", "a": "x", "b": "y"})
    assert moved == {"title": "L", "text": "x y", "a": "x", "b": "y"}
    with pytest.raises(MappingError, match="'title'"):
        FieldMapping({"title": "a["})


def counted(*rows: Mapping[str, object]) -> dict[str, object]:
    count = SchemaCount()
    for row in rows:
        count.add(row)
    return count.as_json()


def test_drift_names_types_and_shares() -> None:
    before = counted(*[{"a": 1, "b": "x"}] * 10)
    assert drift(before, counted(*[{"a": "1", "b": "x"}] * 10)) == ["field a holds text, was number"]
    assert drift(before, counted({"a": 1, "b": "x"}, *[{"a": 1}] * 9)) == ["field b in 10% of the records, was 100%"]
    assert drift(before, counted(*[{"a": 1, "b": ""}] * 10)) == ["field b in 0% of the records, was 100%"]
    assert drift(before, counted(*[{"a": 1, "b": "x", "c": None}] * 10)) == ["new field c"]
    mixed = [{**before, "languages": told} for told in ({"en": 90, "de": 8, "fr": 2}, {"en": 60, "de": 40})]
    assert drift(*mixed) == ["language de in 40% of the documents, was 8%"]
    assert drift(before, before) == drift(before, counted()) == drift({"odd": 1}, before) == []


def test_changes_alone_are_no_sample(tmp_path: Path) -> None:
    told = {"languages": {"en": 90, "de": 10}}
    before = {**counted(*[{"a": 1, "b": "x"}] * 10), **told}
    few = {**counted(*[{"a": 1}] * 5), "languages": {"en": 5}}
    assert len(drift(before, few)) == 2
    assert drift(before, few, whole=False) == []
    assert drift(before, counted(*[{"a": 1}] * 20), whole=False) == ["missing field b, which 100% of the records had"]
    odd = counted({"a": "1", "b": "x", "c": 1})
    assert drift(before, odd, whole=False) == ["new field c", "field a holds text, was number"]
    both = merged(before, {**odd, "languages": {"en": 1}})
    assert both["records"] == 11
    assert both["fields"] == {"a": {"number": 10, "text": 1}, "b": {"text": 11}, "c": {"number": 1}}
    assert both["languages"] == {"en": 91, "de": 10}
    assert drift(both, odd, whole=False) == []
    assert merged({"odd": 1}, odd) == odd


def test_expressions_that_give_nothing_are_told(tmp_path: Path) -> None:
    toml = SHOP.replace("[source.fields]", "[source.fields]\ncategory = \"Wraengroup || split(Nothing, '>')[0]\"", 1)
    (feed, *_) = open_shop([shop(tmp_path, toml)]).feeds
    assert isinstance(feed, Source)
    assert feed.idle() == []
    records(feed)
    assert feed.idle() == ["category"]
