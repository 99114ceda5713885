"""Raw attributes (colour, material, compatibility ...) as the one line of text that is searched and that models read.

The training data of the shipped models is rendered by this function: a change here asks for new models.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

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

_PREFERRED = frozenset(PREFERRED)

DULL = re.compile(
    r"\b(package|packaging|pallet|carton|dimensions?|weight|temperature|humidity|altitude|certific\w*|code|url|date"
    r"|status|country|harmonized|frequency|voltage|current|sku|oem|warranty|stepping|segment|codename)\b"
)
"""Attributes that shoppers do not search by their words: logistics, codes, norms, electrical data."""

TYPE_PREFIX = re.compile(r"^[tnb]_(?=\w)")
"""Feeds that type their columns name them t_colour, n_width, b_wireless."""

BARE_NUMBER = re.compile(r"[\d.,\s-]+")
LINE_END = re.compile(r"\\n|\n|•")
MAX_ATTRIBUTES = 12
MAX_WORDS = 8
FLAG = "yes"


@lru_cache(10_000)
def attribute_name(key: str) -> str:
    """Return a key as words: `t_product_colour` is "product colour"."""
    return " ".join(re.sub(r"[_\s]+", " ", TYPE_PREFIX.sub("", key)).split()).lower()


@lru_cache(10_000)
def _is_dull(name: str) -> bool:
    return DULL.search(name) is not None


def attributes_text(attrs: Mapping[str, Any]) -> str:
    """Render attributes as "type: Original; printing colours: Black; bluetooth".

    Values keep their first line and first eight words; a true flag stands by its name alone. Preferred names come
    first in their own order, then the other texts in feed order without bare numbers and dull names; twelve at most.

    Args:
        attrs: attribute to string, number or truth value; anything else is left out. As the feed has them: cleaning
            would join the lines.
    """
    named: dict[str, str] = {}
    others: list[str] = []
    for key, value in attrs.items():
        name, text = attribute_name(key), _value(value)
        if not text or name in named:
            continue
        named[name] = text
        if isinstance(value, str) and name not in _PREFERRED and not (_is_dull(name) or BARE_NUMBER.fullmatch(text)):
            others.append(name)
    order = [*(name for name in PREFERRED if name in named), *others][:MAX_ATTRIBUTES]
    return "; ".join(name if named[name] == FLAG else f"{name}: {named[name]}" for name in order)


def _value(value: Any) -> str:
    if value is True:
        return FLAG
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:g}"
    if not isinstance(value, str):
        return ""
    return " ".join(LINE_END.split(value)[0].split()[:MAX_WORDS]).strip(" ,;")
