"""Weak supervision: the catalogue's own product phrases as queries.

Titles name the kind of product beside brand and model in lower case ("networking cable", "mobile phone"): two
neighbouring words that are in many titles and not in the models' names. Products that the phrase names answer it; where
another such word follows ("mobile phone case") it is an accessory; products that share one of its words and not the
other are near misses; a product chosen at random is neither.
"""

import random
import re
from collections import defaultdict
from collections.abc import Sequence

from recipe.catalogue import Product
from rerank.train_data import TrainingPair

WORD = re.compile(r"[a-z]{3,}")
FEWEST, MOST = 12, 800
"""In how many titles a phrase must be: fewer are model names, more are colours and units."""

NOT_KINDS = frozenset(("and", "for", "the", "with", "pages"))


def catalogue_pairs(products: Sequence[Product], count: int, rng: random.Random) -> list[TrainingPair]:
    """Make about eight pairs for each of `count` phrases, every third with a brand before it."""
    phrases, described = _phrases(products)
    by_word: dict[str, list[int]] = defaultdict(list)
    for index, product in enumerate(products):
        for word in sorted(set(WORD.findall(product.fields["title"].lower()))):
            by_word[word].append(index)
    pairs: list[TrainingPair] = []
    for number, phrase in enumerate(rng.sample(sorted(phrases), min(count, len(phrases)))):
        members = phrases[phrase]
        inside = {*members, *described[phrase]}
        near = [index for word in phrase.split() for index in by_word[word] if index not in inside]
        near = [index for index in near if not _has_words(products[index], phrase)]
        query, right = phrase, members
        if number % 3 == 2:
            brand = products[rng.choice(members)].fields["brand"]
            query, right = f"{brand} {phrase}".lower(), [i for i in members if products[i].fields["brand"] == brand]
            others = [index for index in members if products[index].fields["brand"] != brand]
            pairs += [TrainingPair(query, products[i].fields, 1) for i in rng.sample(others, min(2, len(others)))]
        pairs += [TrainingPair(query, products[i].fields, 3) for i in rng.sample(right, min(3, len(right)))]
        around = described[phrase]
        pairs += [TrainingPair(query, products[i].fields, 1) for i in rng.sample(around, min(2, len(around)))]
        pairs += [TrainingPair(query, products[i].fields, 0) for i in rng.sample(near, min(2, len(near)))]
        pairs.append(TrainingPair(query, rng.choice(products).fields, 0))
    return pairs


def _phrases(products: Sequence[Product]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return phrase -> products it names, and phrase -> products where it only describes another kind."""
    named: dict[str, list[int]] = defaultdict(list)
    described: dict[str, list[int]] = defaultdict(list)
    for index, product in enumerate(products):
        words = product.fields["title"].split()
        model = set(product.name.split())
        for first, second, after in zip(words, words[1:], [*words[2:], ""], strict=False):
            if _kind(first, model) and _kind(second, model):
                (described if WORD.fullmatch(after) else named)[f"{first} {second}"].append(index)
    return {phrase: members for phrase, members in named.items() if FEWEST <= len(members) <= MOST}, described


def _kind(word: str, model: set[str]) -> bool:
    return WORD.fullmatch(word) is not None and word not in model and word not in NOT_KINDS


def _has_words(product: Product, phrase: str) -> bool:
    text = " ".join(product.fields.values()).lower()
    return all(word in text for word in phrase.split())
