"""The ways to cover a text with known phrases: spans of its characters, each with possible translations.

A spaced text is cut at its words, Chinese and Japanese at every character, a long German word also inside.
Which cuts are right is decided later, together with the choice of translations (see `decode`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rerank.translation.source import NamedSource
from rerank.translation.words import Atom, function_words, is_protected, split_atoms

MAX_PHRASE_WORDS = 5
MAX_PHRASE_CHARACTERS = 12
MIN_PART = 3
"""The shortest part of a compound word."""

MAX_COMPOUND = 40
"""Longer runs of letters are no words; the pieces of a word grow with the square of its length."""

COMPOUNDING = frozenset({"da", "de", "fi", "nl", "no", "sv"})
LINKS = ("", "s", "es", "n", "en", "er", "e")
"""Letters that join the parts of a compound and belong to neither."""

KEEP = "keep"
PROTECTED = "protected"
DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Option:
    """One translation of a span and its price, lower is better: the source's cost and the translation's own."""

    text: str
    source: str
    weight: float
    cost: float


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text from character `start` to `end`, and its options; `inside` a word for a compound's part."""

    start: int
    end: int
    inside: bool
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class _Wish:
    start: int
    end: int
    phrases: tuple[str, ...]
    inside: bool
    inflected: bool


def build_lattice(
    text: str, language: str, sources: Sequence[NamedSource], keep_cost: Callable[[str], float], drop_cost: float
) -> tuple[list[Atom], list[Span]]:
    """Find every span of a normalized text that a source can translate, and the options to leave words as they are.

    `keep_cost` prices an untranslated word (it may be the catalogue's own). Returns the text's atoms and the
    spans in order of their start.
    """
    atoms = split_atoms(text)
    wishes = [*_phrases(atoms), *(_parts(atoms) if language in COMPOUNDING else ())]
    options: dict[int, list[Option]] = {}
    settled: set[int] = set()
    for named in sources:
        for inflected in (False, True):
            chosen = [
                (number, wish)
                for number, wish in enumerate(wishes)
                if wish.inflected is inflected and number not in settled
            ]
            known = named.source.lookup({phrase for _, wish in chosen for phrase in wish.phrases}, inflected=inflected)
            for number, wish in chosen:
                phrase = next((phrase for phrase in wish.phrases if phrase in known), None)
                if phrase is not None:
                    found = [Option(word, named.name, weight, named.cost) for word, weight in known[phrase]]
                    options.setdefault(number, []).extend(found)
                    if named.exclusive:
                        settled.add(number)
    spans = [
        Span(wish.start, wish.end, wish.inside, tuple(options[number]))
        for number, wish in enumerate(wishes)
        if number in options
    ]
    spans.extend(_kept(text, atoms, wishes, keep_cost))
    dropped = function_words(language)
    spans.extend(
        Span(atom.start, atom.end, False, (Option("", DROPPED, 1.0, drop_cost),))
        for atom in atoms
        if atom.folded in dropped
    )
    return atoms, sorted(spans, key=lambda span: (span.start, span.end))


def _phrases(atoms: Sequence[Atom]) -> list[_Wish]:
    wishes = []
    for first, atom in enumerate(atoms):
        if not atom.unspaced and is_protected(atom.folded):
            # A phrase may hold a number ("mp3 player") but a number alone is not translated.
            limit = MAX_PHRASE_WORDS
        else:
            limit = MAX_PHRASE_CHARACTERS if atom.unspaced else MAX_PHRASE_WORDS
        phrase = ""
        for last in range(first, min(len(atoms), first + limit)):
            following = atoms[last]
            if last > first and following.unspaced and following.start > atoms[last - 1].end:
                break
            touching = last > first and atoms[last - 1].end == following.start  # "d'" and "huile", 充 and 电
            phrase += following.folded if touching or last == first else f" {following.folded}"
            if last == first and not atom.unspaced and is_protected(atom.folded):
                continue
            wishes.append(_Wish(atom.start, following.end, _joined(phrase), inside=False, inflected=True))
    return wishes


def _joined(phrase: str) -> tuple[str, ...]:
    """Compounds are written apart, with a hyphen or together: "usb stick", "usb-stick", "usbstick"."""
    if " " not in phrase:
        return (phrase,)
    return phrase, phrase.replace(" ", "-"), phrase.replace(" ", "")


def _parts(atoms: Sequence[Atom]) -> list[_Wish]:
    wishes = []
    for atom in atoms:
        word = atom.folded
        # Folding ß to ss moves the characters; such a word is not cut.
        if (
            atom.unspaced
            or not 2 * MIN_PART <= len(word) <= MAX_COMPOUND
            or len(word) != atom.end - atom.start
            or not word.isalpha()
        ):
            continue
        for start in range(len(word) - MIN_PART + 1):
            for end in range(start + MIN_PART, len(word) + 1):
                if end - start == len(word) or 0 < start < MIN_PART or 0 < len(word) - end < MIN_PART:
                    continue
                last = end == len(word)
                phrases = (word[start:end],) if last else _unlinked(word[start:end])
                wishes.append(_Wish(atom.start + start, atom.start + end, phrases, inside=True, inflected=last))
    return wishes


def _unlinked(part: str) -> tuple[str, ...]:
    return tuple(part.removesuffix(link) for link in LINKS if part.endswith(link) and len(part) - len(link) >= MIN_PART)


def _kept(text: str, atoms: Sequence[Atom], wishes: Sequence[_Wish], keep_cost: Callable[[str], float]) -> list[Span]:
    spans = []
    for atom in atoms:
        if not atom.unspaced and is_protected(atom.folded):
            option = Option(text[atom.start : atom.end], PROTECTED, 1.0, 0.0)
        else:
            # An unspaced character alone means nothing in another script: it is left out, at the price of keeping.
            option = Option("" if atom.unspaced else text[atom.start : atom.end], KEEP, 1.0, keep_cost(atom.folded))
        spans.append(Span(atom.start, atom.end, False, (option,)))
    for wish in wishes:
        if wish.inside:
            option = Option(wish.phrases[0], KEEP, 1.0, keep_cost(wish.phrases[0]))
            spans.append(Span(wish.start, wish.end, True, (option,)))
    return spans
