"""Text as an index wants it: valid Unicode in form NFC, no control characters, single spaces; prices and codes."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from ingest.html_text import html_to_text
from ingest.memo import SIZE

INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\ufffe\uffff]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
SUSPECT = re.compile(r"[^\t\n\r\x20-%'-;=-\[\]-~]")
"""What makes ASCII text worth a second look, `<`, `&` and backslashes with it; most has none."""

C1_CONTROL = re.compile("[\x80-\x9f]")
ESCAPED_BREAK = re.compile(r"\\r\\n|\\[nrt](?![a-z]{3})")
"""A line break that was escaped once too often, as in "Stylus Pro 3880\\nStylus Pro 3800"; not `C:\\temp`."""

NUMBERS = (int, float)
"""`isinstance` of `int | float` makes that union at each call."""
DIGITS = bytes.maketrans(b"0123456789", bytes(range(10)))
CURRENCIES = {"€": "EUR", "£": "GBP", "$": "USD", "¥": "JPY", "￥": "JPY", "円": "JPY", "元": "CNY", "zł": "PLN"}
AMOUNT = re.compile(r"\d[\d.,'\u2019\u00a0\u202f ]*")
CURRENCY_CODE = re.compile(
    r"\b(?:AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR|NOK|NZD|PHP"
    r"|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR)\b"
)


def valid_unicode(text: str) -> str:
    """Return the text with paired surrogates joined and lone ones replaced by U+FFFD: UTF-8 has no surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_windows_1252(control: re.Match[str]) -> str:
    """Return what a control character stands for when a feed took Windows-1252 for Latin-1 (\x99 is a trade mark)."""
    return bytes([ord(control.group())]).decode("cp1252", "ignore")


def clean_text(text: str, *, markup: bool = True) -> str:
    """Return one line of NFC text: HTML made text (unless `markup` is False), no control or invisible characters,
    runs of white space made one space."""
    # Printable text has neither control nor invisible characters nor surrogates, and no space but the common one.
    if text.isprintable() and "<" not in text and "&" not in text and "\\" not in text:
        if "  " in text or text[:1] == " " or text[-1:] == " ":
            text = " ".join(text.split())
        return text if text.isascii() else unicodedata.normalize("NFC", text)
    if text.isascii() and not SUSPECT.search(text):
        return " ".join(text.split())
    return _clean_thoroughly(text, markup=markup)


def _clean_thoroughly(text: str, *, markup: bool) -> str:
    text = valid_unicode(text)
    text = html_to_text(text) if markup else text
    text = C1_CONTROL.sub(_as_windows_1252, text)
    text = INVISIBLE.sub("", ESCAPED_BREAK.sub(" ", text))
    return unicodedata.normalize("NFC", " ".join(text.split()))


def clean_value(value: Any) -> Any:
    """Return a JSON value with clean strings, without nulls, numbers that JSON lacks, and blank keys."""
    if isinstance(value, str):
        return value if _is_tidy(value) else clean_text(value, markup=False)
    if isinstance(value, dict):
        return _clean_mapping(value)
    if isinstance(value, list):
        return [item for item in map(clean_value, value) if item is not None]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _clean_mapping(given: Mapping[Any, Any]) -> dict[str, Any]:
    cleaned = dict(given) if _TIDY_NAMES.issuperset(given) else _clean_names(given)
    blank: list[str] = []
    for name, item in cleaned.items():
        kind = type(item)
        if kind is str:
            if not _is_tidy(item):
                cleaned[name] = clean_text(item, markup=False)
        elif kind is not bool and not (kind is float and isfinite(item)):
            cleaned[name] = item = clean_value(item)
            if item is None:
                blank.append(name)
    for name in blank:
        del cleaned[name]
    return cleaned


def _clean_names(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a mapping with clean names, without blank ones; of two keys with one name the later one that has a value
    stands. Remembers tidy ones: attributes come again and again."""
    named: dict[str, Any] = {}
    for key, item in given.items():
        name = clean_text(str(key), markup=False)
        if name == key and name:
            if len(_TIDY_NAMES) >= SIZE:
                _TIDY_NAMES.clear()
            _TIDY_NAMES.add(name)
        if name and item is not None and not (isinstance(item, float) and not isfinite(item)):
            named[name] = item
    return named


_TIDY_NAMES: set[str] = set()


def _is_tidy(text: str) -> bool:
    """Say whether a text is ASCII that `clean_text` leaves as it is, as nearly all values of attributes are: told in
    less time than it takes to look a value up among those met before."""
    return text.isascii() and text.isprintable() and "\\" not in text and "  " not in text and text.strip() == text


def parse_price(value: Any) -> tuple[float | None, str | None]:
    """Read a price such as 12.5, "1.299,00 €", "EUR 12,95" or "$1,299".

    Returns:
        The amount, None when there is none or it is negative or ambiguous; the ISO 4217 currency, None when not
        said. A single separator before exactly three digits groups thousands ("1.299" is 1299).
    """
    if isinstance(value, bool) or value is None:
        return None, None
    if isinstance(value, NUMBERS):
        return _number(value), None
    text = str(value).strip()
    amounts = AMOUNT.findall(text)
    currency = _currency(text)
    if len(amounts) != 1 or "-" in text.split(amounts[0], 1)[0]:
        return None, currency
    return _amount(amounts[0]), currency


def _number(value: float) -> float | None:
    try:
        return float(value) if isfinite(value) and value >= 0 else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def _currency(text: str) -> str | None:
    code = CURRENCY_CODE.search(text)
    if code:
        return code.group()
    return next((code for sign, code in CURRENCIES.items() if sign in text), None)


def _amount(digits: str) -> float | None:
    digits = re.sub(r"['\u2019\u00a0\u202f ]", "", digits).rstrip(".,")
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return float(digits)
    whole, fraction = digits[:last], digits[last + 1 :]
    other = "," if digits[last] == "." else "."
    repeated = digits[last] in whole
    if repeated and (other in whole or len(fraction) != 3):
        return None
    if repeated or (len(fraction) == 3 and other not in whole and whole not in ("", "0")):
        return float(re.sub(r"[.,]", "", digits))
    return float(f"{re.sub(r'[.,]', '', whole)}.{fraction}")


def parse_gtins(value: Any) -> tuple[tuple[str, ...], bool]:
    """Read one GTIN or several: strings of 8, 12, 13 or 14 digits with a right check digit, leading zeros kept.

    Returns:
        The codes in order without repeats, and whether all that was given could be read.
    """
    given = value if isinstance(value, list) else re.split(r"[,;|]", value) if isinstance(value, str) else [value]
    codes = [_bare_code(str(item)) for item in given if item not in (None, "")]
    good = [code for code in codes if is_gtin(code)]
    return tuple(dict.fromkeys(good)), len(good) == len([code for code in codes if code])


def _bare_code(code: str) -> str:
    return code if code.isdecimal() else re.sub(r"[\s\-.]", "", code)


def is_gtin(code: str) -> bool:
    """Say whether a code is a GTIN: 8, 12, 13 or 14 ASCII digits, not all zeros, the last one the check digit.

    Source: GS1 General Specifications, "Check digit calculations": weights 3 and 1 in turn from the right.
    """
    if not (code.isascii() and code.isdecimal() and len(code) in (8, 12, 13, 14)) or not code.strip("0"):
        return False
    digits = code.encode().translate(DIGITS)
    return (3 * sum(digits[-2::-2]) + sum(digits[-1::-2])) % 10 == 0


def parse_moment(value: Any) -> str | None:
    """Read a date or time in ISO 8601, or seconds since 1970, as ISO 8601 in UTC; None when it is neither.

    A time without a zone counts as UTC.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).isoformat()
        moment = datetime.fromisoformat(str(value).strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
