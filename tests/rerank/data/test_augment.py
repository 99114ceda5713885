"""Augmentation: seeded, never a known query, never a misspelt number; back-translation through any Translator."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank.data.augment import NoiseOptions, augment, back_translations, noise_variants, synonym_variants
from rerank.protocols import Translation
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from rerank.translation.keep import Keep, kept
from rerank.understanding.synonyms import read_synonyms

PAIRS = [
    TrainingPair("red mouse", {"title": "mouse"}, 3, teacher=0.5),
    TrainingPair("red mouse", {"title": "hose"}, 0),
    TrainingPair("sofa", {"title": "couch"}, 2),
]


class Words:
    """Translates two words by a table, and keeps the rest."""

    name = "words"
    version = "1"
    TABLE: ClassVar = {("en", "de"): {"sofa": "Sofa"}, ("de", "en"): {"Sofa": "couch"}}

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.TABLE)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        table = self.TABLE[source, target]
        return [Translation(table[text], self.name, 0.9) if text in table else kept(text) for text in texts]


@given(st.lists(st.sampled_from(["wireless keyboard 65w", "hdmi cable 2m", "mouse"]), min_size=1), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_noise_is_seeded_and_keeps_numbers(queries: list[str], seed: int) -> None:
    options = NoiseOptions(copies=3, dropout=0.5, typos=1.0)
    made = noise_variants(queries, options, seed)
    assert made == noise_variants(queries, options, seed)
    for query in queries:
        assert all(set(text.split()) <= set(query.split()) and text for text in made["word dropout"][query])
        for text in made["character noise"][query]:
            for before, after in zip(query.split(), text.split(), strict=True):
                assert before[0] == after[0]
                assert before == after or not any(letter.isdigit() for letter in before)


def test_a_querys_noise_does_not_depend_on_the_other_queries() -> None:
    options = NoiseOptions(copies=2, typos=0.8)
    alone, together = (noise_variants(queries, options, 1) for queries in (["red mouse"], ["a", "red mouse"]))
    assert alone["character noise"]["red mouse"] == together["character noise"]["red mouse"]


def test_variants_copy_the_pairs_of_their_query_without_the_teacher() -> None:
    built = augment(PAIRS, {"synonyms": {"red mouse": ["crimson mouse", "Sofa"]}})
    assert built.pairs == [
        *PAIRS,
        TrainingPair("crimson mouse", {"title": "mouse"}, 3),
        TrainingPair("crimson mouse", {"title": "hose"}, 0),
    ]
    assert built.facts == {"new queries": {"synonyms": 1}, "added": 2}


def test_synonyms_replace_terms_of_several_words(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("hard disk, hdd\nred => crimson\n")
    made = synonym_variants(["Red hard disk", "hose"], read_synonyms(path), 5, seed=1)
    assert sorted(made["Red hard disk"]) == ["Red hdd", "crimson hard disk"]
    assert made["hose"] == []


def test_a_query_comes_back_through_another_language() -> None:
    done: list[int] = []
    assert back_translations(["sofa", "red mouse"], Words(), "en", ["de"], advance=done.append) == {
        "sofa": ["couch"],
        "red mouse": [],
    }
    assert done == [2]


def test_a_direction_that_is_not_there_is_named() -> None:
    with pytest.raises(TrainingError, match="de to en, en to de"):
        back_translations(["sofa"], Keep(), "en", ["de"])


def test_a_chance_is_a_chance() -> None:
    with pytest.raises(TrainingError, match="from 0 to 1"):
        noise_variants(["a"], NoiseOptions(typos=2.0), 1)
