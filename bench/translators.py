"""Compare the two engines that run Marian models, on one model: CPU seconds of a batch, one thread, taking turns.

    python -m bench.translators [--layers 6] [--width 512] [--vocabulary 58101] [--rounds 5] [--int8]

The weights are random, of the shape of an OPUS model by default: they say what a token costs, and nothing of quality.
Each translation is cut off at the same length, which such a model always reaches. --int8 also reduces the bundle by
`rerank quantize`, which takes some minutes; CTranslate2 converts to int8 in any case. Needs the `train` and the
`ctranslate2` extra.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import click

from rerank.exporting.translator import export_translator
from rerank.protocols import Translator
from rerank.quantization.translator import quantize_translator
from rerank.session import SessionOptions
from rerank.translation.ctranslate import CTranslate2Translator
from rerank.translation.onnx_translator import OnnxTranslator
from tests.rerank.translation.tiny_translators import tiny_marian

TEXTS = ["wireless lamp chair a kabellos Lampe", *["Lampe Stuhl x wireless lamp chair b"] * 15] * 2
PAIR = ("de", "en")
LONGEST = 24


@click.command()
@click.option("--layers", default=6, show_default=True, type=click.IntRange(1), help="Of encoder and decoder each.")
@click.option("--width", default=512, show_default=True, type=click.IntRange(64), help="Numbers a token.")
@click.option("--vocabulary", default=58_101, show_default=True, type=click.IntRange(100), help="Tokens.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--int8", is_flag=True, help="Reduce the bundle, too.")
def main(layers: int, width: int, vocabulary: int, rounds: int, int8: bool) -> None:
    """Compare ONNX Runtime and CTranslate2."""
    import ctranslate2

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = marian(folder / "model", layers, width, vocabulary)
        bundles = {"fp32": export_translator(str(model), folder / "fp32")}
        if int8:
            texts = list(dict.fromkeys(TEXTS))
            bundles["int8"] = quantize_translator(folder / "fp32", folder / "int8", texts, least=0.0, report=click.echo)
        converted = {}
        for precision in ("float32", "int8"):
            converter = ctranslate2.converters.TransformersConverter(
                str(model), copy_files=["source.spm", "target.spm"]
            )
            converted[precision] = converter.convert(str(folder / f"ct2-{precision}"), quantization=precision)
        for beam in (1, 2):
            engines: dict[str, Translator] = {}
            for precision, bundle in bundles.items():
                options = SessionOptions(threads=1)
                engines[f"onnx {precision}"] = OnnxTranslator(bundle, beam=beam, max_tokens=LONGEST, options=options)
            for precision, place in converted.items():
                engine = CTranslate2Translator(place, PAIR, beam=beam, max_tokens=LONGEST, threads=1)
                engines[f"ctranslate2 {precision}"] = engine
            for label, seconds in measure(engines, rounds).items():
                click.echo(f"beam {beam}, {label}: {seconds:.2f} s of CPU for {len(TEXTS)} texts")


def marian(folder: Path, layers: int, width: int, vocabulary: int) -> Path:
    """Write a Marian model with random weights; tokens that no text is read as fill its vocabulary up."""
    import transformers

    tiny_marian(folder)
    names = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    del names["<pad>"]
    names |= {f"▁w{number}": number for number in range(len(names), vocabulary - 1)} | {"<pad>": vocabulary - 1}
    (folder / "vocab.json").write_text(json.dumps(names), encoding="utf-8")
    heads = max(1, width // 64)
    config = transformers.MarianConfig(
        vocab_size=vocabulary, d_model=width, encoder_layers=layers, decoder_layers=layers,
        encoder_attention_heads=heads, decoder_attention_heads=heads, encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width, max_position_embeddings=512, pad_token_id=vocabulary - 1, eos_token_id=0,
        decoder_start_token_id=vocabulary - 1, forced_eos_token_id=None,
    )  # fmt: skip
    transformers.MarianMTModel(config).save_pretrained(folder)
    files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")]
    transformers.MarianTokenizer(*files, source_lang=PAIR[0], target_lang=PAIR[1]).save_pretrained(folder)
    return folder


def measure(engines: dict[str, Translator], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each engine; the first round is not counted."""
    spent: dict[str, list[float]] = {label: [] for label in engines}
    for number in range(rounds + 1):
        for label, engine in engines.items():
            begun = time.process_time()
            engine.translate(TEXTS, *PAIR)
            if number:
                spent[label].append(time.process_time() - begun)
    return {label: statistics.median(seconds) for label, seconds in spent.items()}


if __name__ == "__main__":
    main()
