"""Words as translators compare them: folded spelling, tokens, and those that no translator may touch."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

_APOSTROPHES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-"}
)
_SPACES = re.compile(r"\s+")
# A number with its unit, a model number, or a plain run of letters; inner marks stay ("wi-fi", "1.5", "n'est").
# A run of letters and digits; marks stay inside where digits need them ("1.5", "3/4"), and so does "c++".
_ATOM = re.compile(r"[^\W_]+(?:[.,/:](?=\d)[^\W_]+|'(?=[^\W\d_])[^\W_]+)*\+*")
_UNSPACED = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff]")
_ARTICLE = re.compile(r"(?:l|d|j|m|n|s|t|c|qu|un|all|dell|nell|sull|dall|quest)'(?=\w{2})")

UNITS = frozenset(
    [
        "mm",
        "cm",
        "dm",
        "m",
        "km",
        "in",
        "ft",
        "yd",
        "mg",
        "g",
        "kg",
        "lb",
        "lbs",
        "oz",
        "ml",
        "cl",
        "dl",
        "l",
        "gal",
        "v",
        "mv",
        "kv",
        "a",
        "ma",
        "ah",
        "mah",
        "w",
        "kw",
        "wh",
        "kwh",
        "va",
        "hz",
        "khz",
        "mhz",
        "ghz",
        "k",
        "b",
        "kb",
        "mb",
        "gb",
        "tb",
        "pb",
        "kbit",
        "mbit",
        "gbit",
        "kbps",
        "mbps",
        "gbps",
        "rpm",
        "dpi",
        "ppi",
        "px",
        "mp",
        "fps",
        "lm",
        "cd",
        "lux",
        "db",
        "nm",
        "ohm",
        "°c",
        "°f",
        "k",
        "bar",
        "psi",
        "pcs",
        "x",
    ]
)


# Articles, prepositions and "and": they join words and are not what a shopper looks for.
FUNCTION_WORDS = {
    "de": "der die das den dem des ein eine einen einem einer für mit von zu zum zur aus im in am an auf und bei",
    "en": "a an the of for with to from in on at by and",
    "es": "el la los las un una unos unas de del para con por en a al y e",
    "fr": "le la les l' un une des de du d' pour avec à au aux en et sur par",
    "it": "il lo la i gli le l' un uno una un' di del della dei delle dell' per con da a al alla in e su",
    "nl": "de het een van voor met in op en te aan bij naar",
    "pl": "do z ze na w we i dla od po o",
    "pt": "o a os as um uma de do da dos das para com por em no na e ao",
    "sv": "en ett den det för med av till i på och från",
}


@cache
def function_words(language: str) -> frozenset[str]:
    """Return a language's articles, prepositions and "and"; none where they are not known."""
    return frozenset(FUNCTION_WORDS.get(language, "").split())


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest piece a phrase can start or end at: a word, or one character of an unspaced script.

    `start` and `end` count characters of the normalized text; `folded` is what dictionaries are asked for.
    """

    start: int
    end: int
    folded: str
    unspaced: bool


def normalize(text: str) -> str:
    """Bring a text into the form whose characters `split_atoms` counts: NFKC, straight apostrophes and hyphens."""
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)


def fold(text: str) -> str:
    """Fold spelling for comparison: NFKC, lower case (ß as ss), straight apostrophes and hyphens, single spaces."""
    return _SPACES.sub(" ", normalize(text).casefold()).strip()


def strip_accents(text: str) -> str:
    """Remove the accents of Latin letters (shoppers type "telefono movil"); Japanese voicing marks stay."""
    bare = "".join(mark for mark in unicodedata.normalize("NFD", text) if not "\u0300" <= mark <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def split_atoms(text: str) -> list[Atom]:
    """Split a normalized text into words and unspaced characters; an elided article ("l'") is a word of its own."""
    atoms: list[Atom] = []
    for found in _ATOM.finditer(text):
        start, word = found.start(), found.group()
        while word:
            length = _piece(word)
            atoms.append(Atom(start, start + length, word[:length].casefold(), bool(_UNSPACED.match(word))))
            start, word = start + length, word[length:]
    return atoms


def _piece(word: str) -> int:
    if _UNSPACED.match(word):
        return 1
    article = _ARTICLE.match(word.casefold())
    if article:
        return article.end()
    unspaced = _UNSPACED.search(word)
    return unspaced.start() if unspaced else len(word)


def is_protected(token: str) -> bool:
    """Tell whether a token is a number, a measure, a model number or a mark, which every language writes alike."""
    if any(letter.isdigit() for letter in token):
        return True
    return token in UNITS or not any(letter.isalpha() for letter in token)
