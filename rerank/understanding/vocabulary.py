"""What words a catalogue uses, and how often: the statistics by which translations are chosen.

A word is counted once a document, and so is each pair of neighbouring words. English words are counted without
their plural ending, so that "headphone" and "headphones" are one term. Languages written without spaces are not
counted: their words cannot be told apart cheaply, and no translator here chooses among words of such a language.
"""

import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rerank.errors import ResourceError
from rerank.packed import Packed, pack
from rerank.understanding.field_values import ValueCounter
from rerank.understanding.term_counts import WORD, TermCounts, joined_lines

UNSPACED_LANGUAGES = frozenset({"ja", "zh", "ko", "th", "lo", "km", "my"})
"""Not counted: a word boundary is not a space there (Korean: particles are glued to the word)."""

MAX_TERMS = 1_000_000
"""Terms of one language that are held while counting. Up to there counts are exact."""

MAX_WAITING = 1000
MAX_WAITING_CHARS = 1_000_000
"""Texts wait to be counted together, up to so many of a language and so many characters of all."""

_WORD = re.compile(WORD)
_HEADER = "# polyrank vocabulary 1, documents: "


def split_words(text: str) -> list[str]:
    """Split into lower-case words: runs of letters and digits, with an inner apostrophe; hyphens separate."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower())


@lru_cache(50_000)
def singular(word: str) -> str:
    """Strip an English plural ending.

    Source: Harman, 1991, "How effective is suffixing?", the S stemmer.
    """
    if len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word if word.endswith(("us", "ss")) else word[:-1]


def catalogue_terms(language: str, text: str) -> list[str]:
    """Return the words of a text in the form in which the vocabulary counts them."""
    words = split_words(text)
    return list(map(singular, words)) if language == "en" else words


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Catalogue statistics: in how many documents each word and each pair of neighbouring words stands."""

    documents: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]

    def languages(self) -> frozenset[str]:
        """Return the languages that were counted."""
        return frozenset(self.documents)

    def size(self, language: str) -> int:
        """Return the number of documents counted in a language."""
        return self.documents.get(language, 0)

    def frequency(self, language: str, term: str) -> int:
        """Return the number of documents that hold `term`: one or two words as `catalogue_terms` gives them."""
        return self.counts.get(language, {}).get(term, 0)

    def rows(self) -> Iterator[str]:
        """Give the rows of its file: a comment with the document counts, then language, term, document frequency."""
        yield _comment(self.documents)
        for language in sorted(self.counts):
            yield from _rows(language, sorted(self.counts[language].items()))


class VocabularyCounter:
    """Counts the words of a catalogue; feed it texts in their source language, never machine translations.

    Memory is bounded: when a language has more than `max_terms`, its rarest terms are forgotten until half are left. A
    term that comes again starts anew, so its count may be too low by the sum of the counts that were forgotten.

    Source: Manku, Motwani, 2002, "Approximate frequency counts over data streams", VLDB (lossy counting; here the
    buckets end when the memory is full).
    """

    def __init__(self, max_terms: int = MAX_TERMS) -> None:
        self._max_terms = max_terms
        self._documents: Counter[str] = Counter()
        self._counts: dict[str, TermCounts] = {}
        self._texts: dict[str, list[str]] = {}
        self._chars = 0
        self.values = ValueCounter()
        """The values of the documents' fields, told to it by itself."""

    def add(self, language: str, text: str) -> None:
        """Count one document: its fields in one language, joined by line breaks (no pair spans two lines)."""
        if language in UNSPACED_LANGUAGES or language == "und" or not text:
            return
        self._documents[language] += 1
        texts = self._texts.setdefault(language, [])
        texts.append(joined_lines(text))
        self._chars += len(text)
        if len(texts) >= MAX_WAITING or self._chars > MAX_WAITING_CHARS:
            self._count()

    def _count(self) -> None:
        """Count what waits: a thousand documents at a time take half the time of one by one."""
        for language, texts in self._texts.items():
            if language not in self._counts:
                self._counts[language] = TermCounts(singular if language == "en" else str, self._max_terms)
            self._counts[language].add(texts)
        self._texts, self._chars = {}, 0

    def vocabulary(self, *, minimum: int = 1) -> Vocabulary:
        """Return what was counted, without the terms of fewer than `minimum` documents."""
        self._count()
        counts = {language: dict(counts.terms()) for language, counts in self._counts.items()}
        if minimum > 1:
            counts = {
                language: {term: count for term, count in found.items() if count >= minimum}
                for language, found in counts.items()
            }
        return Vocabulary(dict(self._documents), counts)

    def rows(self) -> Iterator[str]:
        """Give the rows of the vocabulary's file, without making the vocabulary: that takes half as long again."""
        self._count()
        yield _comment(self._documents)
        for language in sorted(self._counts):
            yield from _rows(language, self._counts[language].terms())


def _comment(documents: Mapping[str, int]) -> str:
    return _HEADER + " ".join(f"{language}={count}" for language, count in sorted(documents.items()))


def _rows(language: str, counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    return (f"{language}\t{term}\t{count}" for term, count in counts)


def pack_vocabulary(folder: Path, alias: str, rows: Iterable[str]) -> Packed:
    """Make `vocabulary/<alias>.tsv.gz` below the resources folder, still to be written, of a vocabulary's rows."""
    return pack(folder / "vocabulary" / f"{alias}.tsv.gz", rows)


def write_vocabulary(folder: Path, alias: str, vocabulary: Vocabulary) -> Path:
    """Write `vocabulary/<alias>.tsv.gz` below the resources folder, atomically; return its path."""
    return pack_vocabulary(folder, alias, vocabulary.rows()).write()


def read_vocabulary(path: Path) -> Vocabulary:
    """Read what `write_vocabulary` wrote.

    Raises ResourceError when the file is not such a vocabulary.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return _parse(lines)
    except (OSError, EOFError, ValueError) as error:
        raise ResourceError(f"{path} is not a vocabulary ({error}); ingest the catalogue again to write it") from error


def _parse(lines: Iterable[str]) -> Vocabulary:
    rows = iter(lines)
    header = next(rows, "")
    if not header.startswith(_HEADER):
        raise ValueError("its first row is not the polyrank header")
    documents = {}
    for item in header.removeprefix(_HEADER).split():
        language, _, count = item.partition("=")
        documents[language] = int(count)
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        language, term, count = row.rstrip("\n").split("\t")
        counts.setdefault(language, {})[term] = int(count)
    return Vocabulary(documents, counts)
