"""Weak supervision: queries that the catalogue's own words make, as a shopper would put them.

Titles name the kind of product beside brand and model in lower case ("networking cable", "mobile phone"). A phrase of
one to three such words that several titles share is a query; so is the phrase with a brand before it, with a word or a
measure of one of its products, or the first words of a title. Common phrases are drawn more often, by the root of
their count. Nobody judged what answers these queries: a teacher does (`recipe.teacher`).
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from recipe.catalogue import Product

KIND = re.compile(r"[a-z][a-z-]{2,}")
DETAIL = re.compile(r"[A-Za-z][A-Za-z-]{2,}|\d+(?:\.\d+)? ?(?:GB|TB|MHz|GHz|W|mm|cm|m|V|mAh)\b")
TITLE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]+")
NOT_KINDS = frozenset(("and", "for", "the", "with", "from", "not", "yes", "pages", "black", "white", "grey", "silver"))
LONGEST = 3
FEWEST, MOST = 6, 2500
"""In how many titles a phrase must be: fewer are model names, more are colours and units."""


def catalogue_queries(products: Sequence[Product], count: int, rng: random.Random) -> list[str]:
    """Draw `count` queries; fewer come back, since some are drawn twice."""
    phrases = _phrases(products)
    names = sorted(phrases)
    weights = [len(phrases[name]) ** 0.5 for name in names]
    drawn = []
    for phrase in rng.choices(names, weights, k=count):
        product = rng.choice(phrases[phrase])
        (form,) = rng.choices(tuple(FORMS), tuple(FORMS.values()))
        drawn.append(form(phrase, product, rng))
    return [query for query in dict.fromkeys(drawn) if query]


def _phrases(products: Sequence[Product]) -> Mapping[str, list[Product]]:
    """Return phrase -> the products whose titles have it."""
    found: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        words = product.fields["title"].split()
        runs = {tuple(words[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1)}
        for run in sorted(runs):
            if all(map(KIND.fullmatch, run)) and not {run[0], run[-1]} & NOT_KINDS:
                found[" ".join(run)].append(product)
    return {phrase: having for phrase, having in found.items() if FEWEST <= len(having) <= MOST}


def _alone(phrase: str, product: Product, rng: random.Random) -> str:
    return phrase


def _with_brand(phrase: str, product: Product, rng: random.Random) -> str:
    return f"{product.fields['brand']} {phrase}".strip().lower()


def _with_detail(phrase: str, product: Product, rng: random.Random) -> str:
    details = [
        word
        for word in DETAIL.findall(f"{product.fields['title']} {product.fields['text']}")
        if word.lower() not in phrase and word.lower() not in NOT_KINDS
    ]
    return f"{rng.choice(details)} {phrase}".lower() if details else phrase


def _title(phrase: str, product: Product, rng: random.Random) -> str:
    return " ".join(TITLE_WORD.findall(product.fields["title"])[: rng.randint(1, 3)]).lower()


FORMS: Mapping[Callable[[str, Product, random.Random], str], float] = {
    _alone: 0.45,
    _with_brand: 0.2,
    _with_detail: 0.15,
    _title: 0.2,
}
"""How often each kind of query is made."""
