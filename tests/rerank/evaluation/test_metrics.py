from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.evaluation.judgements import Judgement
from rerank.evaluation.metrics import MEASURES, compare, mean, per_query

QRELS = [Judgement("q", "a", 3), Judgement("q", "b", 1), Judgement("q", "c", 0), Judgement("lost", "a", 2)]


def test_each_value_is_its_formula() -> None:
    values = per_query({"q": ["new", "b", "a"]}, QRELS)
    ideal = 3 / log2(2) + 1 / log2(3)
    assert values["nDCG@10"]["q"] == pytest.approx((1 / log2(3) + 3 / log2(4)) / ideal)
    assert values["condensed nDCG@10"]["q"] == pytest.approx((1 / log2(2) + 3 / log2(3)) / ideal)
    assert values["RR"]["q"] == pytest.approx(1 / 2)
    assert values["R@100"]["q"] == pytest.approx(2 / 2)
    assert values["Judged@10"]["q"] == pytest.approx(2 / 3)


def test_a_query_without_a_ranking_counts_as_zero() -> None:
    values = per_query({"q": ["a", "b"]}, QRELS)
    assert set(values) == set(MEASURES)
    assert values["nDCG@10"]["lost"] == 0.0
    assert mean(values["nDCG@10"]) == pytest.approx((1 + 0) / 2)


def test_a_query_without_judgements_does_not_count() -> None:
    assert "unjudged" not in per_query({"unjudged": ["a"]}, QRELS)["RR"]


def test_the_same_system_is_never_significant() -> None:
    values = {"a": 0.5, "b": 0.25}
    result = compare(values, values)
    assert (result.delta, result.p_permutation, result.p_t, result.ties) == (0.0, 1.0, 1.0, 2)


def test_few_queries_flip_every_sign() -> None:
    system, baseline = {"a": 0.9, "b": 0.7, "c": 0.6}, {"a": 0.5, "b": 0.4, "c": 0.4}
    result = compare(system, baseline)
    assert result.delta == pytest.approx((0.4 + 0.3 + 0.2) / 3)
    assert result.p_permutation == pytest.approx(2 / 2**3)
    assert (result.wins, result.losses, result.queries) == (3, 0, 3)


def test_different_queries_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same queries"):
        compare({"a": 1.0}, {"b": 1.0})


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=8))
def test_swapping_the_systems_only_turns_the_sign(pairs: list[tuple[int, int]]) -> None:
    left = {str(i): a / 10 for i, (a, _) in enumerate(pairs)}
    right = {str(i): b / 10 + i / 100 for i, (_, b) in enumerate(pairs)}
    there, back = compare(left, right), compare(right, left)
    assert there.delta == pytest.approx(-back.delta)
    assert there.p_permutation == pytest.approx(back.p_permutation)
    assert (there.wins, there.losses) == (back.losses, back.wins)
