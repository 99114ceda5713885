import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rerank.batching import pad, plan_batches
from rerank.tokenize import Tokens

LENGTHS = st.lists(st.integers(1, 200), max_size=80)


@given(LENGTHS, st.integers(1, 500))
def test_each_text_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[index] for index in batch) * len(batch) <= budget


@given(LENGTHS)
def test_texts_of_similar_length_go_together(lengths: list[int]) -> None:
    in_order = [lengths[index] for batch in plan_batches(lengths, 256) for index in batch]
    assert in_order == sorted(lengths)


def test_padding_is_masked() -> None:
    inputs = pad([Tokens([5, 6, 7], [0, 0, 1]), Tokens([8], [0])])
    assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert inputs["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert all(value.dtype == np.int64 for value in inputs.values())
