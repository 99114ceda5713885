"""Words as translators compare them: folded spelling, tokens, and those that no translator may touch."""

import re
import unicodedata
from dataclasses import dataclass

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-"})
_SPACES = re.compile(r"\s+")
# A number with its unit, a model number, or a plain run of letters; inner marks stay ("wi-fi", "1.5", "n'est").
_TOKEN = re.compile(r"[^\W_]+(?:[.,:/'+\-&][^\W_]+)*[+#\"]?|[^\s]")
_ARTICLE = re.compile(r"^(l|d|j|m|n|s|t|c|qu|un|all|dell|nell|sull|dall|quest)'(?=\w{2})", re.IGNORECASE)

UNITS = frozenset(
    "mm cm dm m km in ft yd mg g kg lb lbs oz ml cl dl l gal v mv kv a ma ah mah w kw wh kwh va hz khz mhz ghz "
    "k b kb mb gb tb pb kbit mbit gbit kbps mbps gbps rpm dpi ppi px mp fps lm cd lux db nm ohm °c °f k bar psi "
    "pcs x".split()
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: as written, and folded for comparison."""

    text: str
    folded: str
    spaced: bool = True
    """Whether a space stood before it: languages without spaces are put together again as they were."""


def fold(text: str) -> str:
    """Fold spelling for comparison: NFKC, lower case (ß as ss), straight apostrophes and hyphens, single spaces."""
    plain = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    return _SPACES.sub(" ", plain).strip()


def strip_accents(text: str) -> str:
    """Remove the accents of Latin letters (shoppers type "telefono movil"); Japanese voicing marks stay."""
    bare = "".join(mark for mark in unicodedata.normalize("NFD", text) if not "\u0300" <= mark <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def split_tokens(text: str) -> list[Token]:
    """Split a text written with spaces into tokens; an elided article ("l'imprimante") is cut off."""
    tokens = []
    end = -1
    for found in _TOKEN.finditer(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)):
        word = found.group()
        article = _ARTICLE.match(word)
        if article:
            tokens.append(Token(article.group(), fold(article.group()), found.start() != end))
            word = word[article.end() :]
        tokens.append(Token(word, fold(word), not article and found.start() != end))
        end = found.end()
    return tokens


def is_protected(token: str) -> bool:
    """Tell whether a token is a number, a measure, a model number or a mark, which every language writes alike."""
    if any(letter.isdigit() for letter in token):
        return True
    return token in UNITS or not any(letter.isalpha() for letter in token)
