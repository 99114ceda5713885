"""Query expansion: other words for what a query says, each with its weight and where it comes from.

Nothing is added to a query here: the answer lists what could be, and the caller decides.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rerank.translation.words import fold, function_words, is_protected, split_atoms
from rerank.understanding.synonyms import Synonyms
from rerank.understanding.vocabulary import catalogue_terms

KINDS = ("synonyms", "catalogue")
SYNONYM_WEIGHT = 0.5
CATALOGUE_WEIGHT = 0.1
"""Times the share of products. Five-fold over 99 queries, learned expansions gave BM25 +.003 nDCG@10 at this weight
(p = .78), and -.031 at four times as much (`python -m bench.expansion`): they are off unless somebody asks."""
MAX_EXPANSIONS = 16
MIN_PRODUCTS = 3
"""A word has to stand in so many of a query term's judged products: fewer may be chance."""
MAX_PER_TERM = 4
CRITICAL = 10.83
"""Log-likelihood ratio above which a pair is no chance at p = 0.001 (chi-square, one degree of freedom)."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """One other term: for which words of the query, in which language, from which source, how much it should count."""

    text: str
    of: str
    language: str
    source: str
    weight: float


Associations = Mapping[str, Sequence[tuple[str, float]]]
"""Term -> terms that go with it in judged products, with weights 0..1, the strongest first."""


def expand(
    text: str,
    language: str,
    kinds: Iterable[str],
    synonyms: Callable[[str], Sequence[Synonyms]],
    associations: Callable[[str], Associations],
) -> list[Expansion]:
    """Return the expansions of a query, synonyms first, without those whose words it already has.

    Args:
        text: the query.
        language: what it is in, BCP 47.
        kinds: of `KINDS`.
        synonyms: the files of a language, the first goes first.
        associations: what goes with what in a language's judged products.
    """
    kinds, found = set(kinds), dict[str, Expansion]()
    words = [atom.folded for atom in split_atoms(text)]
    if "synonyms" in kinds:
        for file in synonyms(language):
            for phrase in _phrases(words, file.longest):
                for other in file.of(phrase):
                    found.setdefault(other, Expansion(other, phrase, language, "synonyms", SYNONYM_WEIGHT))
    if "catalogue" in kinds:
        known = associations(language)
        for term in _content(words, language):
            for other, weight in known.get(term, ()):
                found.setdefault(
                    other, Expansion(other, term, language, "catalogue", round(CATALOGUE_WEIGHT * weight, 4))
                )
    have = set(words) | set(catalogue_terms(language, text))
    return [item for item in found.values() if not set(fold(item.text).split()) <= have][:MAX_EXPANSIONS]


def learn_associations(judged: Iterable[tuple[str, Sequence[str]]], language: str) -> Associations:
    """Learn which words the clicked or judged products of a query term have more often than chance.

    A word counts once a product. Weight: the share of the term's products that have it.

    Args:
        judged: queries, each with the texts (titles) of its relevant products; other queries' products are the
            background.
        language: of queries and products, BCP 47.

    Source: Dunning, 1993, "Accurate Methods for the Statistics of Surprise and Coincidence" (log-likelihood ratio).
    """
    products: Counter[str] = Counter()
    with_term: Counter[str] = Counter()
    together: dict[str, Counter[str]] = {}
    total = 0
    for query, texts in judged:
        terms = _content([atom.folded for atom in split_atoms(query)], language)
        for text in texts:
            words = set(catalogue_terms(language, text))
            total += 1
            products.update(words)
            with_term.update(terms)
            for term in terms:
                together.setdefault(term, Counter()).update(words)
    learned: dict[str, Sequence[tuple[str, float]]] = {}
    for term, counts in together.items():
        strong = [
            (word, count / with_term[term])
            for word, count in counts.items()
            if count >= MIN_PRODUCTS
            and word != term
            and not is_protected(word)
            and word not in function_words(language)
            and count * total > with_term[term] * products[word]
            and likelihood_ratio(count, with_term[term], products[word], total) > CRITICAL
        ]
        if strong:
            learned[term] = sorted(strong, key=lambda item: (-item[1], item[0]))[:MAX_PER_TERM]
    return learned


def likelihood_ratio(both: int, first: int, second: int, total: int) -> float:
    """Return -2 log lambda of the 2x2 table of two events: 0.0 when they are independent.

    Source: Dunning, 1993, Computational Linguistics 19(1).
    """
    cells = ((both, first - both), (second - both, total - first - second + both))
    rows, columns = [sum(row) for row in cells], [sum(column) for column in zip(*cells, strict=True)]
    ratio = 0.0
    for row, row_sum in zip(cells, rows, strict=True):
        for cell, column_sum in zip(row, columns, strict=True):
            if cell > 0:
                ratio += cell * math.log(cell * total / (row_sum * column_sum))
    return 2 * ratio


def _content(words: Sequence[str], language: str) -> list[str]:
    kept = [word for word in words if word not in function_words(language) and not is_protected(word)]
    terms = catalogue_terms(language, " ".join(kept))
    return list(dict.fromkeys([*terms, *(f"{left} {right}" for left, right in pairwise(terms))]))


def _phrases(words: Sequence[str], longest: int) -> Iterable[str]:
    for length in range(min(longest, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])
