"""The tokenizers of Marian and NLLB models as files that run without transformers and sentencepiece."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from rerank.bundle import TARGET_TOKENIZER, TOKENIZER
from rerank.errors import BundleError, MissingExtraError

UNIGRAM, NORMAL, USER_DEFINED = 1, 1, 4
"""Numbers of sentencepiece's own format: the kind of model, and kinds of pieces."""

NEVER = "\ufffe"
"""Begins the names of tokens that no text may be read as; it is no character."""


def write_tokenizers(tokenizer: Any, folder: Path, tokens: int) -> Mapping[str, Path]:
    """Write a transformers tokenizer of a translation model as tokenizer.json, and the pieces that it writes as
    target_tokenizer.json where they are others than it reads.

    Neither adds special tokens: the translator knows them.

    Args:
        tokenizer: Marian's, or a fast one.
        folder: where to.
        tokens: how many the model has.

    Raises:
        BundleError: the tokenizer is of another kind.
        MissingExtraError: sentencepiece is not installed.
    """
    if hasattr(tokenizer, "backend_tokenizer"):
        state = json.loads(tokenizer.backend_tokenizer.to_str()) | {"post_processor": None}
        state |= {"truncation": None, "padding": None}
        (folder / TOKENIZER).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        return {TOKENIZER: folder / TOKENIZER}
    if getattr(tokenizer, "separate_vocabs", False) or not hasattr(tokenizer, "spm_files"):
        raise BundleError("the model's tokenizer is none that is known: Marian's with one vocabulary, and NLLB's, are")
    if codes := tokenizer.supported_language_codes:
        raise BundleError(f"the model writes several languages ({', '.join(codes[:3])}); take one of one pair, or NLLB")
    vocabulary: Mapping[str, int] = tokenizer.encoder
    _source(Path(tokenizer.spm_files[0]), vocabulary, tokens).save(str(folder / TOKENIZER))
    _target(vocabulary, tokens).save(str(folder / TARGET_TOKENIZER))
    return {name: folder / name for name in (TOKENIZER, TARGET_TOKENIZER)}


def _source(path: Path, vocabulary: Mapping[str, int], tokens: int) -> Tokenizer:
    """Return sentencepiece's unigram model with the ids of `vocabulary`; pieces that it lacks come behind `tokens`."""
    found = _read_sentencepiece(path)
    rules = found.normalizer_spec
    pieces = [(item.piece, item.score) for item in found.pieces if item.type in (NORMAL, USER_DEFINED)]
    least = min(score for _, score in pieces)
    names = [(f"{NEVER}{number}", least) for number in range(tokens)]
    for piece, score in pieces:
        if piece in vocabulary:
            names[vocabulary[piece]] = (piece, score)
        else:
            names.append((piece, score))
    tokenizer = Tokenizer(models.Unigram(names, unk_id=vocabulary["<unk>"], byte_fallback=False))
    steps: list[Any] = [normalizers.Precompiled(rules.precompiled_charsmap)] if rules.precompiled_charsmap else []
    if rules.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    scheme = "always" if rules.add_dummy_prefix else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
    return tokenizer


def _target(vocabulary: Mapping[str, int], tokens: int) -> Tokenizer:
    """Return a tokenizer that turns ids into text, and reads nothing."""
    names = [(f"{NEVER}{number}", 0.0) for number in range(tokens)]
    for piece, number in vocabulary.items():
        if number < tokens:
            names[number] = (piece, 0.0)
    tokenizer = Tokenizer(models.Unigram(names, unk_id=vocabulary["<unk>"], byte_fallback=False))
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def _read_sentencepiece(path: Path) -> Any:
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ImportError as error:
        raise MissingExtraError("a Marian model needs sentencepiece; pip install 'polyrank[train]'") from error
    found: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    try:
        found.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's own errors are of no common kind
        raise BundleError(f"cannot read the sentencepiece model {path}: {error}") from error
    if found.trainer_spec.model_type != UNIGRAM:
        raise BundleError(f"the sentencepiece model {path} is no unigram model, which Marian's are")
    return found
