import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.html_text import html_to_text
from ingest.normalize import (
    _clean_thoroughly,
    _is_tidy,
    clean_text,
    clean_value,
    is_gtin,
    parse_gtins,
    parse_moment,
    parse_price,
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Warm &amp; dry</p><ul><li>wool</li><li>2 pockets</li></ul>", "Warm & dry wool 2 pockets"),
        ("Caf&eacute; <b>No</b>ir<br/>250&nbsp;g", "Café Noir 250 g"),
        ("&lt;b&gt;Bold&lt;/b&gt; claim", "<b>Bold</b> claim"),
        ("<style>p {color: red}</style>Lamp<script>track()</script>", "Lamp"),
        ("<!-- hidden -->shown", "shown"),
        ("width < 5 mm > 3 mm", "width < 5 mm > 3 mm"),
        ("AT&T phone & case", "AT&T phone & case"),
        ("&amp;eacute;t&amp;eacute;", "été"),
        ("unclosed <p>text <b>here", "unclosed text here"),
    ],
)
def test_html_becomes_what_a_reader_sees(html: str, text: str) -> None:
    assert " ".join(html_to_text(html).split()) == text
    assert clean_text(html) == text


def test_text_without_markup_is_untouched() -> None:
    assert html_to_text("a\n b & c") == "a\n b & c"


def test_unicode_is_composed_and_invisible_characters_go() -> None:
    assert clean_text("Ame\u0301lie\u200b \x00Stu\u00adhl\ufeff") == "Amélie Stuhl"


def test_windows_characters_under_a_wrong_name_are_read() -> None:
    assert clean_text("TekColor\x99 Corrections") == "TekColor™ Corrections"


def test_twice_escaped_line_breaks_are_spaces() -> None:
    assert clean_text("Stylus Pro 3880\\nStylus Pro 3800") == "Stylus Pro 3880 Stylus Pro 3800"
    assert clean_text("in C:\\temp") == "in C:\\temp"


@given(st.text(st.characters(codec=None)))
def test_clean_text_is_valid_single_spaced_and_stable(text: str) -> None:
    cleaned = clean_text(text, markup=False)
    cleaned.encode("utf-8")
    assert cleaned == " ".join(cleaned.split())
    assert unicodedata.is_normalized("NFC", cleaned)


def test_values_lose_what_json_and_an_index_cannot_hold() -> None:
    dirty = {"a": None, " b ": float("nan"), "c": ["x\x00", None, 1], "": "no key", "d": {"e": "\ud800"}, "f": False}
    assert clean_value(dirty) == {"c": ["x", 1], "d": {"e": "\ufffd"}, "f": False}


ODD_TEXTS = [
    "a",
    " a",
    "a ",
    "a  b",
    "a\tb",
    "a\\nb",
    "\x00a",
    "\xada",
    "\xe9",
    "e\u0301",
    "<b>",
    "",
    " ",
    "\ud800",
    "\\",
]
ODD_VALUES = [None, True, 1, 0.5, float("nan"), float("inf"), 10**400, ["a ", None], {" x": None, "y": " z"}]


@given(
    st.lists(st.tuples(st.sampled_from(ODD_TEXTS), st.sampled_from([*ODD_TEXTS, *ODD_VALUES])), max_size=6).map(dict)
)
def test_a_mapping_is_cleaned_as_each_of_its_names_and_values_is(given: dict[str, object]) -> None:
    one_by_one: dict[str, object] = {}
    for name, item in given.items():
        value = clean_text(item, markup=False) if isinstance(item, str) else clean_value(item)
        if clean_text(name, markup=False) and value is not None:
            one_by_one[clean_text(name, markup=False)] = value
    for _ in range(2):  # the second time its names are known
        assert list(clean_value(given).items()) == list(one_by_one.items())


@given(st.text("ab 1\\n<&|-.\t\xe9\u0301\x7f", max_size=8))
def test_a_tidy_text_is_one_that_cleaning_leaves_as_it_is(text: str) -> None:
    assert not _is_tidy(text) or clean_text(text, markup=False) == _clean_thoroughly(text, markup=False) == text


@pytest.mark.parametrize(
    ("given", "price"),
    [
        (12.5, (12.5, None)),
        ("1.299,00 €", (1299.0, "EUR")),
        ("$1,299.00", (1299.0, "USD")),
        ("EUR 12,95", (12.95, "EUR")),
        ("1'299.50 CHF", (1299.5, "CHF")),
        ("1 299,00 zł", (1299.0, "PLN")),
        ("1.299", (1299.0, None)),
        ("0.125", (0.125, None)),
        ("1,234,567", (1234567.0, None)),
        ("12.345.67", (None, None)),
        ("-5", (None, None)),
        (-5, (None, None)),
        ("10 - 20 €", (None, "EUR")),
        ("on request", (None, None)),
        (float("inf"), (None, None)),
        (True, (None, None)),
        (None, (None, None)),
    ],
)
def test_prices(given: object, price: tuple[float | None, str | None]) -> None:
    assert parse_price(given) == price


def test_gtins_keep_zeros_and_say_what_could_not_be_read() -> None:
    assert parse_gtins(["0882780756328", "0882780756328", "00012348"]) == (("0882780756328", "00012348"), True)
    assert parse_gtins("4006381-333931, 12345670") == (("4006381333931", "12345670"), True)
    assert parse_gtins("4006381333931, 4006381333932") == (("4006381333931",), False)
    assert parse_gtins(["00000000", "1234567", "٤٠٠٦٣٨١٣٣٣٩٣١"]) == ((), False)
    assert parse_gtins("8.71258E+12") == ((), False)
    assert parse_gtins(None) == ((), True)


@given(st.integers(1, 10**12 - 1))
def test_of_ten_last_digits_one_makes_a_gtin(number: int) -> None:
    """12 digits before the check digit; one wrong digit is always noticed."""
    codes = [f"{number:012d}{check}" for check in range(10)]
    assert sum(map(is_gtin, codes)) == 1


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2026-05-01", "2026-05-01T00:00:00+00:00"),
        ("2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        ("yesterday", None),
        (1e30, None),
        (True, None),
    ],
)
def test_moments(given: object, moment: str | None) -> None:
    assert parse_moment(given) == moment


PIECES = st.sampled_from(
    ["a", "Z", " ", "  ", "<", "&", "&amp;", "<b>", "\\n", "\n", "\t", "\u00e9", "e\u0301", "\u00a0", "\u3000"]
)


@given(st.lists(st.one_of(PIECES, st.characters()), max_size=12).map("".join), st.booleans())
def test_a_short_cut_gives_what_the_long_way_gives(text: str, markup: bool) -> None:
    assert clean_text(text, markup=markup) == _clean_thoroughly(text, markup=markup)


@given(st.from_regex(r"[0-9]{8}|[0-9]{12,14}", fullmatch=True))
def test_check_digits_are_those_of_the_sum_written_out(code: str) -> None:
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(code)))
    assert is_gtin(code) == (weighted % 10 == 0 and set(code) != {"0"})


def test_numbers_of_hundreds_of_digits_are_no_prices() -> None:
    assert parse_price(10**400) == (None, None)
