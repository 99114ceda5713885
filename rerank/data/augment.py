"""More training pairs from the same judgements: each query again as others might have put it."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rerank.data.journal import Remember, forget
from rerank.data.judged import Built
from rerank.protocols import Translator
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from rerank.translation.words import fold, is_protected
from rerank.understanding.synonyms import Synonyms

CHUNK = 64
"""Queries translated between two reports of progress."""

SHORTEST_NOISED = 4
"""Shorter words are another word after one changed letter."""

_NEIGHBOURS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

Variants = Mapping[str, Sequence[str]]
"""Query -> other forms of it."""


@dataclass(frozen=True, slots=True)
class NoiseOptions:
    """`copies` of each query with each kind of change; `dropout` and `typos` are the chance of a word, 0..1."""

    copies: int = 1
    dropout: float = 0.0
    typos: float = 0.0


def augment(pairs: Sequence[TrainingPair], variants: Mapping[str, Variants]) -> Built:
    """Return the pairs, then for each kind of change every pair of a query again under the query's variants.

    A variant that is a query already, up to case, is left out: its own judgements count. A copied pair keeps grade
    and fields, and loses its teacher's score, which was given to another text.

    Args:
        pairs: as built.
        variants: kind of change -> query -> variants.
    """
    known = {fold(pair.query) for pair in pairs}
    added: list[TrainingPair] = []
    counts: Counter[str] = Counter()
    for kind, forms in variants.items():
        fresh: dict[str, list[str]] = {}
        for query, texts in forms.items():
            fresh[query] = [text for text in dict.fromkeys(texts) if text.strip() and fold(text) not in known]
            known.update(map(fold, fresh[query]))
            counts[kind] += len(fresh[query])
        for pair in pairs:
            added += [replace(pair, query=text, teacher=None) for text in fresh.get(pair.query, ())]
    return Built([*pairs, *added], {}, {"new queries": dict(counts), "added": len(added)})


def noise_variants(queries: Sequence[str], options: NoiseOptions, seed: int) -> dict[str, Variants]:
    """Return `word dropout` and `character noise` variants; a query's depend on its text and the seed alone.

    One word at least stays. Numbers, measures and model numbers are never misspelt: they would mean another product.

    Raises:
        TrainingError: a chance is not from 0 to 1.
    """
    if not (0.0 <= options.dropout <= 1.0 and 0.0 <= options.typos <= 1.0):
        raise TrainingError(f"chances are from 0 to 1, not {options.dropout} and {options.typos}")
    changes = {"word dropout": (options.dropout, _drop), "character noise": (options.typos, _misspell)}
    return {
        kind: {
            query: [
                change(query.split(), chance, random.Random(f"{seed} {kind} {number} {query}"))
                for number in range(options.copies)
            ]
            for query in queries
        }
        for kind, (chance, change) in changes.items()
        if chance
    }


def _drop(words: list[str], chance: float, rng: random.Random) -> str:
    kept = [word for word in words if rng.random() >= chance]
    return " ".join(kept or [rng.choice(words)])


def _misspell(words: list[str], chance: float, rng: random.Random) -> str:
    return " ".join(
        _typo(word, rng)
        if rng.random() < chance and len(word) >= SHORTEST_NOISED and not is_protected(word.casefold())
        else word
        for word in words
    )


def _typo(word: str, rng: random.Random) -> str:
    """Swap two letters, drop one, double one, or hit the key beside; the first letter stays, as typists keep it."""
    place = rng.randrange(1, len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    row = next((row for row in _NEIGHBOURS if letter in row), None)
    beside = letter if row is None else row[max(row.index(letter) - 1, 0)]
    return rng.choice(
        (before + after[0] + letter + after[1:], before + after, before + 2 * letter + after, before + beside + after)
    )


def synonym_variants(queries: Sequence[str], synonyms: Synonyms, copies: int, seed: int) -> Variants:
    """Return up to `copies` variants of each query, in each of which one term gives place to a synonym."""
    found: dict[str, list[str]] = {}
    for query in queries:
        words = query.split()
        choices = [
            " ".join([*words[:start], other, *words[end:]])
            for start in range(len(words))
            for end in range(start + 1, min(start + synonyms.longest, len(words)) + 1)
            for other in synonyms.of(fold(" ".join(words[start:end])))
        ]
        found[query] = random.Random(f"{seed} {query}").sample(choices, min(copies, len(choices)))
    return found


def back_translations(
    queries: Sequence[str],
    translator: Translator,
    source: str,
    through: Sequence[str],
    *,
    advance: Callable[[int], None] = lambda done: None,
    remember: Remember = forget,
) -> Variants:
    """Return each query translated into other languages and back; what an engine keeps untranslated gives none.

    Source: Sennrich, Haddow, Birch, 2016, arXiv:1511.06709 (back-translation as data).

    Args:
        queries: texts in `source`.
        translator: must know both directions of each pair.
        source: BCP 47.
        through: pivot languages, BCP 47.
        advance: called with the number of queries done since the last call, for each pivot.
        remember: keeps the translations of each `CHUNK` of queries; see `Journal`.

    Raises:
        TrainingError: the translator lacks a direction.
        TranslationError: an engine does not answer.
    """
    known = translator.pairs()
    for pivot in through:
        if lacking := {(source, pivot), (pivot, source)} - known:
            named = ", ".join(f"{a} to {b}" for a, b in sorted(lacking))
            raise TrainingError(f"the translator {translator.name} does not translate {named}; choose other languages")
    found: dict[str, list[str]] = {query: [] for query in queries}
    for pivot in through:
        for start in range(0, len(queries), CHUNK):
            chunk = queries[start : start + CHUNK]
            texts = remember(f"{pivot} {start}", partial(_there_and_back, translator, chunk, source, pivot))
            for query, text in zip(chunk, texts, strict=True):
                found[query] += [] if text is None else [text]
            advance(len(chunk))
    return found


def _there_and_back(translator: Translator, queries: Sequence[str], source: str, pivot: str) -> list[str | None]:
    """Return each query as it comes back, None where an engine kept it as it was."""
    there = translator.translate(list(queries), source, pivot)
    back = translator.translate([item.text for item in there], pivot, source)
    both = zip(there, back, strict=True)
    return [second.text if min(first.confidence, second.confidence) > 0.0 else None for first, second in both]
