"""Measures in texts, whatever their language writes them in, as a number and one unit: "1,5 L" and "1.5 litre" are
"1.5 l"."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import islice

UNITS: Mapping[str, str] = {
    "mm": "mm millimeter millimetre millimeters millimetres millimètre millimètres milímetro milímetros millimetri",
    "cm": "cm centimeter centimetre centimeters centimetres centimètre centimètres centímetro centímetros centimetri",
    "m": "m meter metre meters metres mètre mètres metro metros metri",
    "km": "km kilometer kilometre kilometers kilometres",
    "in": "in inch inches zoll pouce pouces pulgada pulgadas pollici polegadas tum \" ″ ''",
    "ft": "ft foot feet fuß",
    "ml": "ml milliliter millilitre milliliters millilitres mililitro mililitros millilitri",
    "cl": "cl centiliter centilitre",
    "l": "l liter litre liters litres litro litros litri litr litry",
    "mg": "mg milligram milligrams milligramm",
    "g": "g gr gram grams gramm gramme grammes gramo gramos grammi grama gramas",
    "kg": "kg kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kilogramo kilogramos",
    "oz": "oz ounce ounces",
    "lb": "lb lbs pound pounds",
    "w": "w watt watts vatios",
    "kw": "kw kilowatt kilowatts",
    "wh": "wh",
    "kwh": "kwh",
    "v": "v volt volts voltios",
    "mah": "mah",
    "ah": "ah",
    "hz": "hz hertz",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes go",
    "tb": "tb terabyte terabytes to",
    "db": "db",
    "lm": "lm lumen lumens",
    "dpi": "dpi",
    "mp": "mp megapixel megapixels",
}
"""Unit -> its spellings in lower case."""

BASE: Mapping[str, tuple[str, Decimal]] = {
    "mm": ("m", Decimal("0.001")),
    "cm": ("m", Decimal("0.01")),
    "km": ("m", Decimal(1000)),
    "ft": ("in", Decimal(12)),
    "ml": ("l", Decimal("0.001")),
    "cl": ("l", Decimal("0.01")),
    "mg": ("g", Decimal("0.001")),
    "kg": ("g", Decimal(1000)),
    "lb": ("oz", Decimal(16)),
    "kw": ("w", Decimal(1000)),
    "kwh": ("wh", Decimal(1000)),
    "mah": ("ah", Decimal("0.001")),
    "khz": ("hz", Decimal(1000)),
    "mhz": ("hz", Decimal(1_000_000)),
    "ghz": ("hz", Decimal(1_000_000_000)),
    "mb": ("gb", Decimal("0.001")),
    "tb": ("gb", Decimal(1000)),
}
"""Unit -> the one it is counted in, and how many of that it is. Inches stay inches: 24" is a name, not 60.96 cm."""

SPELLINGS = {spelling: unit for unit, spellings in UNITS.items() for spelling in spellings.split()}
FRENCH_BYTES = frozenset({"go", "to"})
"""Written "Go" and "To"; otherwise English words."""
_NUMBER = r"(?P<number>\d(?<![\w.,/-]\d)(?:\d{0,2}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d*(?:[.,]\d+)*))"
"""The digit goes before the look behind it: a search then skips to digits, which takes half the time."""
_MARKS = "|".join(re.escape(spelling) for spelling in SPELLINGS if not spelling.isalpha())
_CANDIDATE = re.compile(rf"{_NUMBER}(?P<gap>[ \u00a0\u202f-]?)(?P<unit>[^\W\d_]+|{_MARKS})(?!\w)")
"""A number before a word or an inch mark, whether that is a unit or not: telling by a dictionary takes less time than
an alternation of all units."""

_ASCII_CANDIDATE = re.compile(_CANDIDATE.pattern, re.ASCII)
"""The same for texts that are all ASCII, in two thirds of the time."""

MAX_MEASURES = 24


def parse_measures(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the measures in some texts as "NUMBER UNIT", each once, in the order of the texts, 24 at most.

    Units of one kind are brought to one ("1500 ml" is "1.5 l", "2 kg" is "2000 g"). A comma is a decimal comma unless
    it groups thousands.
    """
    # A line each: no measure spans two.
    text = "\n".join(texts)
    candidates = (_ASCII_CANDIDATE if text.isascii() else _CANDIDATE).findall(text)
    measures = [_measure(*parts) for parts in candidates if parts[2].lower() in SPELLINGS]
    if not measures:
        return ()
    found = dict.fromkeys(measures)
    found.pop(None, None)
    return tuple(islice(found, MAX_MEASURES))  # type: ignore[arg-type]


def find_measures(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield each measure of a text: where it starts and ends, and how `parse_measures` writes it."""
    for match in _CANDIDATE.finditer(text):
        written = _measure(*match.groups())
        if written is not None:
            yield match.start(), match.end(), written


def without_measures(text: str) -> str:
    """Return a text with a space in the place of each number that stands before what may be a unit."""
    return _CANDIDATE.sub(lambda match: " " if match["unit"].lower() in SPELLINGS else match.group(), text)


@lru_cache(20_000)
def _measure(digits: str, gap: str, unit: str) -> str | None:
    spelling = unit.lower()
    if spelling not in SPELLINGS or not _is_unit(gap, unit, spelling):
        return None
    number = parse_number(digits)
    return None if number is None else _written(number, SPELLINGS[spelling])


def _is_unit(gap: str, unit: str, spelling: str) -> bool:
    """Say whether a spelling that may be a word is a unit: "500 Go", "24in" and "3 m" have one; "5 to 7", "2 in one"
    and "3M" none."""
    if spelling in FRENCH_BYTES:
        return unit.istitle()
    if spelling == "in":
        return gap in ("", "-")
    return unit != "M" or gap != ""


def parse_number(digits: str) -> Decimal | None:
    """Read a number with points or commas; None where it can be read in no way."""
    digits = re.sub(r"[ \u00a0\u202f]", "", digits)
    marks = [mark for mark in digits if mark in ".,"]
    if not marks:
        return Decimal(digits)
    whole, _, fraction = digits.rpartition(marks[-1])
    if len(marks) == 1:
        return Decimal(f"{whole}.{fraction}")
    if len(set(marks)) == 1 or marks[:-1].count(marks[-1]):
        return Decimal(digits.replace(marks[-1], "")) if len(set(marks)) == 1 and len(fraction) == 3 else None
    return Decimal(f"{re.sub('[.,]', '', whole)}.{fraction}")


def _written(number: Decimal, unit: str) -> str:
    base, factor = BASE.get(unit, (unit, Decimal(1)))
    return f"{(number * factor).normalize():f} {base}"
