import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.understanding.measures import find_measures, parse_measures, without_measures


@pytest.mark.parametrize(
    "text",
    [
        "1,5 L",
        "1.5 litre",
        "1.5 Liter",
        "1500 ml",
        "1.500,0 ml",
        "1,500.0 ml",
        "1 500 ml",
        "150 cl",
        "1,5l",
        "1.5-litre",
    ],
)
def test_spellings_of_a_measure_are_one(text: str) -> None:
    assert parse_measures([f"Kettle, {text}, steel"]) == ("1.5 l",)


@pytest.mark.parametrize(
    ("text", "measures"),
    [
        ('24" monitor, 1920 x 1080', ("24 in",)),
        ("4 GB RAM, 2.4 GHz", ("4 gb", "2400000000 hz")),
        ("disque dur 500 Go", ("500 gb",)),
        ("from 5 to 7 people, 3 go home", ()),
        ("model X100L and 3M tape", ()),
        ("5 in one, 24in, 1.2.3 m", ("24 in",)),
        ("Schlauch 3 m", ("3 m",)),
        ("A4 paper 80 g/m", ("80 g",)),
    ],
)
def test_what_counts_as_a_measure(text: str, measures: tuple[str, ...]) -> None:
    assert parse_measures([text]) == measures


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    assert len(parse_measures([text] * 3)) <= 24


@given(st.integers(1, 9999))
def test_millilitres_and_litres_agree(amount: int) -> None:
    assert parse_measures([f"{amount} ml"]) == parse_measures([f"{amount / 1000} l"])


@pytest.mark.parametrize("text", ["5 lb\u017f", "3 \u0131n", "7 mete\u027d", "100 pack", "3M", "5 to 7"])
def test_words_that_only_look_like_units_are_none(text: str) -> None:
    assert (parse_measures([text]), list(find_measures(text))) == ((), [])


def test_measures_can_be_taken_out_of_a_text() -> None:
    assert without_measures('cable 1,5 m, 10 pack, 24" and 3 000 ml x') == "cable  , 10 pack,   and   x"
