"""Raw attributes (colour, material, compatibility ...) as the one line of text that is searched and that models read.

The training data of the shipped models is rendered by this function: a change here asks for new models.
"""

import re
from collections.abc import Mapping
from typing import Any

from ingest.memo import Memo
from ingest.normalize import NUMBERS

PREFERRED = (
    "product type",
    "type",
    "category",
    "form factor",
    "purpose",
    "connectivity technology",
    "wireless",
    "bluetooth",
    "product colour",
    "color",
    "printing colours",
    "cable colour",
    "material",
    "brand compatibility",
    "compatibility",
    "connector 1",
    "connector 2",
    "optical drive type",
    "battery type",
    "battery technology",
    "print technology",
    "internal memory type",
    "hd type",
    "display resolution",
    "processor family",
    "interface",
    "host interface",
    "format",
    "product family",
)
"""What shoppers name comes first: a model reads only the beginning of a long line."""

_PLACES = {name: place for place, name in enumerate(PREFERRED)}

DULL = re.compile(
    r"\b(package|packaging|pallet|carton|dimensions?|weight|temperature|humidity|altitude|certific\w*|code|url|date"
    r"|status|country|harmonized|frequency|voltage|current|sku|oem|warranty|stepping|segment|codename)\b"
)
"""Attributes that shoppers do not search by their words: logistics, codes, norms, electrical data."""

TYPE_PREFIX = re.compile(r"^[tnb]_(?=\w)")
"""Feeds that type their columns name them t_colour, n_width, b_wireless."""

BARE_NUMBER = re.compile(r"[\d.,\s-]+")
LINE_END = re.compile(r"\\n|\n|•")
SHORT_CHARS = 40
"""Longer values seldom come again."""

MAX_ATTRIBUTES = 12
MAX_WORDS = 8
FLAG = "yes"


def _named(key: str) -> str:
    return " ".join(re.sub(r"[_\s]+", " ", TYPE_PREFIX.sub("", key)).split()).lower()


_NAMES = Memo(_named)


def attribute_name(key: str) -> str:
    """Return a key as words: `t_product_colour` is "product colour"."""
    return _NAMES[key]


def _told(key: str) -> str | None:
    name = _NAMES[key]
    return name if name in _PLACES or DULL.search(name) is None else None


_TOLD = Memo(_told)
"""A key's name; None for a dull one, whose attributes are not told at all."""


def attributes_text(attrs: Mapping[str, Any]) -> str:
    """Render attributes as "type: Original; printing colours: Black; bluetooth".

    Values keep their first line and first eight words; a true flag stands by its name alone. Preferred names come
    first in their own order, then the other texts in feed order without bare numbers and dull names; twelve at most.

    Args:
        attrs: attribute to string, number or truth value; anything else is left out. As the feed has them: cleaning
            would join the lines.
    """
    named: dict[str, str | float] = {}
    preferred: list[str] = []
    others: list[str] = []
    for key, value in attrs.items():
        name = _TOLD[key]
        if name is None or name in named:
            continue
        if isinstance(value, str):
            text, bare = _SHORT_LINES[value] if len(value) <= SHORT_CHARS else _line(value)
            if not text:
                continue
            named[name] = text
            if name in _PLACES:
                preferred.append(name)
            elif not bare:
                others.append(name)
        elif isinstance(value, NUMBERS) and value is not False:
            named[name] = value
            if name in _PLACES:
                preferred.append(name)
    preferred.sort(key=_PLACES.__getitem__)
    return "; ".join(_attribute(name, named[name]) for name in [*preferred, *others][:MAX_ATTRIBUTES])


def _attribute(name: str, value: str | float) -> str:
    if value is True or value == FLAG:
        return name
    return f"{name}: {value if isinstance(value, str) else _short_number(value)}"


def _short_number(value: float) -> str:
    try:
        return f"{value:g}"
    except OverflowError:  # a whole number of hundreds of digits
        return str(value)


def _line(value: str) -> tuple[str, bool]:
    """Return the first words of the first line, and whether they are but a number."""
    line = LINE_END.split(value)[0] if "\n" in value or "\\n" in value or "•" in value else value
    text = " ".join(line.split()[:MAX_WORDS]).strip(" ,;")
    return text, BARE_NUMBER.fullmatch(text) is not None


_SHORT_LINES = Memo(_line)
