from pathlib import Path

from rerank.translation.bidix import find_bidixes, lemma_pairs

PRINTED = """0\t1\tp\tm\t0.0
1\t2\ta\to\t0.0
2\t3\tn\tu\t0.0
3\t4\tε\ts\t0.0
4\t5\t<n>\te\t0.0
5\t6\tε\t<n>\t0.0
6\t0.0
0\t7\ta\ta\t0.0
7\t8\t@_SPACE_@\tε\t0.0
8\t9\tb\tb\t0.0
9\t6\t<n>\t<n>\t0.0
0\t10\t9\t9\t0.0
10\t10\t9\t9\t0.0
--
0\t1\tx\tx\t0.0
1\t2\t<n>\t<n>\t0.0
"""


def test_lemmas_end_at_their_tags_and_patterns_are_not_followed() -> None:
    assert lemma_pairs(PRINTED) == {("pan", "mouse"), ("a b", "ab")}


def test_a_circle_of_several_states_is_not_followed() -> None:
    digits = "".join(
        f"{state}\t{to}\t{digit}\t{digit}\t0.0\n" for state, to in ((20, 21), (21, 20)) for digit in range(10)
    )
    assert lemma_pairs(f"0\t20\t#\t#\t0.0\n{digits}21\t6\t<n>\t<n>\t0.0\n{PRINTED}") >= {("a b", "ab")}


def test_a_folder_without_pairs_has_none(tmp_path: Path) -> None:
    assert find_bidixes(tmp_path) == []
