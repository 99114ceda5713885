"""Losses: each is the formula it cites, whatever the order of the documents."""

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
from sentence_transformers.cross_encoder.losses import LambdaLoss, ListNetLoss, RankNetLoss  # noqa: E402

from rerank.training import losses  # noqa: E402  (after the check for torch)

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def scored(logits: list[float], gains: list[float], teacher: list[float], lists: list[int]) -> losses.Scored:
    texts = [[f"document {place}" for place in range(count)] for count in lists]
    queries = [f"query {number}" for number in range(len(lists))]
    values = [torch.tensor(item) for item in (logits, gains, teacher)]
    return losses.Scored(values[0], values[1], values[2], lists, queries, texts)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_the_teacher_counts_where_there_is_one() -> None:
    found = losses.teacher_cross_entropy(scored([2.0, -1.0], [1.0, 0.0], [0.9, math.nan], [2]))
    assert float(found) == pytest.approx(-0.9 * math.log(sigmoid(2)) - 0.1 * math.log(1 - sigmoid(2)), rel=1e-5)


def test_margins_are_compared_within_a_query() -> None:
    teacher = [sigmoid(3.0), sigmoid(1.0), sigmoid(-2.0)]
    found = losses.margin_mse(scored([2.0, 1.0, 0.5], [0.0] * 3, teacher, [2, 1]))
    assert float(found) == pytest.approx(((2 - 1) - (3 - 1)) ** 2, rel=1e-4), "a list of one has no margin"


def test_without_a_teacher_nothing_is_taught() -> None:
    given = scored([2.0, 1.0], [1.0, 0.0], [math.nan, math.nan], [2])
    assert float(losses.margin_mse(given)) == 0.0
    assert float(losses.teacher_cross_entropy(given)) == 0.0


@pytest.mark.parametrize("kind", [ListNetLoss, RankNetLoss, LambdaLoss])
def test_listwise_losses_reward_the_right_order(kind: Any) -> None:
    gains = [1.0, 0.6, 0.0, 1.0, 0.0]
    lists = [3, 2]
    right, wrong = (
        float(losses._listwise(kind, scored(logits, gains, gains, lists), torch.tensor(gains)))
        for logits in ([3.0, 1.0, -2.0, 2.0, -2.0], [-2.0, 1.0, 3.0, -2.0, 2.0])
    )
    assert right < wrong


def test_list_net_is_the_cross_entropy_of_two_softmaxes() -> None:
    found = losses._listwise(ListNetLoss, scored([1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [2]), torch.tensor([1.0, 0.0]))
    p = math.e / (math.e + 1)
    assert float(found) == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), rel=1e-5)
