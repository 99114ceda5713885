from collections.abc import Collection

import pytest

from rerank.protocols import Detector
from rerank.understanding.language import LanguageDetector, ScriptDetector, load_detector
from rerank.understanding.vocabulary import VocabularyCounter
from tests.contracts import DetectorContract

SERVED = ("en", "de", "es", "fr", "it", "nl", "pt", "pl", "sv", "ja", "zh")


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return load_detector(SERVED)


class TestScriptDetector(DetectorContract):
    def detector(self) -> Detector:
        return ScriptDetector()


class TestLanguageDetector(DetectorContract):
    @pytest.fixture(autouse=True)
    def _loaded(self, detector: LanguageDetector) -> None:
        self._detector = detector

    def detector(self) -> Detector:
        return self._detector


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("kabellose Kopfhörer mit Geräuschunterdrückung", "de"),
        ("auriculares inalámbricos con cancelación de ruido", "es"),
        ("casque sans fil à réduction de bruit", "fr"),
        ("słuchawki bezprzewodowe", "pl"),
        ("ワイヤレス ヘッドホン", "ja"),
        ("充電器", "ja"),
        ("无线耳机", "zh"),
        ("noise cancelling headphones with case", "en"),
    ],
)
def test_the_language_of_a_product_text(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect([text])[0].language == language


@pytest.mark.parametrize(
    "text", ["laptop", "usb hub", "desktop", "gaming mouse", "adapter", "microwave", "câmera", "câble hdmi"]
)
def test_the_words_of_an_english_catalogue_are_english(detector: LanguageDetector, text: str) -> None:
    counter = VocabularyCounter()
    for title in ("laptop usb hub", "desktop adapter camera", "gaming mouse microwave", "hdmi cable"):
        counter.add("en", title)
        counter.add("en", title)
    assert detector.detect([text], vocabulary=counter.vocabulary())[0].language == "en"


def test_the_locale_tips_the_balance(detector: LanguageDetector) -> None:
    text = "radio"
    assert {detector.detect([text], prior=locale)[0].language for locale in ("de-AT", "it", "pl")} == {"de", "it", "pl"}


def test_dictionaries_tell_near_languages_apart() -> None:
    words = {"es": {"ordenador", "portátil"}, "pt": {"computador", "portátil"}}

    def knowledge(language: str, asked: Collection[str]) -> frozenset[str] | None:
        return frozenset(words[language].intersection(asked)) if language in words else None

    detector = load_detector(("es", "pt"), knowledge=knowledge)
    assert detector.detect(["ordenador portátil"])[0].language == "es"


def test_a_script_that_is_not_served_is_still_told(detector: LanguageDetector) -> None:
    assert [found.language for found in detector.detect(["беспроводные наушники", "ακουστικά"])] == ["ru", "el"]


def test_below_the_threshold_nothing_is_claimed() -> None:
    assert load_detector(SERVED, threshold=1.1).detect(["kabellose kopfhörer"])[0].language == "und"


def test_candidates_are_the_likeliest_languages_in_order(detector: LanguageDetector) -> None:
    found = detector.candidates("lampe")
    shares = [one.confidence for one in found]
    assert {"de", "fr"} <= {one.language for one in found}
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1.001
    assert detector.candidates("12345") == []
    assert [one.language for one in detector.candidates("наушники")] == ["ru"]
