"""Export of a Marian or NLLB model to a bundle to translate, checked against the original. Needs the `train` extra."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rerank.bundle import DECODER, ENCODER, Bundle, refuse_foreign_folder, write_bundle
from rerank.errors import BundleError
from rerank.exporting.model_card import model_card
from rerank.exporting.onnx_file import LARGEST_FILE, load_model, save_model
from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.exporting.source import POLYRANK_JSON, import_torch, model_file, quiet, read_json
from rerank.exporting.translator_graph import FAMILIES, write_graphs
from rerank.exporting.translator_tokenizer import write_tokenizers
from rerank.manifest import Generation, Manifest
from rerank.translation.nllb import NLLB_CODES
from rerank.translation.onnx_translator import OnnxTranslator, generation_of, sample_pair

TOLERANCE = 5e-3
"""Largest difference of a mean log probability that counts as the same model."""

MAX_TOKENS = 256
"""Of a text, its special tokens included, and of its translation."""

SAMPLES = tuple(dict.fromkeys(text for pair in SAMPLE_PAIRS for text in (pair.query, pair.document)))
CHECKED_TOKENS = 32
"""So many tokens are written of each sample: of a model with random weights no text comes to its end."""


@dataclass(frozen=True, slots=True)
class TranslatorSource:
    """A transformers model that translates, its tokenizer and what its folder says."""

    model: Any
    tokenizer: Any
    settings: Mapping[str, Any]
    name: str


def is_translator(model: str) -> bool:
    """Tell from a model's configuration whether it translates. One that cannot be read does not."""
    _, transformers = import_torch()
    try:
        return transformers.AutoConfig.from_pretrained(model).model_type in FAMILIES
    except (OSError, ValueError, KeyError):
        return False  # `load_source` says what is wrong with it


def export_translator(
    model: str,
    out: Path,
    *,
    report: Callable[[str], None] = lambda _: None,
    largest_file: int = LARGEST_FILE,
) -> Bundle:
    """Export a Marian or NLLB model as an fp32 bundle to translate; writes nothing when it differs from the original.

    Args:
        model: a folder in transformers' layout, or a name on the model hub.
        out: the bundle's folder.
        report: is told what is being done.
        largest_file: bytes from which on the weights of a graph go into a file of their own.

    Raises:
        MissingExtraError: torch, transformers or sentencepiece is not installed.
        BundleError: the model cannot be read or exported, differs after export, or `out` is taken.
    """
    refuse_foreign_folder(out)
    source = load_translator_source(model)
    with tempfile.TemporaryDirectory() as scratch:
        traced, folder = Path(scratch) / "traced", Path(scratch) / "model"
        traced.mkdir()
        folder.mkdir()
        report(f"{source.name}: tracing")
        write_graphs(source.model, traced)
        files: dict[str, Path] = {}
        for name in (ENCODER, DECODER):
            files |= save_model(load_model(traced / name), folder, largest=largest_file, name=name)
        files |= write_tokenizers(source.tokenizer, folder, int(source.model.lm_head.out_features))
        manifest = _manifest(source)
        trial = write_bundle(Path(scratch) / "trial", manifest, files, "")
        report(f"{source.name}: comparing with torch")
        metrics = {**manifest.metrics, "onnx_to_torch": check_translator(source, trial)}
        manifest = replace(manifest, metrics=metrics)
        return write_bundle(out, manifest, files, model_card(manifest))


def load_translator_source(model: str) -> TranslatorSource:
    """Read a model that translates, and its tokenizer.

    Raises:
        MissingExtraError: torch, transformers or sentencepiece is not installed.
        BundleError: it cannot be read.
    """
    torch, transformers = import_torch()
    try:
        with quiet(transformers):
            loaded, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                model, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    except Exception as error:
        raise BundleError(f"cannot read the model {model}: {(str(error).splitlines() or ['?'])[0]}") from error
    if loaded.config.model_type not in FAMILIES:
        raise BundleError(
            f"{model} is a {loaded.config.model_type}; Marian and NLLB models can be exported to translate"
        )
    if missing := sorted(info["missing_keys"]):
        raise BundleError(f"{model} lacks {len(missing)} weights, {missing[0]} first: they would be random")
    name = Path(model).resolve().name if Path(model).is_dir() else model.split("/")[-1]
    settings = read_json(model_file(model, POLYRANK_JSON))
    return TranslatorSource(loaded.eval(), tokenizer, settings, str(settings.get("name") or name))


def check_translator(source: TranslatorSource, bundle: Bundle) -> dict[str, Any]:
    """Translate samples by the bundle and let the original say how probable each translation is.

    Returns:
        How many samples, the largest difference of their mean log probabilities, and the share of tokens that are the
        original's own choice at their place.

    Raises:
        BundleError: the tokens read differ, or the probabilities by more than `TOLERANCE`.
    """
    torch, _ = import_torch()
    generation, pair = generation_of(bundle), sample_pair(bundle)
    translator = OnnxTranslator(bundle, pair, beam=1, max_tokens=min(CHECKED_TOKENS, bundle.manifest.max_length))
    whole = OnnxTranslator(bundle, pair, beam=1)
    differences, same, count = [0.0], 0, 0
    for text in SAMPLES:
        ours, theirs = whole.read([text], pair[0])[0].ids, _own_ids(source, text, pair[0])
        if ours != theirs:
            raise BundleError(
                f"{source.name} reads {text[:40]!r} as {theirs[:12]}, the exported tokenizer as {ours[:12]}"
            )
        (made,) = translator.write([text], *pair)
        read = torch.tensor([translator.read([text], pair[0])[0].ids])
        first = [generation.languages[pair[1]]] if generation.languages else []
        ended = [generation.end] if len(made.tokens) < translator.max_tokens else []
        written = [*made.tokens, *ended]
        before = torch.tensor([[generation.start, *first, *written[:-1]]])
        with torch.no_grad():
            logits = source.model(input_ids=read, decoder_input_ids=before).logits[0, len(first) :]
        chances = torch.log_softmax(logits, -1).numpy()
        chances[:, generation.padding] = -np.inf
        found = chances[np.arange(len(written)), written]
        differences.append(abs(float(found.mean()) - made.score))
        same += int((chances.argmax(1) == written).sum())
        count += len(written)
    if not max(differences) <= TOLERANCE:
        raise BundleError(f"{source.name} differs after export: a mean log probability by {max(differences):.4f}")
    largest = float(f"{max(differences):.3g}")
    return {"texts": len(SAMPLES), "difference_max": largest, "same_tokens": round(same / max(count, 1), 5)}


def _own_ids(source: TranslatorSource, text: str, language: str) -> Sequence[int]:
    if hasattr(source.tokenizer, "backend_tokenizer"):
        source.tokenizer.src_lang = NLLB_CODES[language]
    return [int(number) for number in source.tokenizer(text)["input_ids"]]


def _manifest(source: TranslatorSource) -> Manifest:
    config, settings, tokenizer = source.model.config, source.settings, source.tokenizer
    found = tokenizer.get_vocab()
    many = config.model_type != "marian"
    languages = {code: found[name] for code, name in NLLB_CODES.items() if name in found} if many else {}
    if many and len(languages) < 2:
        raise BundleError(f"the tokenizer of {source.name} has no tokens of NLLB's languages, such as eng_Latn")
    pair = None if many else _pair(settings.get("languages") or (tokenizer.source_lang, tokenizer.target_lang))
    generation = Generation(
        start=int(config.decoder_start_token_id),
        end=int(config.eos_token_id),
        padding=int(config.pad_token_id),
        unknown=int(tokenizer.unk_token_id),
        tokens=int(source.model.lm_head.out_features),
        pair=pair,
        languages=languages,
    )
    return Manifest(
        name=source.name,
        task="translate",
        base_model=str(settings.get("base_model") or source.name),
        licence=str(settings.get("licence") or "unknown"),
        languages=tuple(languages) or pair or (),
        max_length=min(int(settings.get("max_length") or MAX_TOKENS), int(config.max_position_embeddings)),
        files={},
        generation=generation,
        training=settings.get("training", {}),
        metrics=settings.get("metrics", {}),
        architecture={"config": json.loads(config.to_json_string(use_diff=True))},
    )


def _pair(found: Sequence[Any]) -> tuple[str, str] | None:
    """Return the languages of a model of one pair where they are codes of two letters, as OPUS models name them."""
    codes = [str(code).lower() for code in found if code]
    return (codes[0], codes[1]) if len(codes) == 2 and all(len(code) == 2 for code in codes) else None
