"""Weak supervision: phrases that many titles share as queries, graded by where a product has them.

A kind of product stands in titles of several brands, a model's name in those of one: no list of words and no rule of
spelling is needed, in any language that puts spaces between words.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rerank.data.documents import Documents
from rerank.data.judged import Built, random_pairs
from rerank.training.pairs import TrainingPair
from rerank.training.recipe import TrainingError
from rerank.translation.words import FUNCTION_WORDS, function_words, is_protected
from rerank.understanding.vocabulary import singular, split_words

NO_EDGE: frozenset[str] = frozenset().union(*map(function_words, FUNCTION_WORDS))
"""Words that no phrase begins or ends with: articles and prepositions of all languages that have them here."""


@dataclass(frozen=True, slots=True)
class PhraseOptions:
    """Which phrases are queries: of at most `longest` words, in the titles of `fewest` products or more and of at most
    the share `most` of all, under `brands` brands or more (where products have a `brand`)."""

    longest: int = 3
    fewest: int = 5
    most: float = 0.1
    brands: int = 2


def title_phrases(documents: Documents, options: PhraseOptions | None = None) -> dict[str, list[str]]:
    """Return the phrases of the titles that name kinds of products, sorted."""
    options = options or PhraseOptions()
    having: dict[str, list[str]] = defaultdict(list)
    for doc_id, fields in documents.items():
        words = split_words(fields.get("title", ""))
        runs = {
            " ".join(words[start : start + length])
            for length in range(1, options.longest + 1)
            for start in range(len(words) - length + 1)
            if all(word.isalpha() and len(word) > 1 for word in words[start : start + length])
        }
        for run in runs:
            having[run].append(doc_id)
    return {phrase: ids for phrase, ids in sorted(having.items()) if _is_kind(phrase, ids, documents, options)}


def _is_kind(phrase: str, ids: Sequence[str], documents: Documents, options: PhraseOptions) -> bool:
    words = phrase.split()
    if any(word in NO_EDGE or is_protected(word) for word in (words[0], words[-1])):
        return False
    if not options.fewest <= len(ids) <= max(options.most * len(documents), options.fewest):
        return False
    brands = {brand for doc_id in ids if (brand := documents[doc_id].get("brand"))}
    return not brands or len(brands) >= options.brands


def catalogue_pairs(
    documents: Documents, count: int, *, each: int = 3, seed: int = 1, options: PhraseOptions | None = None
) -> Built:
    """Make pairs for `count` phrases, common ones more often (by the root of their count), every third with a brand.

    Grade 2 has the phrase (and the brand) in its title, 1 has it in another field or under another brand, 0 has some
    of its words and not all, or none. `each` documents of each kind, as far as there are. Nobody judged them: train on
    them first, then on judgements.

    Raises:
        TrainingError: no phrase is in enough titles.
    """
    phrases = title_phrases(documents, options)
    if not phrases:
        raise TrainingError("no phrase is in the titles of enough products; the catalogue is too small for this")
    rng = random.Random(seed)
    by_word: dict[str, dict[str, None]] = defaultdict(dict)
    for doc_id, fields in documents.items():
        for word in dict.fromkeys(split_words(" ".join(fields.values()))):
            by_word[singular(word)][doc_id] = None
    names = list(phrases)
    drawn = rng.choices(names, [len(phrases[name]) ** 0.5 for name in names], k=count)
    pairs: list[TrainingPair] = []
    for number, phrase in enumerate(dict.fromkeys(drawn)):
        graded = _graded(phrase, phrases[phrase], by_word)
        query = phrase
        if number % 3 == 2 and (brand := documents[rng.choice(graded[2])].get("brand", "")):
            query = f"{brand} {phrase}".lower()
            graded[1] = [doc_id for doc_id in graded[2] if documents[doc_id].get("brand") != brand]
            graded[2] = [doc_id for doc_id in graded[2] if documents[doc_id].get("brand") == brand]
        for grade, ids in graded.items():
            pairs += [TrainingPair(query, documents[doc_id], grade) for doc_id in rng.sample(ids, min(each, len(ids)))]
        pairs += random_pairs(query, documents, 1, seed)
    return Built(pairs, {}, {"phrases known": len(phrases)})


def _graded(phrase: str, named: Sequence[str], by_word: Mapping[str, Mapping[str, None]]) -> dict[int, list[str]]:
    """Return grade -> documents: the phrase in the title, all of its words anywhere, some of them."""
    having = [by_word.get(singular(word), {}) for word in phrase.split()]
    inside = set(named)
    near = [doc_id for doc_id in dict.fromkeys(doc_id for found in having for doc_id in found) if doc_id not in inside]
    whole = {doc_id for doc_id in near if all(doc_id in found for found in having)}
    return {
        2: list(named),
        1: [doc_id for doc_id in near if doc_id in whole],
        0: [doc_id for doc_id in near if doc_id not in whole],
    }
