"""What tells two records of one product from two products: codes, brand, words, numbers, measures, vector."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from ingest.attributes import attribute_name
from ingest.clean import brand_key
from ingest.document import Document
from rerank.translation.words import fold
from rerank.understanding.measures import parse_measures, without_measures
from rerank.understanding.vocabulary import UNSPACED_LANGUAGES, split_words

PERMUTATIONS = 63
BANDS = 21
"""Three rows a band: of pairs with Jaccard .6 one of 21 bands agrees in 1-(1-.6^3)^21 = .994, with .2 in .16."""

MODEL_CHARS = 4
"""A code of so many characters is a model number, by which titles of one brand are compared whatever else they say."""

PLANES = 96
PLANE_BANDS = 12
"""Eight planes a band; vectors of cosine .8 share one of twelve in 1-(1-.795^8)^12 = .87, of cosine .9 in .98.
Source of the scheme: Charikar, 2002, doi:10.1145/509907.509965."""

_VARIANTS = """
black white red blue green yellow grey gray silver gold pink purple orange brown beige navy turquoise cyan magenta
schwarz weiß weiss rot blau grün gelb grau silber rosa lila braun noir blanc rouge bleu vert jaune gris rose violet
marron negro blanco rojo azul verde amarillo plata morado nero bianco rosso blu giallo grigio zwart wit rood blauw
groen xs s m l xl xxl xxxl mini micro maxi max plus pro lite ultra air slim left right small medium large women men
kids womens mens damen herren kinder refurbished
"""
VARIANTS = frozenset(_VARIANTS.split())
"""Words by which a shop tells variants apart: two titles that differ in one of them are two products."""

FACTS = frozenset(
    {"colour", "color", "product colour", "printing colours", "size", "farbe", "größe", "couleur", "taille", "talla"}
)
"""Attributes of which two different values make two products."""

CODE = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one record. `gtins` have 14 digits; `brand` and `mpn` are folded; `words` those of the title; `codes` its
    words with digits, measures apart; `facts` attributes that tell variants apart; `vector` of unit length or None."""

    source: str
    language: str
    gtins: frozenset[str]
    brand: str
    mpn: str
    words: frozenset[str]
    codes: frozenset[str]
    measures: frozenset[str]
    facts: frozenset[tuple[str, str]] = frozenset()
    vector: NDArray[np.float32] | None = None


def traits_of(document: Document, vector: NDArray[np.float32] | None = None) -> Traits:
    """Read a document's traits."""
    brand = brand_key(document.brand or "")
    title = without_measures(fold(document.title))
    words = frozenset(split_words(title)) if document.language not in UNSPACED_LANGUAGES else _bigrams(title)
    codes = frozenset(re.sub(r"[\W_]", "", word) for word in title.split() if CODE.search(word))
    measures = frozenset(parse_measures([document.title]))
    gtins = frozenset(code.zfill(14) for code in document.gtin)
    mpn = re.sub(r"[\W_]+", "", fold(document.mpn or ""))
    named = frozenset(split_words(fold(document.brand or "")))
    return Traits(
        document.record.origin,
        document.language,
        gtins,
        brand,
        mpn,
        words - named,
        codes,
        measures,
        frozenset(_facts(document.attrs)),
        vector,
    )


def _facts(attrs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in attrs.items():
        name = attribute_name(key)
        if name in FACTS and isinstance(value, str):
            yield name, fold(value)


def exact_keys(traits: Traits) -> list[str]:
    """Return the keys that records of one product share for certain: GTINs, and part number with brand.

    Numbers that a shop may give out itself (GS1 prefixes 02, 04, 2) count together with the brand alone.
    """
    keys = [f"gtin {code} {traits.brand}" if is_restricted(code) else f"gtin {code}" for code in sorted(traits.gtins)]
    if traits.mpn and traits.brand:
        keys.append(f"mpn {traits.brand} {traits.mpn}")
    return keys


def is_restricted(gtin: str) -> bool:
    """Say whether a 14-digit GTIN is from a range for use within one company.

    Source: GS1 General Specifications, "Restricted Circulation Numbers": GTIN-13 prefixes 02, 04 and 20 to 29.
    """
    return gtin[1:3] in ("02", "04") or gtin[1] == "2"


def near_keys(traits: Traits) -> list[str]:
    """Return the keys of titles that may be alike, within language and brand: MinHash bands of the words, and model
    numbers. None for a title of fewer than two words.

    Source: Broder, 1997, "On the resemblance and containment of documents".
    """
    if len(traits.words) < 2:
        return []
    place = f"{traits.language} {traits.brand}"
    hashes = _no_words().copy()
    hashes.update_batch([word.encode() for word in sorted(traits.words)])
    rows = hashes.hashvalues.astype(np.uint32).reshape(BANDS, -1)
    bands = [f"near {place} {band} {row.tobytes().hex()}" for band, row in enumerate(rows)]
    return bands + [f"code {place} {code}" for code in sorted(traits.codes) if len(code) >= MODEL_CHARS]


def vector_keys(traits: Traits) -> list[str]:
    """Return the band keys of a vector's sides of fixed random planes, within the brand; none without either."""
    if traits.vector is None or not traits.brand:
        return []
    sides = np.packbits(traits.vector @ _planes(len(traits.vector)) > 0).reshape(PLANE_BANDS, -1)
    return [f"vector {traits.brand} {band} {row.tobytes().hex()}" for band, row in enumerate(sides)]


def _bigrams(text: str) -> frozenset[str]:
    characters = "".join(split_words(text))
    return frozenset(characters[place : place + 2] for place in range(max(len(characters) - 1, 1)))


@lru_cache(1)
def _no_words() -> MinHash:
    return MinHash(num_perm=PERMUTATIONS, seed=1)


@lru_cache(4)
def _planes(dimension: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal((dimension, PLANES)).astype(np.float32)


def compatible_numbers(one: Sequence[str] | frozenset[str], other: Sequence[str] | frozenset[str]) -> bool:
    """Say whether two sets of numbers may be of one product: equal, or one holds all of the other's and that is not
    empty."""
    first, second = frozenset(one), frozenset(other)
    return first == second or (bool(first & second) and (first <= second or second <= first))
