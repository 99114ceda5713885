"""In how many documents each word of a language stands, and each pair of neighbouring words: counted as numbers, many
documents at a time. A counter of Python's takes three times as long, and a term there twelve times the memory."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import filterfalse
from operator import add

import numpy as np
from numpy.typing import NDArray

LINE, DOCUMENT = "\n", "\x1e"
"""What ends a line, and a document; a text has neither within a line (`str.splitlines`)."""

BREAKS = 2
"""The numbers 0 and 1 are those two; words begin after them."""

WORD = r"[^\W_]+(?:'[^\W_]+)?"
_WORD_OR_BREAK = re.compile(rf"{WORD}|[{LINE}{DOCUMENT}]")
_PLAIN = str.maketrans({
    **{chr(code): chr(code).lower() if chr(code).isalnum() else " " for code in range(128)},
    LINE: "\x01",
    DOCUMENT: "\x02",
})  # fmt: skip
"""ASCII as words between spaces; the breaks as marks that are no white space."""

_BITS = 26
MOST_WORDS = 1 << _BITS
_SHIFT, _DOCUMENT_SHIFT = np.uint64(_BITS), np.uint64(64 - 2 * _BITS)
_LOW = np.uint64(MOST_WORDS - 1)
MOST_DOCUMENTS = 1 << 64 - 2 * _BITS
"""A term is the numbers of two words in 52 bits, the second 0 for a word alone; behind it is room for a document's."""

MERGED = 1 << 16
"""New terms that wait to be sorted in among the others, at least."""

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]


class TermCounts:
    """Counts the terms of one language. When more than `max_terms` are held, the rarest are forgotten: all of a count
    together, until at most half are left."""

    def __init__(self, form: Callable[[str], str], max_terms: int) -> None:
        """`form` makes a lower-case word the one that is counted."""
        if not 0 < max_terms < MOST_WORDS // 2:
            raise ValueError(f"max_terms is {max_terms}; it must be from 1 to {MOST_WORDS // 2 - 1}")
        self._numbers = _Numbers(form)
        self._max_terms = max_terms
        self._keys: Keys = np.empty(0, np.uint64)
        self._counts: Counts = np.empty(0, np.int64)
        self._new: list[tuple[Keys, Counts]] = []
        self._waiting = 0

    def add(self, texts: Sequence[str]) -> None:
        """Count documents, up to `MOST_DOCUMENTS`: a text each, whose lines `LINE` parts. No pair spans two lines."""
        plain = [text for text in texts if _is_plain(text)]
        others = [text.split(LINE) for text in texts if not _is_plain(text)]
        # A document's lines are taken apart in two, so those with both kinds come first in both.
        tokens = _plain_tokens([*(LINE.join(filter(_is_plain, lines)) for lines in others), *plain])
        odd_tokens = _tokens([LINE.join(filterfalse(_is_plain, lines)) for lines in others])
        keys, counts = _count(np.concatenate([_terms(self._numbers.all(some)) for some in (tokens, odd_tokens)]))
        if len(self._keys):
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = self._keys[places] == keys
            self._counts[places[known]] += counts[known]
            keys, counts = keys[~known], counts[~known]
        self._new.append((keys, counts))
        self._waiting += len(keys)
        # What waits may hold a term twice, so there are at most so many.
        if self._waiting > max(MERGED, len(self._keys) // 4) or len(self._keys) + self._waiting > self._max_terms:
            self._merge()

    def terms(self) -> Iterator[tuple[str, int]]:
        """Give each term, a word or two with a space between them, with its count, in the order of the terms."""
        self._merge()
        words = self._numbers.words
        order = sorted(range(len(words)), key=words.__getitem__)
        ranks = np.zeros(len(words) + BREAKS, np.uint64)
        ranks[np.array(order, np.int64) + BREAKS] = np.arange(1, len(words) + 1)
        # A space comes before all that words are made of, so pairs are in the order of their words.
        keys = ranks[self._keys >> _SHIFT] << _SHIFT | ranks[self._keys & _LOW]
        places = np.argsort(keys)
        keys = keys[places]
        first = ["", *(words[place] for place in order)]
        second = ["", *(f" {word}" for word in first[1:])]
        firsts = map(first.__getitem__, (keys >> _SHIFT).tolist())
        seconds = map(second.__getitem__, (keys & _LOW).tolist())
        return zip(map(add, firsts, seconds), self._counts[places].tolist(), strict=True)

    def _merge(self) -> None:
        if self._waiting:
            keys = np.concatenate([self._keys, *(keys for keys, _ in self._new)])
            counts = np.concatenate([self._counts, *(counts for _, counts in self._new)])
            order = np.argsort(keys, kind="stable")
            keys, counts = keys[order], counts[order]
            begins = np.flatnonzero(_first_of_each(keys))
            self._keys, self._counts = keys[begins], np.add.reduceat(counts, begins)
        self._new, self._waiting = [], 0
        if len(self._keys) > self._max_terms:
            self._forget()

    def _forget(self) -> None:
        """Let the rarest terms go, and the words that no term holds any more."""
        sizes = np.bincount(np.minimum(self._counts, len(self._keys)))
        least = int(np.flatnonzero(np.cumsum(sizes) >= len(self._keys) - self._max_terms // 2)[0])
        kept = self._counts > least
        self._keys, self._counts = self._keys[kept], self._counts[kept]
        firsts, seconds = self._keys >> _SHIFT, self._keys & _LOW
        used = np.unique(np.concatenate([firsts, seconds[seconds > 0]]))
        self._numbers = self._numbers.of(used.tolist())
        # The order of the words stays, so that of the keys does.
        firsts = np.searchsorted(used, firsts).astype(np.uint64) + np.uint64(BREAKS)
        renumbered = np.searchsorted(used, seconds).astype(np.uint64) + np.uint64(BREAKS)
        self._keys = firsts << _SHIFT | np.where(seconds > 0, renumbered, np.uint64(0))


class _Numbers(dict[str, int]):
    """The number of each word, by the spellings that were met; `words` in the order of their numbers."""

    def __init__(self, form: Callable[[str], str]) -> None:
        super().__init__({LINE: 0, "\x01": 0, DOCUMENT: 1, "\x02": 1})
        self._form = form
        self._of_form: dict[str, int] = {}
        self.words: list[str] = []

    def __missing__(self, spelling: str) -> int:
        word = self._form(spelling)
        number = self._of_form.get(word)
        if number is None:
            number = self._of_form[word] = len(self.words) + BREAKS
            self.words.append(word)
        self[spelling] = number
        return number

    def all(self, tokens: Sequence[str]) -> Keys:
        """Return the numbers of words and breaks."""
        return np.fromiter(map(self.__getitem__, tokens), np.uint64, len(tokens))

    def of(self, numbers: Sequence[int]) -> "_Numbers":
        """Return the numbers of some words alone, counted anew in the same order."""
        fewer = _Numbers(self._form)
        fewer.words = [self.words[number - BREAKS] for number in numbers]
        fewer._of_form = {word: number for number, word in enumerate(fewer.words, BREAKS)}
        return fewer


def _is_plain(text: str) -> bool:
    return text.isascii() and "'" not in text


def _plain_tokens(texts: Sequence[str]) -> list[str]:
    """Return the words and breaks of ASCII texts without apostrophes, in a third of the time."""
    spaced = DOCUMENT.join([*texts, ""]).translate(_PLAIN)
    return spaced.replace("\x01", " \x01 ").replace("\x02", " \x02 ").split()


def _tokens(texts: Sequence[str]) -> list[str]:
    # One by one: most are of this form, which is quickly seen, and a single "™" would have all of them made anew.
    whole = DOCUMENT.join([*[unicodedata.normalize("NFKC", text) for text in texts], ""])
    return _WORD_OR_BREAK.findall(whole.replace("\u2019", "'").lower())


def _terms(numbers: Keys) -> Keys:
    """Return each word and each pair, with its document behind it."""
    documents = np.cumsum(numbers == 1).astype(np.uint64)
    words = numbers >= BREAKS
    pairs = words[:-1] & words[1:]
    first = numbers << (_SHIFT + _DOCUMENT_SHIFT) | documents
    return np.concatenate([first[words], (first[:-1] | numbers[1:] << _DOCUMENT_SHIFT)[pairs]])


def _count(terms_of_documents: Keys) -> tuple[Keys, Counts]:
    """Return the distinct terms in order, and in how many documents each stands. Sorts what it is given."""
    terms_of_documents.sort()
    terms = terms_of_documents[_first_of_each(terms_of_documents)] >> _DOCUMENT_SHIFT
    begins = np.flatnonzero(_first_of_each(terms))
    return terms[begins], np.diff(begins, append=len(terms))


def _first_of_each(ordered: Keys) -> NDArray[np.bool_]:
    """Mark the first of each run of equal keys."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def joined_lines(text: str) -> str:
    """Return a text as `TermCounts.add` takes it."""
    return LINE.join(text.splitlines())
