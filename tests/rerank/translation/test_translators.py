from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rerank.protocols import Translator
from rerank.resources import Resources, write_glossary
from rerank.translation.keep import Keep
from rerank.translation.load import Translators, load_translators
from tests.contracts import TranslatorContract
from tests.rerank.translation.small_dictionary import write_freedict, write_small_dictionaries


class TestKeep(TranslatorContract):
    def translator(self) -> Translator:
        return Keep()


class TestInstalled(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _translators(self, translators: Translators) -> None:
        self._found = translators

    def translator(self) -> Translator:
        return self._found.translator("shop")


def english(translators: Translators, text: str, source: str = "de", vocabulary: str | None = "shop") -> str:
    return translators.translator(vocabulary).translate([text], source, "en")[0].text


def test_the_catalogue_chooses_among_translations(translators: Translators) -> None:
    assert english(translators, "kabellose Kopfhörer") == "wireless headphone"
    assert english(translators, "kabellos", vocabulary=None) in {"cordless", "wireless"}


def test_a_compound_is_cut_where_the_dictionary_knows_its_parts(translators: Translators) -> None:
    assert english(translators, "Laptoptasche") == "laptop bag"
    assert english(translators, "Arbeitstisch") == "work desk"


def test_a_dictionary_is_read_in_both_directions(translators: Translators) -> None:
    assert english(translators, "Tischlampe") == "desk lamp"
    assert translators.translator().translate(["keyboard"], "en", "de")[0].text == "tastatur"


def test_japanese_is_cut_by_the_dictionary(translators: Translators) -> None:
    assert english(translators, "ノートパソコンケース", "ja") == "laptop case"


def test_prepositions_are_left_out(translators: Translators) -> None:
    assert english(translators, "Tasche für Laptop") == "bag laptop"


def test_confidence_is_the_share_that_was_understood(translators: Translators) -> None:
    whole, half, none = translators.translator().translate(["maus", "maus wxyz", "wxyz"], "de", "en")
    assert (whole.engine, whole.confidence) == ("dictionary", 1.0)
    assert half.confidence == 0.5
    assert (none.text, none.engine, none.confidence) == ("wxyz", "keep", 0.0)


def test_a_glossary_goes_first_and_is_seen_at_once(
    translators: Translators, resources: Resources, tmp_path: Path
) -> None:
    before = translators.translator("shop")
    source = tmp_path / "mine.tsv"
    source.write_text("en\tde\nover-ear headset\tKopfhörer\n")
    write_glossary(resources.folder, "mine", source)
    found = translators.translator("shop").translate(["Kopfhörer kabellos"], "de", "en")[0]
    assert (found.text, found.engine) == ("over-ear headset wireless", "glossary+dictionary")
    assert translators.translator("shop").version != before.version


def test_a_glossary_phrase_is_found_in_its_inflected_form(
    translators: Translators, resources: Resources, tmp_path: Path
) -> None:
    source = tmp_path / "mine.tsv"
    source.write_text("en\tfr\nheadphones\tcasque sans fil\n")
    write_glossary(resources.folder, "mine", source)
    assert english(translators, "casques sans fil", "fr") == "headphones"


def test_a_third_language_helps_a_thin_pair(tmp_path: Path) -> None:
    folder = write_small_dictionaries(tmp_path / "dictd")
    write_freedict(folder, "swe-deu", {"tangentbord <n>": "\nTastatur\n"})
    write_freedict(folder, "swe-eng", {"mus <n>": "\nmouse\n"})
    translators = load_translators(Resources(tmp_path / "none"), dictionaries=folder, compiled=tmp_path / "compiled")
    assert english(translators, "tangentbord", "sv") == "keyboard"


def test_a_service_does_without_a_dictionary_until_it_is_compiled(tmp_path: Path) -> None:
    folder = write_small_dictionaries(tmp_path / "dictd")
    where: dict[str, Any] = {"dictionaries": folder, "compiled": tmp_path / "compiled"}
    serving = load_translators(Resources(tmp_path / "none"), **where, compiles=False)
    assert serving.translator().pairs() == frozenset(), "a language whose words nobody can look up is no candidate"
    assert serving.translator().translate(["maus"], "de", "en")[0].engine == "keep"
    assert not list((tmp_path / "compiled").glob("*.sqlite")), "nobody has waited for a dictionary"
    load_translators(Resources(tmp_path / "none"), **where).prepare(["de", "en"])
    assert english(serving, "maus") == "mouse", "seen without a restart"
    assert serving.translator().pairs() == {("de", "en"), ("en", "de")}
    serving.compiles = True
    assert ("ja", "en") in serving.translator().pairs(), "what is missing in the end is compiled for who needs it"


def test_nothing_installed_keeps_everything_and_says_so(tmp_path: Path) -> None:
    translators = load_translators(Resources(tmp_path), dictionaries=tmp_path, compiled=tmp_path)
    assert not translators.available
    assert isinstance(translators.translator(), Keep)
    assert translators.describe().startswith("No translator is installed")


WORDS = st.sampled_from(["maus", "tasche", "kabellos", "für"])
KEPT = st.sampled_from(["65W", "CF-20/A", "TN-2110", "1.5", "3x", "USB3", "90°", "256GB", "106R01474", "C13T07124012"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(WORDS, KEPT), min_size=1, max_size=6))
def test_numbers_models_and_measures_are_never_changed(translators: Translators, words: list[str]) -> None:
    found = english(translators, " ".join(words))
    for word in words:
        if any(letter.isdigit() for letter in word):
            assert found.count(word) >= words.count(word)


def test_a_dictionary_that_is_removed_under_a_running_service_costs_its_translations_alone(
    translators: Translators, tmp_path: Path
) -> None:
    assert translators.translator().translate(["maus"], "de", "en")[0].text == "mouse"
    for path in (tmp_path / "dictd").iterdir():
        path.unlink()
    found = translators.translator()
    assert found.translate(["maus"], "de", "en")[0].text == "mouse", "compiled before"
    assert found.translate(["机"], "ja", "en")[0].engine == "keep", "not compiled in time"
    assert translators.knowledge("ja", {"机"}) is None


def test_a_glossary_phrase_with_an_elided_article_is_found(
    translators: Translators, resources: Resources, tmp_path: Path
) -> None:
    source = tmp_path / "mine.tsv"
    source.write_text("en\tfr\nolive oil\thuile d'olive\n")
    write_glossary(resources.folder, "mine", source)
    found = translators.translator("shop").translate(["Huile d’olive"], "fr", "en")[0]
    assert (found.text, found.engine, found.confidence) == ("olive oil", "glossary", 1.0)


def test_a_dictionary_that_cannot_be_read_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_small_dictionaries(tmp_path / "dictionaries")
    (folder / "freedict-eng-deu.dict.dz").write_bytes(b"not gzip")
    translators = load_translators(Resources(tmp_path), dictionaries=folder, compiled=tmp_path / "compiled")
    assert english(translators, "kabellose Tastatur") == "cordless keyboard"
    assert "freedict-eng-deu" in caplog.text
    assert english(translators, "Tischlampe") != "desk lamp", "that word is in the unreadable dictionary alone"
