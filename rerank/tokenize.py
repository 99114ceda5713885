"""Texts and pairs to token ids, by the bundle's tokenizer.json; knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from rerank.errors import BundleError, ModelInputError
from rerank.protocols import Pair

CHARACTERS_PER_TOKEN = 64
"""A text is cut here before tokenization, so that a megabyte of input costs no more than the model can read."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One text or pair, not padded: ids and segment ids of equal length."""

    ids: list[int]
    segments: list[int]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """The bundle's tokenizer, cutting to `max_length` tokens, special ones included.

    Of a pair the longer side is cut first, as in training.
    """

    def __init__(self, path: Path, max_length: int) -> None:
        """Read tokenizer.json.

        Raises:
            BundleError: it is no tokenizer.
        """
        try:
            self._tokenizer = FastTokenizer.from_file(str(path))
        except Exception as error:
            raise BundleError(f"cannot read the tokenizer {path}: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, strategy="longest_first")
        self._characters = max_length * CHARACTERS_PER_TOKEN

    def texts(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenize texts, in order.

        Raises:
            ModelInputError: a text holds a lone surrogate, which is no character.
        """
        return self._encode([text[: self._characters] for text in texts])

    def pairs(self, pairs: Sequence[Pair]) -> list[Tokens]:
        """Tokenize pairs, in order.

        Raises:
            ModelInputError: a text holds a lone surrogate, which is no character.
        """
        limit = self._characters
        return self._encode([(pair.query[:limit], pair.document[:limit]) for pair in pairs])

    def decode(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each sequence of ids, special tokens left out."""
        return [str(text) for text in self._tokenizer.decode_batch([list(ids) for ids in sequences])]

    def _encode(self, inputs: list[str] | list[tuple[str, str]]) -> list[Tokens]:
        try:
            encodings: list[Encoding] = self._tokenizer.encode_batch_fast(inputs)
        except (TypeError, UnicodeError) as error:
            raise ModelInputError("a text holds half of a surrogate pair; send whole characters") from error
        return [Tokens(encoding.ids, encoding.type_ids) for encoding in encodings]
