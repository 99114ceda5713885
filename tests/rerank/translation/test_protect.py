import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank.protocols import Translation
from rerank.translation.protect import protected_spans, protected_texts, translate_protected


def spans(text: str, *brands: str) -> list[str]:
    return [text[start:end] for start, end in protected_spans(text, brands)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Bottle 1,5 L steel", ["1,5 L"]),
        ("Brother TN-430 toner, 2500 pages", ["TN-430", "2500"]),
        ("MP3-Player 65W USB-C 3.5/4", ["MP3", "65W", "3.5/4"]),
        ('27" monitor 2560x1440', ['27"', "2560x1440"]),
        ("500ml入り", ["500ml"]),
        ("10 m de cable, 2 in one", ["10 m", "2 in"]),
        ("no number here", []),
        ("SKU 920-002509-XL", ["920-002509-XL"]),
    ],
)
def test_numbers_codes_and_measures(text: str, found: list[str]) -> None:
    assert spans(text) == found


def test_brands_in_any_case_as_whole_words() -> None:
    assert spans("APPLE apple pie by Apple Bakery, pineapple", "Apple", "Apple Bakery") == [
        "APPLE",
        "apple",
        "Apple Bakery",
    ]
    assert spans("C++ 3M tape", "3M") == ["3M"]


class Wild:
    """Changes whatever it is given, by seed: drops, doubles and makes up words and numbers, and turns the case."""

    name, version = "wild", "1"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("en", "de")})

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return [Translation(self._changed(text), "wild", 0.5) for text in texts]

    def _changed(self, text: str) -> str:
        words = [word for word in text.split() if self._dice.random() < 0.8]
        words += self._dice.choices(["42", "Lux", "kg", "wort", "10 kg", ""], k=self._dice.randrange(3))
        self._dice.shuffle(words)
        text = " ".join(words)
        return self._dice.choice([text.upper(), text.lower(), text])


CODES = ("1,5 L", "1.5\u00a0l", "TN-430", "920-002509", "12", "500ml", "65 W", "²")
PIECES = st.sampled_from(("Lux", "LUX", "steel", "bottle", "Über", "入り", "x", *CODES))
TEXTS = st.one_of(st.lists(PIECES, max_size=8).map(" ".join), st.text(max_size=40))


@given(st.lists(TEXTS, max_size=5), st.integers(0, 1000))
def test_brands_codes_numbers_and_units_come_through_any_engine(texts: list[str], seed: int) -> None:
    brands = [("Lux",)] * len(texts)
    made = translate_protected(Wild(seed), texts, "en", "de", brands)
    assert len(made) == len(texts)
    for text, translation in zip(texts, made, strict=True):
        assert protected_texts(translation.text, ("Lux",)) == protected_texts(text, ("Lux",))


class Scripted:
    """Translates what its table holds and keeps all else."""

    name, version = "table", "1"

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table

    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({("en", "de")})

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        return [
            Translation(self._table[text], "table", 0.8) if text in self._table else Translation(text, "keep", 0.0)
            for text in texts
        ]


def translated(text: str, table: dict[str, str], *brands: str) -> Translation:
    return translate_protected(Scripted(table), [text], "en", "de", [brands])[0]


def test_a_whole_translation_stands_when_all_came_through() -> None:
    made = translated("Apple case 2 m", {"Apple case 2 m": "Hülle für Apple, 2 m"}, "Apple")
    assert (made.text, made.engine) == ("Hülle für Apple, 2 m", "table")


def test_case_and_spaces_of_the_source_are_restored() -> None:
    assert (
        translated("mp3 player 1,5\u00a0l", {"mp3 player 1,5\u00a0l": "MP3-Player 1,5 L"}).text
        == "mp3-Player 1,5\u00a0l"
    )


def test_a_broken_translation_is_made_piece_by_piece() -> None:
    table = {"Apple case 2 m long": "Apfelhülle", "case": "Hülle", "long": "lang"}
    made = translated("Apple case 2 m long", table, "Apple")
    assert (made.text, made.engine, made.confidence) == ("Apple Hülle 2 m lang", "table", 0.8)
    half = translated("Apple case 2 m long", {"Apple case 2 m long": "", "case": "Hülle"}, "Apple")
    assert (half.text, half.confidence) == ("Apple Hülle 2 m long", 0.4)


def test_a_text_that_cannot_be_translated_so_is_kept() -> None:
    assert translated("Apple 2 m", {"Apple 2 m": "Apfel"}, "Apple") == Translation("Apple 2 m", "keep", 0.0)
