"""Whether two records are one product, and how sure that is."""

from ingest.fusion.config import FusionConfig
from ingest.fusion.traits import VARIANTS, Traits, compatible_numbers, exact_keys

GTIN, MPN, NEAR, VECTOR = "gtin", "mpn", "near", "vector"
CERTAIN = {GTIN: 3.0, MPN: 2.0}
"""Scores of exact keys; similarities stay below 1."""


def match(one: Traits, other: Traits, config: FusionConfig) -> tuple[str, float] | None:
    """Return by what two records of different sources match and how well (3 GTIN, 2 part number, else a similarity
    0..1), or None when they are two products.

    Known GTINs that differ, brands, colours or sizes that differ, and numbers, measures or variant words of the titles
    that differ each make two products, however alike the titles are.
    """
    if one.source == other.source:
        return None
    shared = set(exact_keys(one)) & set(exact_keys(other))
    if shared:
        evidence = min(key.split(" ", 1)[0] for key in shared)  # "gtin" before "mpn"
        conflict = evidence == MPN and contradict(one.gtins, other.gtins)
        return None if conflict else (evidence, CERTAIN[evidence])
    if contradict(one.gtins, other.gtins) or not _may_be_one(one, other):
        return None
    if one.language == other.language:
        return _by_words(one, other, config)
    if one.vector is None or other.vector is None or not one.brand or not config.vectors:
        return None
    cosine = float(one.vector @ other.vector)
    return (VECTOR, min(cosine, 0.999)) if cosine >= config.cosine else None


def contradict(one: frozenset[str], other: frozenset[str]) -> bool:
    """Say whether both have codes and none in common."""
    return bool(one) and bool(other) and not one & other


def _may_be_one(one: Traits, other: Traits) -> bool:
    told = dict(one.facts)
    return (
        one.brand == other.brand
        and all(told.get(name, value) == value for name, value in other.facts)
        and (not one.mpn or not other.mpn or one.mpn == other.mpn)
        and compatible_numbers(one.codes, other.codes)
        and compatible_numbers(one.measures, other.measures)
    )


def _by_words(one: Traits, other: Traits, config: FusionConfig) -> tuple[str, float] | None:
    if not config.near_duplicates or (one.words ^ other.words) & VARIANTS:
        return None
    union = len(one.words | other.words)
    jaccard = len(one.words & other.words) / union if union else 0.0
    # A model number that both name is worth what a third of the words are.
    needed = config.jaccard * (2 / 3 if one.codes & other.codes and one.brand else 1.0)
    return (NEAR, min(jaccard, 0.999)) if jaccard >= needed else None
