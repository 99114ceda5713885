"""Tiny, randomly initialised models of the kinds that people bring, with real tokenizers trained on a few lines."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from rerank.exporting.samples import SAMPLE_PAIRS
from rerank.exporting.source import INPUT_NAMES

UNSEGMENTED = "bert, whose tokenizer gives no token_type_ids"
KINDS = ("bert", UNSEGMENTED, "xlm-roberta", "deberta-v2", "modernbert")
_LINES = [text for pair in SAMPLE_PAIRS for text in (pair.query, pair.document)]
_SHAPE = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def save_model(folder: Path, kind: str = "bert", *, labels: int | None = None, pooling: str | None = None) -> Path:
    """Write a model folder: a cross-encoder with `labels`, else an embedder with `pooling`."""
    import torch
    import transformers

    torch.manual_seed(3)
    tokenizer = {
        "xlm-roberta": _roberta_sentencepiece,
        "deberta-v2": _deberta_sentencepiece,
        "modernbert": _byte_pairs,
    }.get(kind, _wordpiece)()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_special(kind), model_max_length=64)
    shape: dict[str, Any] = {"vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": 80, **_SHAPE}
    shape |= {"pad_token_id": fast.pad_token_id, "num_labels": labels or 2}
    if kind == "deberta-v2":
        shape |= {
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
        }
        shape |= {"share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
    if kind == "modernbert":
        special = {"cls_token_id": fast.cls_token_id, "sep_token_id": fast.sep_token_id}
        shape |= special | {"bos_token_id": fast.cls_token_id, "eos_token_id": fast.sep_token_id}
    if kind == "xlm-roberta":
        shape |= {"type_vocab_size": 1}
    config = transformers.AutoConfig.for_model(kind.split(",")[0], **shape)
    auto = transformers.AutoModelForSequenceClassification if labels else transformers.AutoModel
    model = auto.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)  # unlike after init, scores differ from pair to pair
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    if pooling:
        (folder / "1_Pooling").mkdir()
        content = {"word_embedding_dimension": 24, "pooling_mode": pooling}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(content), encoding="utf-8")
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}', encoding="utf-8")
    return folder


def _special(kind: str) -> dict[str, Any]:
    if kind == "xlm-roberta":
        return {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return special | ({"model_input_names": [*INPUT_NAMES]} if kind == "bert" else {})


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(_LINES, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _roberta_sentencepiece() -> Tokenizer:
    tokenizer = _unigram(["<s>", "<pad>", "</s>", "<unk>"], unknown="<unk>")
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def _deberta_sentencepiece() -> Tokenizer:
    tokenizer = _unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]"], unknown="[UNK]")
    tokenizer.post_processor = _pairs_in_segments(tokenizer)
    return tokenizer


def _unigram(special: list[str], unknown: str) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token=unknown)
    tokenizer.train_from_iterator(_LINES, trainer)
    return tokenizer


def _byte_pairs() -> Tokenizer:
    """Byte-level BPE: no text holds an unknown token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(_LINES, trainer)
    tokenizer.post_processor = _pairs_in_segments(tokenizer)
    return tokenizer


def _pairs_in_segments(tokenizer: Tokenizer) -> processors.TemplateProcessing:
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    return processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special)
