"""FreeDict dictionaries as Debian installs them: a dictd index and a gzip-compatible text, one pair of languages.

The entries differ by origin (Ding, WikDict, JMdict, typed by hand); what they share is one headword line and
lines of comma-separated translations, which notes, glosses and cross-references interrupt.
"""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rerank.errors import ResourceError
from rerank.translation.words import fold

DICTD_FOLDER = Path("/usr/share/dictd")

ISO_639_3 = {
    "ara": "ar", "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de", "ell": "el", "eng": "en",
    "fin": "fi", "fra": "fr", "hin": "hi", "hrv": "hr", "hun": "hu", "ind": "id", "ita": "it", "jpn": "ja",
    "lit": "lt", "nld": "nl", "nor": "no", "pol": "pl", "por": "pt", "rus": "ru", "slk": "sk", "slv": "sl",
    "spa": "es", "srp": "sr", "swe": "sv", "tur": "tr",
}  # fmt: skip
"""The FreeDict codes that are read, and their BCP 47 codes."""

MAX_WORDS = 4
"""Longer translations are explanations, not words a shop would print."""

_DIGITS = {
    letter: value for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_PRONUNCIATION = re.compile(r"//[^/\n]*//|/[^/\n]*/")
_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]*\"")
_GRAMMAR = re.compile(r"<[^<>]*>")
_SENSE = re.compile(r"^\s*(?:[IVX]+\.\s*)?(?:<[^<>]*>\s*)*(?:\d+\.\s*)?")
_NUMBERED = re.compile(r"^\s*(?:[IVX]+\.|(?:[IVX]+\.\s*)?(?:<[^<>]*>\s*)*\d+\.)")
_ASIDE = re.compile(r"^\s*(?:Synonyms?:|Antonyms?:|Note:|see:|See also:|[\"“(-]\s?.*[\"”]|- |→)")
_FILLER = re.compile(
    r"^(?:to|a|an|the|sth\.?|sb\.?|etw\.|jdn\.|jdm\.|jmd\.|sich|of|as|be)\s+(?=\w)|\s+(?:sth|sb|etw|jdn|jdm)\.?$",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[,;、|]\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One dictionary article: its headwords, and for each sense its translations, all folded."""

    headwords: tuple[str, ...]
    senses: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FreeDict:
    """An installed dictionary and the BCP 47 codes of its two languages."""

    source: str
    target: str
    index: Path
    text: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it is read from."""
        return self.index, self.text

    def entries(self) -> Iterator[Entry]:
        """Read every article once, in the order of the index.

        Raises ResourceError when the files are not a dictd dictionary.
        """
        try:
            content = self.text.read_bytes()
            if self.text.suffix == ".dz":
                content = gzip.decompress(content)
            seen: set[int] = set()
            for row in self.index.read_text(encoding="utf-8").split("\n"):
                if not row or row.startswith("00database"):
                    continue
                _, start, length = row.split("\t")[:3]
                offset = _number(start)
                if offset not in seen:
                    seen.add(offset)
                    yield parse_entry(content[offset : offset + _number(length)].decode("utf-8"))
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise ResourceError(f"{self.index} is not a readable dictd dictionary: {error}") from error


def find_freedicts(folder: Path = DICTD_FOLDER) -> list[FreeDict]:
    """List the FreeDict dictionaries of a folder, by name; an absent folder has none."""
    found = []
    for index in sorted(folder.glob("freedict-???-???.index")):
        source, target = (ISO_639_3.get(code) for code in index.stem.split("-")[1:3])
        text = next(
            (path for path in (index.with_suffix(".dict.dz"), index.with_suffix(".dict")) if path.exists()), None
        )
        if source and target and text:
            found.append(FreeDict(source, target, index, text))
    return found


def parse_entry(text: str) -> Entry:
    """Parse one article. What cannot be understood as a headword or a translation is left out."""
    lines = text.split("\n")
    headwords = translations_of(_PRONUNCIATION.sub(",", lines[0]))
    senses: list[tuple[str, ...]] = []
    numbered = any(_NUMBERED.match(line) for line in lines[1:2]) or (len(lines) > 2 and not lines[1].strip())
    awaiting = True
    for line in lines[1:]:
        if _ASIDE.match(line) or not line.strip():
            continue
        if _NUMBERED.match(line):
            # WikDict's Dutch numbers its glosses below an unnumbered translation.
            awaiting = numbered or not senses
        if not awaiting:
            continue
        words = translations_of(_PRONUNCIATION.sub(",", _SENSE.sub("", line)))
        if words:
            senses.append(words)
            awaiting = False
    return Entry(headwords, tuple(senses))


def translations_of(line: str) -> tuple[str, ...]:
    """Split a line of translations at its commas, without remarks, grammar and explanations."""
    previous = None
    while previous != line:
        previous, line = line, _REMARK.sub(" ", line)
    words = []
    for part in _SEPARATOR.split(_GRAMMAR.sub(",", line)):
        word = _FILLER.sub("", fold(part.strip(" .…!?:*_´`=~†")))
        if word and len(word.split()) <= MAX_WORDS and any(map(str.isalpha, word)):
            words.append(word)
    return tuple(dict.fromkeys(words))


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _DIGITS[digit]
    return value
