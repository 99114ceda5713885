"""The demo shop's files fit together: catalogue, queries, judgements and glossary."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parent.parent / "demo"
LANGUAGES = {"en", "de", "es", "fr", "ja", "zh"}
FIELDS = ["id", "lang", "title", "text", "brand", "category", "price", "currency", "gtin", "attrs"]


def read_jsonl(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / name).read_text("utf-8").splitlines()]


def read_tsv(name: str) -> list[list[str]]:
    with (DEMO / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def products() -> list[dict[str, Any]]:
    return read_jsonl("catalogue.jsonl")


@pytest.fixture(scope="module")
def queries() -> list[dict[str, Any]]:
    return read_jsonl("queries.jsonl")


@pytest.fixture(scope="module")
def qrels() -> list[tuple[str, str, int]]:
    return [(query, document, int(grade)) for query, document, grade in read_tsv("qrels.tsv")[1:]]


def check_digit(gtin: str) -> int:
    """Make the sum, weighted 3, 1, 3, ... from the right, a multiple of ten. Source: GS1 General Specifications."""
    return -sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(gtin[:-1]))) % 10


def test_check_digit_of_a_published_example() -> None:
    assert check_digit("6291041500213") == 3


def test_catalogue_has_the_promised_breadth(products: list[dict[str, Any]]) -> None:
    assert len(products) >= 300
    assert {product["lang"] for product in products} >= LANGUAGES
    assert min(Counter(product["lang"] for product in products).values()) >= 40
    assert len({product["category"] for product in products}) >= 12


@pytest.mark.parametrize("field", ["id", "gtin", "title", "text"])
def test_no_product_stands_twice(products: list[dict[str, Any]], field: str) -> None:
    twice = [value for value, count in Counter(product[field] for product in products).items() if count > 1]
    assert twice == []


def test_every_product_is_complete(products: list[dict[str, Any]]) -> None:
    for product in products:
        assert list(product) == FIELDS, product["id"]
        texts = [product[name] for name in FIELDS if name not in ("price", "attrs")]
        assert all(text and text == text.strip() for text in texts), product["id"]
        assert product["price"] > 0, product["id"]
        assert 2 <= len(product["attrs"]) <= 6, product["id"]


def test_gtins_are_for_restricted_distribution_and_check(products: list[dict[str, Any]]) -> None:
    for product in products:
        gtin = product["gtin"]
        assert len(gtin) == 13, product["id"]
        assert gtin.startswith("2"), product["id"]
        assert int(gtin[-1]) == check_digit(gtin), product["id"]


def test_queries_cover_the_languages(queries: list[dict[str, Any]]) -> None:
    assert len(queries) >= 60
    assert len({query["id"] for query in queries}) == len(queries)
    assert len({(query["lang"], query["text"]) for query in queries}) == len(queries)
    counts = Counter(query["lang"] for query in queries)
    assert set(counts) >= LANGUAGES
    assert min(counts.values()) >= 10
    assert all(query["text"] and query["en"] for query in queries)


def test_judgements_name_what_exists(
    products: list[dict[str, Any]], queries: list[dict[str, Any]], qrels: list[tuple[str, str, int]]
) -> None:
    assert read_tsv("qrels.tsv")[0] == ["query_id", "doc_id", "relevance"]
    assert {document for _, document, _ in qrels} <= {product["id"] for product in products}
    assert {query for query, _, _ in qrels} == {query["id"] for query in queries}
    assert {grade for _, _, grade in qrels} == {0, 1, 2, 3}
    assert len({(query, document) for query, document, _ in qrels}) == len(qrels)


def test_every_query_has_an_answer_and_near_misses(qrels: list[tuple[str, str, int]]) -> None:
    grades: dict[str, list[int]] = {}
    for query, _, grade in qrels:
        grades.setdefault(query, []).append(grade)
    assert {query for query, given in grades.items() if max(given) < 2} == set()
    assert {query for query, given in grades.items() if min(given) > 0 or len(given) < 6} == set()


def test_most_answers_are_in_another_language(
    products: list[dict[str, Any]], queries: list[dict[str, Any]], qrels: list[tuple[str, str, int]]
) -> None:
    language = {entry["id"]: entry["lang"] for entry in (*products, *queries)}
    answers = [(query, document) for query, document, grade in qrels if grade >= 2]
    assert sum(language[query] != language[document] for query, document in answers) > len(answers) / 2


def test_glossary_is_well_formed() -> None:
    header, *rows = read_tsv("glossary.tsv")
    assert set(header) >= LANGUAGES
    assert len(rows) >= 600
    assert len({row[0].split(" | ")[0] for row in rows}) == len(rows)
    for row in rows:
        assert len(row) == len(header), row
        for cell in row:
            alternatives = cell.split(" | ")
            assert all(part and part == part.strip() and "|" not in part for part in alternatives), row
            assert len(set(alternatives)) == len(alternatives), row
