"""Languages, translation and vectors: stages over batches of documents, with scripted models."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from ingest.document import Document
from ingest.embed import embed_documents
from ingest.languages import assign_languages
from ingest.translate import MEMORY_CHARS, TranslationMemory, translate_documents
from ingest.translation_store import text_hash
from rerank.baselines import HashEmbedder
from rerank.protocols import Detection, Translation
from rerank.template import DEFAULT_TEMPLATE
from rerank.understanding.language import ScriptDetector, load_detector
from tests.ingest.sink_contract import product


class UpperTranslator:
    """Translates en to de and fr by writing it large; keeps what is large already; counts what it is given."""

    name = "upper"
    version = "7"

    def __init__(self) -> None:
        self.given: list[str] = []

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("en", "de"), ("en", "fr")})

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        self.given.extend(texts)
        return [
            Translation(text, "keep", 0.0) if text.isupper() else Translation(text.upper(), "upper", 0.5)
            for text in texts
        ]


class FixedDetector:
    """Says one language whatever it reads."""

    def __init__(self, language: str) -> None:
        self.language = language

    def detect(self, texts: Sequence[str], *, prior: str | None = None) -> list[Detection]:
        return [Detection(prior or self.language, 0.9) for _ in texts]


def languages_of(documents: Sequence[Document], prior: str | None = None) -> list[str]:
    return [one.language for one in assign_languages(documents, FixedDetector("sv"), ScriptDetector(), prior=prior)]


def test_a_declared_language_holds_and_a_missing_one_is_detected() -> None:
    documents = [replace(product("1"), language="nl"), replace(product("2"), language="und")]
    assert languages_of(documents) == ["nl", "sv"]
    assert languages_of(documents, prior="pl") == ["nl", "pl"]
    assert languages_of([]) == []


def test_a_script_overrules_a_declaration_and_is_a_problem() -> None:
    documents = [product("1", "ワイヤレスヘッドホン"), replace(product("2", "無線耳機"), language="ja")]
    found = assign_languages(documents, FixedDetector("en"), ScriptDetector())
    assert [one.language for one in found] == ["ja", "ja"]
    assert [one.problems for one in found] == [("declared language",), ()]


def test_real_titles_are_detected() -> None:
    detector = load_detector(["en", "de", "es", "fr", "ja"])
    titles = {
        "de": "Bequemer Stuhl aus massiver Eiche mit Armlehnen und weichem Polster",
        "fr": "Chaise confortable en chêne massif avec accoudoirs",
        "ja": "木製の椅子",
    }
    documents = [replace(product(code, title), language="und") for code, title in titles.items()]
    found = assign_languages(documents, detector, ScriptDetector())
    assert [one.language for one in found] == list(titles)


def test_fields_are_translated_with_provenance_and_kept_ones_are_not_written() -> None:
    document = replace(product("1", "Oak chair"), attributes="OAK")
    (found,) = translate_documents(
        [document],
        TranslationMemory(UpperTranslator()),
        {language: ["title", "attributes"] for language in ("en", "de")},
    )
    assert found.translated == {"de": {"title": "OAK CHAIR"}}
    assert found.source(["en", "de"])["title"] == {"en": "Oak chair", "de": "OAK CHAIR"}
    assert found.source(["en", "de"])["translations"] == {
        "de": {"title": {"engine": "upper", "version": "7", "confidence": 0.5, "source_hash": text_hash("Oak chair")}}
    }


def test_only_wanted_fields_and_known_languages_are_translated() -> None:
    documents = [
        replace(product("1"), text="warm light"),
        replace(product("2"), language="und"),
        replace(product("3"), language="pl"),
    ]
    found = translate_documents(
        documents, TranslationMemory(UpperTranslator()), {language: ["text"] for language in ("de", "fr", "ja")}
    )
    assert [dict(one.translated) for one in found] == [
        {"de": {"text": "WARM LIGHT"}, "fr": {"text": "WARM LIGHT"}},
        {},
        {},
    ]


def test_equal_texts_are_translated_once_and_memory_is_bounded() -> None:
    translator = UpperTranslator()
    memory = TranslationMemory(translator, entries=4)
    assert [made.text for made in memory.translate(["a", "b", "a"], "en", "de")] == ["A", "B", "A"]
    memory.translate(["a", "b"], "en", "de")
    assert translator.given == ["a", "b"]
    memory.translate(["c", "d", "e"], "en", "de")
    assert len(memory._known) <= 4
    assert [made.text for made in memory.translate(["a", "e"], "en", "de")] == ["A", "E"]
    long = "f" * (MEMORY_CHARS + 1)
    assert memory.translate([long], "en", "de")[0].text == long.upper()
    assert all(text != long for _, _, text, _ in memory._known)


def test_a_language_that_is_not_served_lives_under_und() -> None:
    document = replace(product("1", "Lampa"), language="pl")
    assert document.source(["en"])["title"] == {"und": "Lampa"}
    assert document.source(["en"])["language"] == "pl"


def test_an_embedder_reads_its_own_language_where_there_is_one() -> None:
    german = replace(
        product("1", "Stuhl"), language="de", text="bequem", translated={"en": {"title": "chair"}}, brand="Bo"
    )
    embedder = HashEmbedder(32)
    (found,) = embed_documents([german], embedder, DEFAULT_TEMPLATE).documents
    assert found.embedding is not None
    expected = embedder.embed_documents([DEFAULT_TEMPLATE.render({"title": "chair", "text": "bequem", "brand": "Bo"})])
    np.testing.assert_array_equal(found.embedding, expected[0])
    assert embed_documents([], embedder, DEFAULT_TEMPLATE).documents == []
    np.testing.assert_allclose(found.source(["en"])["embedding"], expected[0], atol=1e-7)
