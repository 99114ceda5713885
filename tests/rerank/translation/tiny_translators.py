"""Marian and NLLB models of a few thousand random weights, with tokenizers trained on the spot, as transformers
saves them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rerank.translation.nllb import NLLB_CODES

WORDS = [f"wireless lamp chair {letter} kabellos Lampe Stuhl" for letter in "abcdefghijklmnopqrstuvwxyz"]
SHAPE = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 300,
    "tie_word_embeddings": False,
}  # fmt: skip


def tiny_marian(folder: Path, *, seed: int = 3, **shape: int) -> Path:
    """Write a Marian model of one pair into a new folder."""
    sentencepiece = pytest.importorskip("sentencepiece")
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS * 4), model_prefix=str(folder / "source"), vocab_size=40, minloglevel=2
    )
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "source.spm"))
    names = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    plain = [name for name in names if name not in ("</s>", "<unk>", "<s>")]
    # The ids are in another order than sentencepiece's, and one piece has none, as in OPUS models.
    order = ["</s>", "<unk>", *reversed(plain[:-1]), "▁der", "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(order)}))
    torch.manual_seed(seed)
    ids = {"pad_token_id": len(order) - 1, "eos_token_id": 0, "decoder_start_token_id": len(order) - 1}
    config = transformers.MarianConfig(vocab_size=len(order), forced_eos_token_id=None, **ids, **(SHAPE | shape))
    model = transformers.MarianMTModel(config)
    _spread(model, often=2)
    model.save_pretrained(folder)
    files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")]
    transformers.MarianTokenizer(*files, source_lang="de", target_lang="en").save_pretrained(folder)
    return folder


def tiny_nllb(folder: Path, *, seed: int = 2) -> Path:
    """Write a model of NLLB's architecture, with the tokens of three languages."""
    tokenizers = pytest.importorskip("tokenizers")
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    made.train_from_iterator(WORDS, tokenizers.trainers.BpeTrainer(vocab_size=90, special_tokens=special))
    state = json.loads(made.to_str())["model"]
    codes = [NLLB_CODES[code] for code in ("de", "en", "fr")]
    tokenizer = transformers.NllbTokenizer(
        vocab=state["vocab"], merges=[tuple(pair) for pair in state["merges"]], additional_special_tokens=codes
    )
    torch.manual_seed(seed)
    ids = {"pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0, "decoder_start_token_id": 2}
    config = transformers.M2M100Config(vocab_size=len(tokenizer), scale_embedding=True, **ids, **SHAPE)
    model = transformers.M2M100ForConditionalGeneration(config)
    _spread(model, often=43)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _spread(model: Any, often: int) -> None:
    """Make the random weights larger: with the usual ones every text is written as the same token again and again. The
    end takes the place of the token `often`, so that texts come to it."""
    import torch

    end = model.config.eos_token_id
    with torch.no_grad():
        model.lm_head.weight[[end, often]] = model.lm_head.weight[[often, end]]
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "embed_positions" not in name:
                weight.mul_(30.0 if "lm_head" in name else 12.0)
