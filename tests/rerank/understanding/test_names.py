"""Brands that are words too: translated or kept, as the catalogue has it; with the real translator."""

from pathlib import Path

import pytest

from rerank.baselines import HashEmbedder
from rerank.resources import Resources
from rerank.translation.load import load_translators
from rerank.understanding.attributes import find_attributes
from rerank.understanding.field_values import FieldValue, ValueCounter, index_values, read_values, write_values
from rerank.understanding.language import load_detector
from rerank.understanding.understand import Question, Understander
from rerank.understanding.vocabulary import Vocabulary, write_vocabulary

GLOSSARY = "en\tde\nlion\tlöwe\nbag\ttasche\nchildren\tkinder\nhelmet\thelm\n"


@pytest.fixture(scope="module")
def understander(tmp_path_factory: pytest.TempPathFactory) -> Understander:
    folder = tmp_path_factory.mktemp("names")
    (folder / "glossary").mkdir()
    (folder / "glossary" / "shop.tsv").write_text(GLOSSARY, encoding="utf-8")
    counts = {"en": {"children": 80, "helmet": 20, "bag": 50, "lion": 1}}
    write_vocabulary(folder, "shop", Vocabulary({"en": 500}, counts))
    write_values(folder, "shop", [FieldValue("brand", "Kinder", 3), FieldValue("brand", "Löwe", 40)])
    resources = Resources(folder)
    translators = load_translators(resources, dictionaries=folder / "none", compiled=folder / "compiled")
    detector = load_detector(("en", "de"), knowledge=translators.knowledge)
    return Understander(HashEmbedder(), detector, translators, resources.vocabulary, resources)


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("Löwe Tasche", "Löwe bag"),  # forty products of the brand, one with a lion
        ("kinder helm", "children helmet"),  # three of the brand, eighty for children
    ],
)
def test_a_brand_stays_where_the_catalogue_has_more_of_it_than_of_the_word(
    understander: Understander, query: str, read: str
) -> None:
    found = understander.understand(Question(query, ("en", "de"), locale="de", vocabulary="shop"))
    assert (found.language.language, found.model_query, found.translations["en"].text) == ("de", read, read)


def test_without_the_catalogue_every_word_is_translated(understander: Understander) -> None:
    assert understander.understand(Question("Löwe Tasche", ("en",), locale="de")).model_query == "lion bag"


def test_values_are_counted_written_and_found_by_any_spelling(tmp_path: Path) -> None:
    counter = ValueCounter()
    for brand in ("Hama", "Hama", "HAMA", "HAMA", "HAMA", "Once"):
        counter.add({"brand": brand, "category": None, "attrs": {"Farbe": "Rot", "text": "x" * 100, "n": 3}})
    values = read_values(write_values(tmp_path, "shop", counter.rows()))
    assert values.named("hama") == (FieldValue("brand", "HAMA", 5),)
    assert values.named("rot") == (FieldValue("attrs.Farbe", "Rot", 6),)
    assert values.named("once") == ()
    assert find_attributes("hama kabel rot", "de", index_values([]))[0].name == "color"
