"""Bundles to translate, made here of tiny Marian and NLLB models, against transformers' own `generate`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rerank.bundle import DECODER, MANIFEST, Bundle, load_bundle
from rerank.cli import main
from rerank.errors import BundleError, ResourceError
from rerank.exporting.translator import export_translator
from rerank.protocols import Translator
from rerank.translation.chain import Budget, Chain, Limited
from rerank.translation.ctranslate import CTranslate2Translator
from rerank.translation.nllb import NLLB_CODES
from rerank.translation.onnx_translator import OnnxTranslator, load_onnx_translator
from tests.contracts import TranslatorContract
from tests.rerank.tiny import tiny_reranker
from tests.rerank.translation.tiny_translators import tiny_marian, tiny_nllb

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]
TEXTS = ["kabellos Lampe Stuhl chair", "Lampe", "wireless lamp chair a b c d e f g h", "x Stuhl Ω lamp, kabellos"]
LONGEST = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("translators")


@pytest.fixture(scope="module")
def marian(folder: Path) -> tuple[Path, Bundle]:
    model = tiny_marian(folder / "opus-de-en")
    return model, export_translator(str(model), folder / "marian-bundle")


@pytest.fixture(scope="module")
def nllb(folder: Path) -> tuple[Path, Bundle]:
    model = tiny_nllb(folder / "nllb")
    return model, export_translator(str(model), folder / "nllb-bundle")


def theirs(model: Path, beams: int, language: str | None = None) -> tuple[Any, list[list[int]]]:
    """What transformers writes: its tokenizer, and the tokens up to the end."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(model).eval()
    if language is not None:
        tokenizer.src_lang = NLLB_CODES["de"]
    end, padding = loaded.config.eos_token_id, loaded.config.pad_token_id
    made = []
    for text in TEXTS:
        inputs = tokenizer([text], return_tensors="pt")
        told = {} if language is None else {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(language)}
        with torch.no_grad():
            ids = loaded.generate(
                **inputs, **told, num_beams=beams, do_sample=False, bad_words_ids=[[padding]], length_penalty=1.0,
                max_new_tokens=LONGEST + (language is not None), early_stopping=False,
            )[0].tolist()  # fmt: skip
        written = ids[1 if language is None else 2 :]
        made.append(written[: written.index(end)] if end in written else written)
    return tokenizer, made


@pytest.mark.parametrize("beams", [1, 2, 3])
def test_marian_writes_what_transformers_writes(marian: tuple[Path, Bundle], beams: int) -> None:
    model, bundle = marian
    tokenizer, wanted = theirs(model, beams)
    translator = OnnxTranslator(bundle, beam=beams, max_tokens=LONGEST)
    assert [list(one.tokens) for one in translator.write(TEXTS, "de", "en")] == wanted
    assert len({tuple(one) for one in wanted}) > 1
    assert any(len(one) < LONGEST for one in wanted)
    found = [one.text for one in translator.translate(TEXTS, "de", "en")]
    assert found == [tokenizer.decode(one, skip_special_tokens=True).strip() for one in wanted]


@pytest.mark.parametrize("target", ["en", "fr"])
def test_nllb_writes_what_transformers_writes(nllb: tuple[Path, Bundle], target: str) -> None:
    model, bundle = nllb
    tokenizer, wanted = theirs(model, 1, NLLB_CODES[target])
    translator = OnnxTranslator(bundle, beam=1, max_tokens=LONGEST)
    assert [list(one.tokens) for one in translator.write(TEXTS, "de", target)] == wanted
    assert len({tuple(one) for one in wanted}) > 1
    assert any(len(one) < LONGEST for one in wanted)
    found = [one.text for one in translator.translate(TEXTS, "de", target)]
    assert found == [tokenizer.decode(one, skip_special_tokens=True).strip() for one in wanted]


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_is_as_good_as_one_by_one(nllb: tuple[Path, Bundle], beams: int) -> None:
    translator = OnnxTranslator(nllb[1], beam=beams, max_tokens=LONGEST)
    together = translator.write(TEXTS * 3, "de", "en")
    alone = [translator.write([text], "de", "en")[0] for text in TEXTS] * 3
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert np.allclose([one.score for one in together], [one.score for one in alone], atol=1e-4)


class TestMarian(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _model(self, marian: tuple[Path, Bundle]) -> None:
        self._translator = OnnxTranslator(marian[1], max_tokens=16)

    def translator(self) -> Translator:
        return self._translator

    def test_texts_of_letters_are_translated_with_a_probability(self) -> None:
        made = self._translator.translate(["kabellos Lampe Stuhl chair", "4711"], "de", "en")
        assert [one.engine for one in made] == ["marian", "keep"]
        assert made[0].text
        assert 0.0 < made[0].confidence <= 1.0


class TestNllb(TranslatorContract):
    @pytest.fixture(autouse=True)
    def _model(self, nllb: tuple[Path, Bundle]) -> None:
        self._translator = OnnxTranslator(nllb[1], max_tokens=16)

    def translator(self) -> Translator:
        return self._translator

    def test_any_two_of_its_languages_and_no_other(self) -> None:
        languages = ("de", "en", "fr")
        wanted = {(one, other) for one in languages for other in languages if one != other}
        assert self._translator.pairs() == wanted
        assert self._translator.translate(["Lampe"], "de", "es")[0].engine == "keep"


def test_the_confidence_is_the_geometric_mean_of_the_probabilities(marian: tuple[Path, Bundle]) -> None:
    import torch
    import transformers

    model, bundle = marian
    translator = OnnxTranslator(bundle, beam=1, max_tokens=LONGEST)
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(model).eval()
    end, padding = loaded.config.eos_token_id, loaded.config.pad_token_id
    for text, made, told in zip(
        TEXTS, translator.write(TEXTS, "de", "en"), translator.translate(TEXTS, "de", "en"), strict=True
    ):
        written = [*made.tokens, *([end] if len(made.tokens) < LONGEST else [])]
        read = torch.tensor([translator.read([text], "de")[0].ids])
        with torch.no_grad():
            logits = loaded(input_ids=read, decoder_input_ids=torch.tensor([[padding, *written[:-1]]])).logits[0]
        chances = torch.softmax(logits, -1)[torch.arange(len(written)), torch.tensor(written)]
        assert told.confidence == pytest.approx(float(chances.log().mean().exp()), abs=2e-3)


def test_long_texts_are_cut_on_both_sides(marian: tuple[Path, Bundle]) -> None:
    translator = OnnxTranslator(marian[1], max_tokens=8)
    assert len(translator.read(["Lampe Stuhl " * 50], "de")[0]) <= 8
    assert all(len(one.tokens) <= 8 for one in translator.write(["Lampe Stuhl " * 50], "de", "en"))


def test_the_manifest_survives_reading_and_counts_for_the_fingerprint(
    nllb: tuple[Path, Bundle], tmp_path: Path
) -> None:
    bundle = nllb[1]
    assert load_bundle(bundle.path, "translate").manifest == bundle.manifest
    assert bundle.manifest.metrics["onnx_to_torch"]["difference_max"] < 5e-3
    assert bundle.manifest.metrics["onnx_to_torch"]["same_tokens"] > 0.99
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    data = json.loads((copy / MANIFEST).read_text())
    data["generation"]["languages"]["fr"] = data["generation"]["languages"]["en"]
    (copy / MANIFEST).write_text(json.dumps(data))
    assert load_bundle(copy).fingerprint != bundle.fingerprint


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("end", -1, "`end` must be a token's id below 90"),
        ("padding", 90, "`padding` must be a token's id below 90"),
        ("pair", ["de"], "`pair` must be two languages"),
        ("languages", {"de": "x"}, "`de` must be a token's id"),
    ],
)
def test_a_manifest_of_wrong_ids_is_refused(
    nllb: tuple[Path, Bundle], tmp_path: Path, key: str, value: object, said: str
) -> None:
    copy = shutil.copytree(nllb[1].path, tmp_path / "copy")
    data = json.loads((copy / MANIFEST).read_text())
    data["generation"]["tokens"] = 90
    data["generation"][key] = value
    (copy / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match=said):
        load_bundle(copy)


def test_what_is_wrong_with_a_model_is_said(marian: tuple[Path, Bundle], tmp_path: Path) -> None:
    copy = shutil.copytree(marian[1].path, tmp_path / "copy")
    (copy / DECODER).unlink()
    with pytest.raises(BundleError, match=r"decoder\.onnx is missing"):
        load_onnx_translator(copy)
    with pytest.raises(BundleError, match="one to translate is needed"):
        load_onnx_translator(tiny_reranker(tmp_path / "reranker").path)
    with pytest.raises(ResourceError, match="there is no folder"):
        load_onnx_translator("nobody/no-such-model")
    with pytest.raises(ResourceError, match="choose among cpu, cuda, auto"):
        load_onnx_translator(marian[1].path, device="tpu")


def test_a_pair_that_the_model_does_not_say_is_asked_for(marian: tuple[Path, Bundle], tmp_path: Path) -> None:
    copy = shutil.copytree(marian[1].path, tmp_path / "copy")
    data = json.loads((copy / MANIFEST).read_text())
    assert data["generation"]["pair"] == ["de", "en"]
    data["generation"]["pair"] = None
    (copy / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(ResourceError, match="name its source and target"):
        load_onnx_translator(copy)
    assert load_onnx_translator(copy, ("de", "nl")).pairs() == {("de", "nl")}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_commands(marian: tuple[Path, Bundle], tmp_path: Path) -> None:
    model, out = marian[0], tmp_path / "bundle"
    made = run("export-onnx", str(model), str(out), "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["fingerprint"] == marian[1].fingerprint
    verified = run("verify", str(out), "--against", str(model), "--json")
    assert json.loads(verified.stdout)["onnx_to_torch"]["same_tokens"] > 0.99
    assert "Translates a text" in run("card", str(out)).output
    other = tiny_marian(tmp_path / "other", seed=9)
    refused = run("verify", str(out), "--against", str(other))
    assert refused.exit_code == 1
    assert "differs" in refused.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export-onnx", "MODEL", "OUT", "--fp16"), "fp16"),
        (("export-onnx", "MODEL", "OUT", "--task", "rerank"), "translate"),
        (("package", "BUNDLE", "OUT", "--for", "ml-commons"), "translate"),
        (("evaluate", "BUNDLE", "--candidates", "PAIRS"), "translate"),
        (("bench", "BUNDLE"), "translate"),
    ],
)
def test_what_a_translator_is_not_made_for_is_refused(
    marian: tuple[Path, Bundle], tmp_path: Path, arguments: Sequence[str], said: str
) -> None:
    places = {"MODEL": str(marian[0]), "BUNDLE": str(marian[1].path), "OUT": str(tmp_path / "out")}
    places["PAIRS"] = str(tmp_path / "pairs.jsonl")
    (tmp_path / "pairs.jsonl").write_text('{"query": "usb", "fields": {"title": "usb cable"}, "relevance": 1}\n')
    found = run(*(places.get(one, one) for one in arguments))
    assert found.exit_code in (1, 2)
    assert said in found.output
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_int8_writes_what_fp32_writes(marian: tuple[Path, Bundle], tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"query": text, "fields": {"title": other}, "relevance": 1} for text in TEXTS for other in TEXTS]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("quantize", str(marian[1].path), str(tmp_path / "int8"), "--candidates", str(pairs), "--json")
    made = run(*given, "--same-tokens", "0.9")
    assert made.exit_code == 0, made.output
    reduced = load_bundle(tmp_path / "int8", "translate")
    assert reduced.manifest.precision == "int8"
    assert reduced.manifest.generation == marian[1].manifest.generation
    measured = reduced.manifest.metrics["int8_to_fp32"]
    assert measured["same_tokens"] >= 0.9
    assert {row["variant"].split(",")[0] for row in measured["tried"]} >= {"static", "mixed", "dynamic"}
    wanted = OnnxTranslator(marian[1], beam=1, max_tokens=LONGEST).write(TEXTS, "de", "en")
    found = OnnxTranslator(reduced, beam=1, max_tokens=LONGEST).write(TEXTS, "de", "en")
    assert [one.tokens[:1] for one in found] == [one.tokens[:1] for one in wanted]
    too_much = run(*given[:2], str(tmp_path / "none"), *given[3:], "--same-tokens", "1.01")
    assert "no reduced form" in too_much.output
    assert not (tmp_path / "none").exists()
    assert "--for cpu alone" in run("quantize", str(marian[1].path), str(tmp_path / "gpu"), "--for", "gpu").output


def test_both_engines_and_a_budget_agree(marian: tuple[Path, Bundle], tmp_path: Path) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    converter = ctranslate2.converters.TransformersConverter(str(marian[0]), copy_files=["source.spm", "target.spm"])
    converted = converter.convert(str(tmp_path / "converted"))
    other = CTranslate2Translator(converted, ("de", "en"), beam=1, max_tokens=LONGEST)
    ours = OnnxTranslator(marian[1], beam=1, max_tokens=LONGEST)
    ended = [len(one.tokens) < LONGEST for one in ours.write(TEXTS, "de", "en")]
    for one, two, whole in zip(
        ours.translate(TEXTS, "de", "en"), other.translate(TEXTS, "de", "en"), ended, strict=True
    ):
        assert one.text == two.text
        assert not whole or one.confidence == pytest.approx(two.confidence, abs=0.02)
    limited = Limited(Chain([ours]), Budget(characters=len(TEXTS[0]) + 3))
    assert [one.engine for one in limited.translate(TEXTS, "de", "en")] == ["marian", "keep", "keep", "keep"]
    assert (limited.spent.refused, limited.spent.characters) == (3, len(TEXTS[0]))
