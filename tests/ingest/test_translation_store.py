from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.translate import TranslationMemory, translate_documents
from ingest.translation_store import TranslationStore, text_hash
from ingest.translators import EngineConfig, TranslationConfig, build_translator
from rerank.protocols import Translation
from rerank.translation.chain import Budget, Limited
from rerank.translation.keep import kept
from tests.ingest.sink_contract import product
from tests.ingest.test_stages import UpperTranslator


def memory(path: Path, translator: UpperTranslator, **options: object) -> TranslationMemory:
    return TranslationMemory(translator, store=TranslationStore(path, translator.name, translator.version), **options)  # type: ignore[arg-type]


def test_a_second_run_asks_for_new_texts_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "shop.sqlite"
    first, second = UpperTranslator(), UpperTranslator()
    memory(path, first).translate(["a", "b"], "en", "de")
    made = memory(path, second).translate(["b", "c", "a"], "en", "de")
    assert [one.text for one in made] == ["B", "C", "A"]
    assert second.given == ["c"]
    assert [one.engine for one in made] == ["upper"] * 3
    memory(path, second).translate(["a"], "en", "ja")
    assert second.given == ["c", "a"]


def test_another_version_of_the_engine_translates_again(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    memory(path, UpperTranslator()).translate(["a"], "en", "de")
    newer = UpperTranslator()
    newer.version = "8"
    memory(path, newer).translate(["a"], "en", "de")
    assert newer.given == ["a"]
    older = UpperTranslator()
    memory(path, older).translate(["a"], "en", "de")
    assert older.given == ["a"]


def test_what_the_budget_refused_is_asked_for_by_the_next_run(tmp_path: Path) -> None:
    path, engine = tmp_path / "shop.sqlite", UpperTranslator()
    poor = Limited(engine, Budget(characters=1))
    store = TranslationStore(path, poor.name, poor.version)
    assert [one.text for one in TranslationMemory(poor, store=store).translate(["a", "b"], "en", "de")] == ["A", "b"]
    rich = UpperTranslator()
    assert [one.text for one in memory(path, rich).translate(["a", "b"], "en", "de")] == ["A", "B"]
    assert rich.given == ["b"]


def test_what_an_engine_cannot_translate_is_not_asked_again_and_the_budget_gets_on(tmp_path: Path) -> None:
    class Poor(UpperTranslator):
        """Knows short words alone."""

        def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
            made = super().translate(texts, source, target)
            return [one if len(text) < 3 else kept(text) for one, text in zip(made, texts, strict=True)]

    path, wanted = tmp_path / "shop.sqlite", ["long", "text", "ab"]
    asked = []
    for _ in range(3):
        engine = Poor()
        limited = Limited(engine, Budget(characters=6))
        store = TranslationStore(path, limited.name, limited.version)
        made = TranslationMemory(limited, store=store).translate(wanted, "en", "de")
        asked.append(engine.given)
    assert asked == [["long"], ["text", "ab"], []]
    assert [one.text for one in made] == ["long", "text", "AB"]


def test_a_text_of_which_a_piece_went_unanswered_is_asked_again(tmp_path: Path) -> None:
    class Doubling(UpperTranslator):
        """Says numbers twice, so that a text must be translated piece by piece."""

        def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
            made = super().translate(texts, source, target)
            return [Translation(one.text.replace("12", "12 12"), one.engine, one.confidence) for one in made]

    limited = Limited(Doubling(), Budget(characters=12))
    store = TranslationStore(tmp_path / "shop.sqlite", limited.name, limited.version)
    (made,) = TranslationMemory(limited, store=store).translate(["lamp 12 oak"], "en", "de")
    assert not made.answered
    assert store.find([("en", "de", "lamp 12 oak", ())]) == {}


def test_brands_and_protected_names_come_through_and_part_memories(tmp_path: Path) -> None:
    engine = UpperTranslator()
    known = memory(tmp_path / "shop.sqlite", engine, protect=["Qi"])
    (made,) = known.translate(["Oak lamp, 2 m, Qi"], "en", "de", ["Oak"])
    assert made.text == "Oak LAMP, 2 m, Qi"
    (made,) = known.translate(["Oak lamp, 2 m, Qi"], "en", "de", ["Lux"])
    assert made.text == "OAK LAMP, 2 m, Qi"
    (found,) = translate_documents([product("1", "Oak lamp", brand="Oak")], known, {"de": ["title"]})
    assert found.translated["de"]["title"] == "Oak LAMP"
    assert found.provenance["de"]["title"].source_hash == text_hash("Oak lamp")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"no database, but long enough to look at" * 50)
    with pytest.raises(IngestError, match="cannot keep translations"):
        TranslationStore(tmp_path / "a.sqlite", "upper", "7")


def test_engines_of_a_configuration() -> None:
    own = UpperTranslator()
    assert build_translator(TranslationConfig(), lambda: own).name == "upper"
    engine = EngineConfig(kind="libretranslate", url="http://127.0.0.1:9")
    two = TranslationConfig(engine=[EngineConfig(kind="dictionaries"), engine], budget_characters=5)
    assert build_translator(two, lambda: own).name == "upper+libretranslate"
    for wrong, complaint in (
        (EngineConfig(kind="oracle"), "choose among dictionaries"),
        (EngineConfig(kind="libretranslate"), "needs url"),
        (EngineConfig(kind="ctranslate2"), "needs model"),
        (EngineConfig(kind="onnx"), "needs model"),
    ):
        with pytest.raises(IngestError, match=complaint):
            build_translator(TranslationConfig(engine=[wrong]), lambda: own)
