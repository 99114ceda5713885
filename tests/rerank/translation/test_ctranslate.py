"""Neural translation with a Marian model of two thousand random weights, made and converted here."""

import json
from pathlib import Path

import pytest

from rerank.errors import ResourceError
from rerank.protocols import Translator
from rerank.translation.ctranslate import NeuralTranslator
from tests.contracts import TranslatorContract

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ctranslate2 = pytest.importorskip("ctranslate2")
    sentencepiece = pytest.importorskip("sentencepiece")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("marian")
    words = [f"wireless lamp chair {word} kabellos Lampe Stuhl" for word in "abcdefghijklmnopqrstuvwxyz"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 4), model_prefix=str(folder / "source"), vocab_size=40, minloglevel=2
    )
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "source.spm"))
    names = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    order = ["</s>", "<unk>", *[name for name in names if name not in ("</s>", "<unk>", "<s>")], "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(order)}))
    torch.manual_seed(1)
    config = transformers.MarianConfig(
        vocab_size=len(order), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=300,
        pad_token_id=len(order) - 1, eos_token_id=0, decoder_start_token_id=len(order) - 1,
    )  # fmt: skip
    transformers.MarianMTModel(config).save_pretrained(folder)
    transformers.MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json")
    ).save_pretrained(folder)
    converter = ctranslate2.converters.TransformersConverter(str(folder), copy_files=["source.spm", "target.spm"])
    return Path(converter.convert(str(folder / "converted")))


@pytest.mark.filterwarnings("ignore")
class TestMarian(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _model(self, model: Path) -> None:
        self._translator = NeuralTranslator(model, ("de", "en"), threads=1, max_tokens=16)

    def translator(self) -> Translator:
        return self._translator

    def test_texts_of_letters_are_translated_with_a_probability(self) -> None:
        made = self._translator.translate(["kabellos Lampe Stuhl chair", "4711"], "de", "en")
        assert (made[0].engine, made[1].engine) == ("marian", "keep")
        assert made[0].text
        assert 0.0 < made[0].confidence <= 1.0


def test_a_missing_model_or_pair_is_said(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="name its source and target"):
        NeuralTranslator(model)
    with pytest.raises(ResourceError, match=r"has no model\.bin"):
        NeuralTranslator(tmp_path, ("de", "en"))
    with pytest.raises(ResourceError, match="there is no folder"):
        NeuralTranslator("nobody/no-such-model", ("de", "en"))
