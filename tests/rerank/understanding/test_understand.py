"""Which text the models read, which translations come back, and what is not computed: with scripted parts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rerank.baselines import HashEmbedder
from rerank.protocols import Detection, Translation, Translator
from rerank.understanding.understand import Question, Understander
from rerank.understanding.vocabulary import Vocabulary

GERMAN = "kabellose kopfhörer"


class Script:
    """Detects as told and translates from a table; remembers what it was asked."""

    name = "script"
    version = "1"

    def __init__(self, language: str, table: dict[str, str]) -> None:
        self.language, self.table = language, table
        self.priors: list[str | None] = []
        self.targets: list[str] = []
        self.catalogues: list[str | None] = []

    def candidates(
        self, text: str, *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        self.priors.append(prior)
        return [Detection(self.language, 0.9)]

    def translator(self, vocabulary: str | None = None) -> Translator:
        self.catalogues.append(vocabulary)
        return self

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset((self.language, target) for target in self.table)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        self.targets.append(target)
        if target not in self.table:
            return [Translation(text, "keep", 0.0) for text in texts]
        return [Translation(self.table[target], "glossary", 1.0) for _ in texts]


def understander(script: Script) -> Understander:
    return Understander(HashEmbedder(), script, script, lambda name: None)


def test_a_foreign_query_is_read_in_the_models_language() -> None:
    script = Script("de", {"en": "wireless headphones", "fr": "casque sans fil"})
    found = understander(script).understand(Question(GERMAN, ("de", "fr"), locale="de-AT", vocabulary="shop"))
    assert found.model_query == "wireless headphones"
    assert {code: item.text for code, item in found.translations.items()} == {"fr": "casque sans fil"}
    assert np.allclose(found.vector or (), HashEmbedder().embed_queries(["wireless headphones"])[0], atol=1e-6)
    assert (script.priors, script.catalogues) == (["de-AT"], ["shop"])
    assert sorted(script.targets) == ["en", "fr"], "each once: to tell the language, and to read it"


@pytest.mark.parametrize("language", ["en", "und"])
def test_a_query_the_models_read_stays_as_it_is(language: str) -> None:
    assert understander(Script(language, {"en": "x"})).understand(Question("usb cable", ())).model_query == "usb cable"


def test_without_a_translation_the_query_itself_is_read() -> None:
    found = understander(Script("de", {})).understand(Question(GERMAN, ("en", "de")))
    assert (found.model_query, dict(found.translations)) == (GERMAN, {})


class Guessing(Script):
    """Translates and leaves some words as they were."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return [replace(one, confidence=0.4) for one in super().translate(texts, source, target)]


@pytest.mark.parametrize(
    ("script", "text", "english", "german"),
    [
        (Script("en", {}), "usb cable", 1.0, 0.0),
        (Script("de", {}), GERMAN, 0.0, 1.0),
        (Script("de", {"en": "wireless headphones"}), GERMAN, 1.0, 0.0),
        (Guessing("de", {"en": "kabellose headphones"}), GERMAN, 0.4, 0.0),
        (Script("de", {}), "4500", 1.0, 1.0),
    ],
)
def test_the_share_of_a_query_that_a_model_reads(script: Script, text: str, english: float, german: float) -> None:
    """A number is read in every language."""
    found = understander(script).understand(Question(text, ("en",)))
    assert (found.read_by(("en", "fr")), found.read_by(("de",))) == (english, german)


class Unsure(Script):
    """Finds four languages about as likely."""

    def candidates(
        self, text: str, *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        return [Detection(code, 0.3 - number / 100) for number, code in enumerate(("es", "it", "pt", "ca"))]


def test_a_guess_makes_a_query_unread_only_where_a_catalogue_can_be_asked() -> None:
    """One word is taken for any language; an index without counted words must not lose vectors and reranking by it."""
    script, words = Unsure("es", {}), Vocabulary({}, {})
    for catalogue, read in ((None, 1.0), (words, 0.0)):
        found = Understander(HashEmbedder(), script, script, lambda _, known=catalogue: known)  # type: ignore[misc]
        assert found.understand(Question("lamp")).read_by(("en",)) == read


def test_what_is_not_wanted_is_not_computed() -> None:
    script = Script("en", {"de": "kabel"})
    found = understander(script).understand(Question("cable", ("en", "de"), frozenset({"language"})))
    assert (found.vector, dict(found.translations), script.targets) == (None, {}, [])
    assert set(found.seconds) == {"detect", "translate"}


def test_a_repeated_query_has_the_same_vector() -> None:
    subject = understander(Script("en", {}))
    assert subject.understand(Question("cable")).vector is subject.understand(Question("cable")).vector


class Undecided(Script):
    """Finds a text as likely Swedish as German, and Polish a little more; knows one of them."""

    def candidates(
        self, text: str, *, prior: str | None = None, vocabulary: Vocabulary | None = None
    ) -> list[Detection]:
        return [Detection("pl", 0.4), Detection("sv", 0.3), Detection("de", 0.3)]

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("sv", "en"), ("de", "en"), ("pl", "en")})

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        if source != self.language:
            return [Translation(text, "keep", 0.0) for text in texts]
        return super().translate(texts, source, target)


def test_the_language_in_which_the_query_makes_sense_wins() -> None:
    found = understander(Undecided("sv", {"en": "lamp"})).understand(Question("lampa", ("en",)))
    assert (found.language.language, found.model_query) == ("sv", "lamp")
    assert found.language.confidence > 0.9


def test_where_nothing_makes_sense_the_likeliest_language_stands() -> None:
    found = understander(Undecided("fr", {"en": "lamp"})).understand(Question("qwrt", ("en",)))
    assert (found.language.language, found.model_query) == ("pl", "qwrt")


class OnlyGerman(Undecided):
    """Translates German alone."""

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("de", "en")})


def test_a_language_that_can_be_translated_goes_before_one_that_no_translator_covers() -> None:
    found = understander(OnlyGerman("de", {"en": "lamp"})).understand(Question("lampe", ("en",)))
    assert (found.language.language, found.model_query) == ("de", "lamp")
