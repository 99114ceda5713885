"""A teacher's vocabulary grown by the words of other languages, each begun as a mean of its English translations.

The teacher's pieces keep their ids and vectors, so English stays what it was. Needs the `train` extra.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from rerank.evaluation.judgements import JudgementError, open_text
from rerank.training.average import refuse_taken
from rerank.training.recipe import TrainingError

EM_ROUNDS = 4
MOST_PIECES = 16
"""Longer texts are left out of the alignment: which word is which is too uncertain in them."""


@dataclass(frozen=True, slots=True)
class Parallel:
    """An English text and what it is in another language (BCP 47)."""

    english: str
    text: str
    language: str


def read_parallel(path: Path) -> list[Parallel]:
    """Read parallel text: JSON lines of `english`, `text` and `language`; `.gz` is gunzipped.

    Raises:
        TrainingError: the file or a line is unreadable.
    """
    found = []
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    found.append(Parallel(str(row["english"]), str(row["text"]), str(row["language"])))
                except (KeyError, TypeError, ValueError) as error:
                    raise TrainingError(
                        f"{path} line {number}: {error}; a line needs `english`, `text` and `language`"
                    ) from error
    except JudgementError as error:
        raise TrainingError(str(error)) from error
    return found


def grow_tokenizer(teacher: Path, texts: Iterable[str], pieces: int) -> Tokenizer:
    """Return the teacher's WordPiece vocabulary, ids unchanged, followed by new pieces learned from texts.

    Scripts without spaces keep their words whole, and accents are kept: a Japanese sound mark is no decoration.

    Args:
        teacher: folder of a BERT model with a tokenizer.json.
        texts: texts in the new languages.
        pieces: how many pieces to learn; those the teacher has already are not added again.

    Raises:
        TrainingError: the teacher's tokenizer is no WordPiece.
    """
    try:
        old = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = dict(old["model"]["vocab"]) if old["model"]["type"] == "WordPiece" else {}
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"cannot read the tokenizer of {teacher}: {error}") from error
    if not vocabulary:
        raise TrainingError(f"the tokenizer of {teacher} is no WordPiece; grow the vocabulary of a BERT model")
    learner = _plain(Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")))
    learner.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=pieces, min_frequency=3, special_tokens=["[UNK]"])
    )
    for piece, _ in sorted(learner.get_vocab().items(), key=lambda item: item[1]):
        vocabulary.setdefault(piece, len(vocabulary))
    grown = _plain(Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=64)))
    grown.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    grown.add_special_tokens([name for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if name in vocabulary])
    return grown


def _plain(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def translation_vectors(
    tokenizer: Tokenizer, vectors: NDArray[np.float32], parallel: Sequence[Parallel]
) -> NDArray[np.float32]:
    """Return vectors (pieces, dimension): the teacher's, then for each new piece the mean of its English translations.

    The weight of an English piece is the probability that it translates the new one, estimated from parallel texts
    (dictionaries are short ones). A new piece that no text has starts as the mean of all.

    Source: Brown et al., 1993, The Mathematics of Statistical Machine Translation, model 1.
    """
    known, size = len(vectors), tokenizer.get_vocab_size()
    english = tokenizer.encode_batch_fast([pair.english for pair in parallel], add_special_tokens=False)
    foreign = tokenizer.encode_batch_fast([pair.text for pair in parallel], add_special_tokens=False)
    sentences = [
        ([piece for piece in left.ids if piece < known], right.ids)
        for left, right in zip(english, foreign, strict=True)
        if len(left.ids) <= MOST_PIECES and len(right.ids) <= MOST_PIECES
    ]
    cells, cell, occurrence = _cooccurrences(sentences, known)
    token, piece = cells // known, cells % known
    share = np.ones(len(cells))
    for _ in range(EM_ROUNDS):
        weight = share[cell]
        weight /= np.bincount(occurrence, weights=weight)[occurrence]
        counted = np.bincount(cell, weights=weight, minlength=len(cells))
        share = counted / np.bincount(token, weights=counted, minlength=size)[token]
    grown = np.tile(vectors.mean(axis=0), (size, 1)).astype(np.float32)
    grown[np.unique(token)] = 0.0
    matrix = csr_matrix((share, (token, piece)), shape=(size, known))
    grown += (matrix @ vectors).astype(np.float32)
    grown[:known] = vectors
    return grown


def _cooccurrences(
    sentences: Sequence[tuple[list[int], list[int]]], known: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct cells (token * known + English piece); of each meeting its cell and English occurrence."""
    meetings, occurrences, count = [], [], 0
    for left, right in sentences:
        pieces, tokens = np.array(left, np.int64), np.array(right, np.int64)
        meetings.append((tokens[None, :] * known + pieces[:, None]).ravel())
        occurrences.append(np.repeat(np.arange(count, count + len(left)), len(right)))
        count += len(left)
    cells, cell = np.unique(np.concatenate(meetings), return_inverse=True)
    return cells, cell, np.concatenate(occurrences)


def grow_model(teacher: Path, parallel: Sequence[Parallel], pieces: int, out: Path) -> int:
    """Write a student to train: the teacher's layers over the grown vocabulary; return the number of pieces.

    Args:
        teacher: folder of a BERT sentence embedder in sentence-transformers' layout.
        parallel: texts to learn the pieces and their first vectors from.
        pieces: as in `grow_tokenizer`.
        out: the folder to write; must be absent or empty.

    Raises:
        TrainingError: the teacher cannot be read, or `out` is taken.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerFast

    refuse_taken(out)
    tokenizer = grow_tokenizer(teacher, [pair.text for pair in parallel], pieces)
    model: Any = SentenceTransformer(str(teacher), device="cpu")
    encoder = model[0].auto_model
    vectors = encoder.get_input_embeddings().weight.detach().numpy()
    grown = translation_vectors(tokenizer, vectors, parallel)
    encoder.resize_token_embeddings(len(grown), mean_resizing=False)
    with torch.no_grad():
        encoder.get_input_embeddings().weight.copy_(torch.from_numpy(grown))
    names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    model.save(str(out))
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **names)
    wrapped.model_max_length = model.max_seq_length
    (out / "vocab.txt").unlink(missing_ok=True)
    wrapped.save_pretrained(str(out))
    return len(grown)
