"""Choose, among all ways to cover a text with translated phrases, the one the catalogue would most likely print.

Each span costs something, so that long phrases win over short ones; a translation costs the more the rarer its
words are in the catalogue; neighbours that the catalogue prints side by side are cheaper together.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rerank.translation.lattice import Option, Span
from rerank.understanding.vocabulary import Vocabulary, catalogue_terms

BEAM = 8


@dataclass(frozen=True, slots=True)
class Prices:
    """What a choice costs, in natural logarithms of a probability; tuned on translated training queries."""

    span: float = 2.0
    inside: float = 1.5
    """Added for each part of a compound word."""
    weight: float = 1.0
    """Times -log of the source's own weight."""
    language: float = 0.5
    """Times -log of the probability that the catalogue prints a word after (or before) its neighbour."""
    word: float = 2.0
    """Taken off for each word of a translation: without it the shortest would win."""
    smoothing: float = 20.0
    """Documents' worth of belief in a word's plain share, against its share beside its neighbour."""
    drop: float = 0.5
    """Leaving out an article or a preposition."""
    keep_known: float = 3.0
    """Leaving a word as it is when the catalogue uses it."""
    keep_unknown: float = 9.0
    known_share: float = 0.0005
    """A word is the catalogue's own when at least this share of its documents hold it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chosen span and its chosen option."""

    span: Span
    option: Option


class Pricing:
    """Prices words in one target language by one catalogue's statistics, or alike without any."""

    def __init__(self, prices: Prices, vocabulary: Vocabulary | None, target: str) -> None:
        self.prices = prices
        self._target = target
        self._vocabulary = vocabulary
        self._documents = vocabulary.size(target) if vocabulary is not None else 0
        self.words = lru_cache(maxsize=20_000)(self._words)
        self.option = lru_cache(maxsize=50_000)(self._option)

    def keep(self, word: str) -> float:
        """Price leaving a word untranslated."""
        if not self._documents or self._vocabulary is None:
            return self.prices.keep_unknown
        frequency = min((self._vocabulary.frequency(self._target, term) for term in self.words(word)), default=0)
        known = frequency >= max(2.0, self.prices.known_share * self._documents)
        return self.prices.keep_known if known else self.prices.keep_unknown

    def _words(self, text: str) -> tuple[str, ...]:
        return tuple(catalogue_terms(self._target, text))

    def _option(self, option: Option) -> float:
        """Price a translation by itself: its source, its weight, its words after the first."""
        cost = option.cost - self.prices.weight * math.log(min(option.weight, 2.0))
        words = self.words(option.text)
        return cost + sum(self.follow(left, right) for left, right in pairwise(words))

    def follow(self, left: str, right: str) -> float:
        """Price a word beside its neighbour, in either order; `left` is empty at the start."""
        if not self._documents or self._vocabulary is None:
            return 0.0
        vocabulary, target, smoothing = self._vocabulary, self._target, self.prices.smoothing
        share = (vocabulary.frequency(target, right) + 0.1) / (self._documents + 1.0)
        if left:
            together = max(
                vocabulary.frequency(target, f"{left} {right}"), vocabulary.frequency(target, f"{right} {left}")
            )
            share = (together + smoothing * share) / (vocabulary.frequency(target, left) + smoothing)
        return -self.prices.language * math.log(share) - self.prices.word


@dataclass(frozen=True, slots=True)
class _Path:
    cost: float
    last: str
    pieces: tuple[Piece, ...]


def decode(spans: Sequence[Span], pricing: Pricing) -> list[Piece]:
    """Return the cheapest chain of spans from the first to the last, as `build_lattice` gives them.

    Source: the beam search of Koehn, 2004, "Pharaoh: a beam search decoder for phrase-based statistical machine
    translation models".
    """
    leaving = defaultdict(list)
    for span in spans:
        leaving[span.start].append(span)
    starts = sorted(leaving)
    paths: dict[int, list[_Path]] = {start: [_Path(0.0, "", ())] for start in starts[:1]}
    final: list[_Path] = []
    for position in starts:
        best = _beam(paths.pop(position, []))
        for span in leaving[position] if best else ():
            reached = [_extend(path, span, option, pricing) for path in best for option in span.options]
            onward = bisect_left(starts, span.end)
            (paths.setdefault(starts[onward], []) if onward < len(starts) else final).extend(reached)
    return list(min(final, key=lambda path: path.cost).pieces) if final else []


def _extend(path: _Path, span: Span, option: Option, pricing: Pricing) -> _Path:
    cost = path.cost + pricing.prices.span + pricing.option(option) + (pricing.prices.inside if span.inside else 0.0)
    words = pricing.words(option.text)
    if words:
        cost += pricing.follow(path.last, words[0])
    return _Path(cost, words[-1] if words else path.last, (*path.pieces, Piece(span, option)))


def _beam(paths: Sequence[_Path]) -> list[_Path]:
    """Keep the cheapest path for each last word, and of those the cheapest few."""
    best: dict[str, _Path] = {}
    for path in sorted(paths, key=lambda path: path.cost):
        best.setdefault(path.last, path)
    return list(best.values())[:BEAM]
