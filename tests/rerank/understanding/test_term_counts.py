from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.understanding import term_counts
from rerank.understanding.term_counts import MOST_WORDS, TermCounts, joined_lines
from rerank.understanding.vocabulary import VocabularyCounter, catalogue_terms, singular

WORDS = ["usb", "USB", "hubs", "hub", "it's", "l\u2019eau", "Ä", "A\u0308", "™", "ﬁn", "x_y", "ΑΣ", "²", "\u0301", "-"]
BREAKS = [" ", "  ", "\n", "\r\n", "\x1e", "\x01", "\x02", "\u2028", "\x85", "'", "_", "\x00"]
TEXTS = st.lists(st.sampled_from([*WORDS, *BREAKS]), max_size=14).map("".join) | st.text(max_size=20)


def one_by_one(texts: list[str], language: str) -> dict[str, int]:
    """Return in how many texts each term stands, as it is defined."""
    counts: Counter[str] = Counter()
    for text in texts:
        terms: set[str] = set()
        for line in text.splitlines():
            words = catalogue_terms(language, line)
            terms.update(words, map(" ".join, pairwise(words)))
        counts.update(terms)
    return dict(counts)


@given(st.lists(TEXTS, max_size=12), st.sampled_from(["en", "de"]))
def test_many_at_a_time_are_counted_as_one_by_one(texts: list[str], language: str) -> None:
    counter = VocabularyCounter()
    for text in texts:
        counter.add(language, text)
    assert counter.vocabulary().counts.get(language, {}) == one_by_one(texts, language)


@given(st.lists(st.lists(TEXTS, max_size=5), max_size=6))
def test_batches_add_up_whenever_they_are_merged(batches: list[list[str]]) -> None:
    counts = TermCounts(singular, 10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(term_counts, "MERGED", 3)
        for texts in batches:
            counts.add([joined_lines(text) for text in texts])
    found = dict(counts.terms())
    assert found == one_by_one([text for texts in batches for text in texts], "en")
    assert list(found) == sorted(found)


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=4), max_size=60))
def test_what_is_forgotten_is_rare_and_what_is_left_is_never_too_high(documents: list[list[str]]) -> None:
    counts = TermCounts(str, 12)
    for words in documents:
        counts.add([" ".join(words)])
    exact = one_by_one([" ".join(words) for words in documents], "de")
    found = dict(counts.terms())
    assert len(found) <= 12
    assert all(count <= exact[term] for term, count in found.items())
    if len(exact) <= 12:
        assert found == exact


def test_after_forgetting_words_are_still_themselves() -> None:
    counts = TermCounts(str, 6)
    for place in range(40):
        counts.add([f"common words\nserial{place} of{place}"])
    assert {term: count for term, count in counts.terms() if count > 1} == {
        "common": 40,
        "words": 40,
        "common words": 40,
    }


@pytest.mark.parametrize("limit", [0, MOST_WORDS])
def test_a_limit_that_keys_cannot_hold_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="max_terms"):
        TermCounts(str, limit)
