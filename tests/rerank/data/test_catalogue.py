"""Weak supervision: kinds that several brands sell are queries; grades follow where the words stand."""

import pytest

from rerank.data.catalogue import PhraseOptions, catalogue_pairs, title_phrases
from rerank.training.recipe import TrainingError

BRANDS = ("Lumo", "Voltic", "Raptor")
DOCUMENTS = {
    f"{kind} {brand} {number}": {
        "title": f"{brand} {brand.lower()}line {kind} {number}",
        "brand": brand,
        "text": f"goes with any {other}",
    }
    for kind, other in (("gaming mouse", "usb cable"), ("usb cable", "garden hose"), ("garden hose", "spray gun"))
    for brand in BRANDS
    for number in range(3)
}
OPTIONS = PhraseOptions(most=0.5)


def test_kinds_are_phrases_and_model_names_are_not() -> None:
    phrases = title_phrases(DOCUMENTS, OPTIONS)
    assert {"gaming mouse", "usb cable", "garden hose"} <= phrases.keys()
    assert len(phrases["usb cable"]) == 9
    assert not any("line" in phrase or "lumo" in phrase for phrase in phrases)


def test_grades_say_where_the_words_stand() -> None:
    built = catalogue_pairs(DOCUMENTS, 50, options=OPTIONS)
    for pair in built.pairs:
        kind = " ".join(word for word in pair.query.split() if word.title() not in BRANDS)
        if pair.relevance == 2:
            assert kind in pair.fields["title"]
            assert pair.query == kind or pair.fields["brand"].lower() == pair.query.split()[0]
        elif pair.relevance == 0:
            assert kind not in pair.fields["title"]
    queries = {pair.query for pair in built.pairs}
    assert any(query.split()[0].title() in BRANDS for query in queries)
    assert {pair.relevance for pair in built.pairs} == {0, 1, 2}


def test_the_same_seed_makes_the_same_pairs() -> None:
    assert catalogue_pairs(DOCUMENTS, 9, seed=3, options=OPTIONS) == catalogue_pairs(
        DOCUMENTS, 9, seed=3, options=OPTIONS
    )


def test_a_catalogue_without_kinds_is_refused() -> None:
    with pytest.raises(TrainingError, match="too small"):
        catalogue_pairs({"1": {"title": "Lumo mouse"}}, 5)
