"""Splits: disjoint and complete for any pairs, the same for the same seed; leaks are counted where they are."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank.data.near import group_queries, jaccard
from rerank.data.split import PARTS, Split, family, leaks, split_pairs, without_families
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError

WORDS = st.sampled_from("red blue mouse mice keyboard keyboards usb cable cables hdmi 2m".split())  # noqa: SIM905
QUERIES = st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=12, unique=True)
MANY = [TrainingPair(f"{a}{b} {b}{a}", {"title": f"{a} {b}"}, 2) for a in "abcdefgh" for b in "ijklmnop"]


def made(queries: list[str]) -> list[TrainingPair]:
    return [TrainingPair(query, {"title": f"{query} {grade}"}, grade) for query in queries for grade in (0, 2)]


@given(QUERIES, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_complete_and_free_of_near_duplicates(queries: list[str], seed: int) -> None:
    pairs = made(queries)
    try:
        parts = split_pairs(pairs, dev=0.2, test=0.2, seed=seed)
    except TrainingError:
        assert len(set(group_queries(queries))) < len(PARTS)
        return
    assert Counter(pair.query for rows in parts.values() for pair in rows) == Counter(pair.query for pair in pairs)
    asked = {part: {pair.query for pair in rows} for part, rows in parts.items()}
    assert all(asked.values())
    for left in PARTS:
        for right in PARTS:
            if left != right:
                assert all(jaccard(a, b) < 0.7 for a in asked[left] for b in asked[right])
    assert leaks(parts).queries == leaks(parts).near_queries == 0


@given(st.permutations(made(["red mouse", "usb cable", "keyboard", "hdmi 2m"])))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_pairs_changes_nothing(pairs: list[TrainingPair]) -> None:
    part_of = {pair.query: part for part, rows in split_pairs(pairs).items() for pair in rows}
    assert part_of == {pair.query: part for part, rows in split_pairs(sorted(pairs, key=str)).items() for pair in rows}


def test_shares_are_kept_and_seeds_differ() -> None:
    parts = split_pairs(MANY, dev=0.25, test=0.125)
    assert [len(parts[part]) for part in ("dev", "test", "train")] == [16, 8, 40]
    assert split_pairs(MANY, seed=1) != split_pairs(MANY, seed=2)
    assert split_pairs(MANY, dev=0.0, test=0.0)["train"] == MANY


@given(QUERIES)
@settings(max_examples=40, deadline=None)
def test_groups_join_exactly_what_is_near(queries: list[str]) -> None:
    groups = group_queries(queries)
    for place, query in enumerate(queries):
        for other in range(place):
            assert jaccard(query, queries[other]) < 0.7 or groups[place] == groups[other]
    assert group_queries([]) == []


def test_plural_and_order_are_the_same_query() -> None:
    assert jaccard("Red keyboards", "keyboard, red") == 1.0
    assert len(set(group_queries(["usb cable", "USB-cables", "garden hose"]))) == 2


def test_variants_of_a_product_are_one_family() -> None:
    assert family({"brand": "Lumo", "title": "Shirt red XL"}) == family({"brand": "Lumo", "title": "Shirt blue S"})
    assert family({"title": "Shirt"}) != family({"title": "Hose"})
    assert family({"line": "Pro ", "title": "x"}, "line") == "pro"


def test_families_that_leak_are_counted_and_dropped() -> None:
    shirt = [TrainingPair("shirt", {"title": "Shirt red"}, 3), TrainingPair("shirt", {"title": "Hose"}, 0)]
    parts: Split = {"train": shirt, "dev": [TrainingPair("clothes", {"title": "Shirt blue"}, 2)], "test": []}
    assert leaks(parts).families == 1
    dropped = without_families(parts)
    assert dropped["train"] == shirt[1:]
    assert leaks(dropped).families == 0


def test_queries_that_leak_are_counted() -> None:
    parts: Split = {"train": MANY[:1], "dev": MANY[:1], "test": [TrainingPair("x", {"title": "y"}, 1)]}
    assert (leaks(parts).queries, leaks(parts).near_queries) == (1, 1)


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.9, 0.2)])
def test_impossible_shares_are_refused(dev: float, test: float) -> None:
    with pytest.raises(TrainingError, match="nothing to train on"):
        split_pairs(MANY, dev=dev, test=test)


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(TrainingError, match="more queries"):
        split_pairs(made(["mouse", "mouses"]))
