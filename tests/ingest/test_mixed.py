import pytest
from msgspec.structs import replace

from ingest.document import Document
from ingest.languages import assign_languages
from ingest.mixed import split_languages
from rerank.understanding.language import LanguageDetector, ScriptDetector, load_detector
from tests.ingest.sink_contract import product

GERMAN = "Der Stuhl ist aus massiver Eiche und hat eine bequeme Lehne."
ENGLISH = "The chair is made of solid oak and has a comfortable back."
FRENCH = "Le fauteuil est en chêne massif avec un dossier confortable."


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return load_detector(["en", "de", "fr", "ja"], thorough=True)


def test_a_bilingual_text_is_parted_in_its_order(detector: LanguageDetector) -> None:
    parts = split_languages(f"{GERMAN} {ENGLISH} Size: 2 m. {ENGLISH} {GERMAN}", detector)
    assert {language: text for language, (text, _) in parts.items()} == {
        "de": f"{GERMAN} {GERMAN}",
        "en": f"{ENGLISH} Size: 2 m. {ENGLISH}",
    }
    assert all(0.9 <= sure <= 1.0 for _, sure in parts.values())


@pytest.mark.parametrize(
    "text", ["", "Oak.", "USB 3.0. 2 m. 65 W.", f"{ENGLISH} {ENGLISH}", f"{ENGLISH} Made in Berlin."]
)
def test_a_text_in_one_language_stays_whole(detector: LanguageDetector, text: str) -> None:
    assert [part for part, _ in split_languages(text, detector).values()] == [text]


def undeclared(title: str, text: str) -> Document:
    return replace(product("1", title), language="und", text=text)


def test_a_text_in_another_language_than_its_title_stands_there(detector: LanguageDetector) -> None:
    (found,) = assign_languages([undeclared("Bequemer Stuhl aus massiver Eiche", FRENCH)], detector, ScriptDetector())
    assert (found.language, found.text) == ("de", "")
    assert found.translated == {"fr": {"text": FRENCH}}
    body = found.source(["de", "fr"])
    assert body["text"] == {"fr": FRENCH}
    assert body["translations"]["fr"]["text"]["engine"] == "source"
    assert body["detected"]["title"]["language"] == "de"
    assert body["detected"]["text"]["language"] == "fr"


def test_a_bilingual_text_stands_in_both_languages(detector: LanguageDetector) -> None:
    text = f"{GERMAN} {ENGLISH}"
    (found,) = assign_languages([undeclared("Bequemer Stuhl aus massiver Eiche", text)], detector, ScriptDetector())
    assert found.source(["de", "en"])["text"] == {"de": GERMAN, "en": ENGLISH}


def test_declared_languages_and_short_texts_are_left_alone(detector: LanguageDetector) -> None:
    declared = replace(product("1", "Stuhl"), language="de", text=ENGLISH)
    short = undeclared("Bequemer Stuhl aus massiver Eiche", "Solid oak.")
    one, other = assign_languages([declared, short], detector, ScriptDetector())
    assert (one.text, one.detected) == (ENGLISH, {})
    assert (other.language, other.text, other.translated) == ("de", "Solid oak.", {})


def test_a_source_prior_tips_the_balance(detector: LanguageDetector) -> None:
    radio = undeclared("Radio", "")
    for prior in ("de", "fr"):
        record = replace(radio.record, prior=prior)
        (found,) = assign_languages([replace(radio, record=record)], detector, ScriptDetector(), prior="en")
        assert found.language == prior
