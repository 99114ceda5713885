"""Neural translation with a Marian model of two thousand random weights, made and converted here."""

from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.protocols import Translator
from rerank.translation.ctranslate import CTranslate2Translator
from tests.contracts import TranslatorContract
from tests.rerank.translation.tiny_translators import tiny_marian

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ctranslate2 = pytest.importorskip("ctranslate2")
    folder = tiny_marian(tmp_path_factory.mktemp("ctranslate2") / "marian")
    converter = ctranslate2.converters.TransformersConverter(str(folder), copy_files=["source.spm", "target.spm"])
    return Path(converter.convert(str(folder / "converted")))


@pytest.mark.filterwarnings("ignore")
class TestMarian(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _model(self, model: Path) -> None:
        self._translator = CTranslate2Translator(model, ("de", "en"), threads=1, max_tokens=16)

    def translator(self) -> Translator:
        return self._translator

    def test_texts_of_letters_are_translated_with_a_probability(self) -> None:
        made = self._translator.translate(["kabellos Lampe Stuhl chair", "4711"], "de", "en")
        assert (made[0].engine, made[1].engine) == ("marian", "keep")
        assert made[0].text
        assert 0.0 < made[0].confidence <= 1.0


def test_a_missing_model_or_pair_is_said(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="name its source and target"):
        CTranslate2Translator(model)
    with pytest.raises(ResourceError, match=r"has no model\.bin"):
        CTranslate2Translator(tmp_path, ("de", "en"))
    with pytest.raises(ResourceError, match="there is no folder"):
        CTranslate2Translator("nobody/no-such-model", ("de", "en"))
