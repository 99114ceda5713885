"""What a query names beside the thing: a price, a size, a measure, a colour, a brand or another value of the catalogue.

Recognised is what stands there, with a confidence; what to do with it is for `rerank.understanding.proposals` and the
caller.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from rerank.translation.words import fold, normalize, split_atoms
from rerank.understanding.attribute_words import (
    AND,
    AT_LEAST,
    AT_MOST,
    BETWEEN,
    COLORS,
    CURRENCIES,
    SIZE,
    SIZES,
    phrases,
)
from rerank.understanding.field_values import FieldValue, FieldValues
from rerank.understanding.measures import find_measures, parse_number
from rerank.understanding.vocabulary import Vocabulary, catalogue_terms

SURE = 0.7
"""Confidence from which something is taken to be meant."""

COLORFUL = 3

_MARKS = {fold(mark): code for code, marks in CURRENCIES.items() for mark in marks.split("|")}


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in words)


_NUMBER = r"\d+(?:[.,]\d+)*"
_CURRENCY = _either(sorted(_MARKS, key=len, reverse=True))


def _amount(name: str) -> str:
    return (
        rf"(?:(?P<before_{name}>{_CURRENCY})\s?)?(?P<number_{name}>{_NUMBER})"
        rf"(?:\s?(?P<after_{name}>{_CURRENCY})(?![a-zà-ž]))?"
    )


_EDGE = r"(?<![\w])"
_ONE = re.compile(
    rf"{_EDGE}(?:(?P<most>{_either(phrases(AT_MOST))})|(?P<least>{_either(phrases(AT_LEAST))}))\s*{_amount('one')}"
    rf"(?![\w-])|{_EDGE}{_amount('asian')}(?P<suffix>以下|以内|未満|以上)"
)
_TWO = re.compile(
    rf"{_EDGE}(?:(?:{_either(BETWEEN.split('|'))})\s+)?{_amount('low')}\s?(?:-|{_either(AND.split('|'))})\s?"
    rf"{_amount('high')}(?!\w)"
)
_SIZE = re.compile(rf"{_EDGE}(?:{_either(SIZE.split('|'))})\s?(?P<size>\d{{1,3}}(?:[.,]5)?|{SIZES})(?!\w)")
_CODE = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?![\w-])")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One thing named. `name`: price, size, measure, color, brand, value or code; `start` and `end` count characters of
    the query after `words.normalize`; `low` and `high` of prices, inclusive; `field`: where the catalogue has it, in
    `documents` products; `variants`: everywhere it has a colour, in any language's word for it."""

    name: str
    text: str
    start: int
    end: int
    value: str
    confidence: float
    low: float | None = None
    high: float | None = None
    currency: str | None = None
    field: str | None = None
    documents: int | None = None
    variants: tuple[FieldValue, ...] = ()


def find_attributes(
    query: str, language: str, values: FieldValues | None = None, vocabulary: Vocabulary | None = None
) -> list[Attribute]:
    """Return what a query names, in its order, without overlaps: prices go before sizes, these before measures, codes,
    brands, colours and the catalogue's other values.

    Args:
        query: as the shopper wrote it.
        language: BCP 47.
        values: the catalogue's; without them there are no brands and values.
        vocabulary: its words: a brand that is also an ordinary word there is less sure.
    """
    text = normalize(query)
    folded = text.casefold()
    if len(folded) != len(text):  # "İ" folds into two characters: positions would not be those of the query
        folded = text.lower() if len(text.lower()) == len(text) else text
    found: list[Attribute] = []
    for stage in (_prices(text, folded), _sizes(text, folded), _measures(text), _codes(text)):
        _add(found, stage)
    named = list(_named(text, language, values, vocabulary))
    _add(found, (item for item in named if item.name == "brand" and item.confidence >= SURE))
    _add(found, _colors(text, values))
    _add(found, named)
    return sorted(found, key=lambda item: item.start)


def _add(found: list[Attribute], more: Iterable[Attribute]) -> None:
    for item in more:
        if all(item.end <= other.start or item.start >= other.end for other in found):
            found.append(item)


def _prices(text: str, folded: str) -> Iterable[Attribute]:
    for match in _TWO.finditer(folded):
        low, high = _money(match["number_low"]), _money(match["number_high"])
        marks = (match[name] for name in ("before_low", "after_low", "before_high", "after_high"))
        mark = next(filter(None, marks), None)
        if low is not None and high is not None and low < high and mark:
            yield _price(text, match, 0.95, low, high, mark)
    for match in _ONE.finditer(folded):
        name = "asian" if match["suffix"] else "one"
        number, mark = _money(match[f"number_{name}"]), match[f"before_{name}"] or match[f"after_{name}"]
        if number is None:
            continue
        most = match["suffix"] != "以上" if match["suffix"] else match["most"] is not None
        # Without a currency it may be centimetres, inches or a year.
        low, high = (None, number) if most else (number, None)
        yield _price(text, match, 0.95 if mark else 0.5, low, high, mark)


def _money(digits: str) -> Decimal | None:
    """In a price three digits after a mark are thousands: 1,200 and 1.200 are the same."""
    return Decimal(re.sub("[.,]", "", digits)) if _THOUSANDS.fullmatch(digits) else parse_number(digits)


def _price(
    text: str, match: re.Match[str], confidence: float, low: Decimal | None, high: Decimal | None, mark: str | None
) -> Attribute:
    written = "-".join("" if number is None else f"{number:f}" for number in (low, high))
    return Attribute(
        "price",
        text[slice(*match.span())],
        *match.span(),
        written,
        confidence,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        currency=_MARKS[mark] if mark else None,
    )


def _sizes(text: str, folded: str) -> Iterable[Attribute]:
    for match in _SIZE.finditer(folded):
        value = match["size"].replace(",", ".").upper()
        yield Attribute("size", text[slice(*match.span())], *match.span(), value, 0.9)


def _measures(text: str) -> Iterable[Attribute]:
    for start, end, written in find_measures(text):
        yield Attribute("measure", text[start:end], start, end, written, 0.9)


def _codes(text: str) -> Iterable[Attribute]:
    """Article numbers: at least five letters and digits in one piece, both among them."""
    for match in _CODE.finditer(text):
        digits = sum(letter.isdigit() for letter in match.group())
        if len(match.group()) >= 5 and digits >= 2:
            yield Attribute("code", match.group(), *match.span(), match.group(), 0.8)


def _named(text: str, language: str, values: FieldValues | None, vocabulary: Vocabulary | None) -> Iterable[Attribute]:
    """The sure ones first, then the longer ones: "HP" in "hp laserjet", where few products are called both."""
    if values is None:
        return []
    found: list[Attribute] = []
    atoms = split_atoms(text)
    for length in range(min(values.longest, len(atoms)), 0, -1):
        for first in range(len(atoms) - length + 1):
            start, end = atoms[first].start, atoms[first + length - 1].end
            known = values.named(fold(text[start:end]))
            if known and any(map(str.isalpha, text[start:end])):
                best = known[0]
                name = "brand" if best.field == "brand" else "value"
                sure = _certainty(best, language, vocabulary)
                item = Attribute(name, text[start:end], start, end, best.value, sure)
                found.append(replace(item, field=best.field, documents=best.documents))
    return sorted(found, key=lambda item: item.confidence < SURE)


def _certainty(value: FieldValue, language: str, vocabulary: Vocabulary | None) -> float:
    """A value that as many products have as use its words is a name; one that more use is a word as well."""
    used = vocabulary.frequency(language, " ".join(catalogue_terms(language, value.value))) if vocabulary else 0
    share = value.documents / max(value.documents, used)
    return round(0.5 + 0.45 * share, 3)


def _colors(text: str, values: FieldValues | None) -> Iterable[Attribute]:
    for match in re.finditer(r"[^\W\d_]+", text):
        name = COLORS.get(fold(match.group()))
        if name is not None:
            color = Attribute("color", match.group(), *match.span(), name, 0.8)
            yield replace(color, variants=_in_catalogue(name, values)) if values is not None else color


def _in_catalogue(name: str, values: FieldValues) -> tuple[FieldValue, ...]:
    """A field holds colours when it has `COLORFUL` of them: "Orange" may be a brand, and "Gold" a metal."""
    held: dict[str, set[str]] = {}
    same: list[FieldValue] = []
    for word, color in COLORS.items():
        for value in values.named(word):
            held.setdefault(value.field, set()).add(color)
            same += [value] if color == name else []
    kept = [value for value in same if len(held[value.field]) >= COLORFUL]
    return tuple(sorted(kept, key=lambda value: (-value.documents, value.field, value.value)))
