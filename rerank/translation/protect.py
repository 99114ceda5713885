"""What no translator may touch: brands, model and part numbers, numbers, and measures with their units.

An engine gets the whole text, because it translates better so. When one of these spans did not come through, or
the engine made up another, the text is translated piece by piece between them instead.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from rerank.protocols import Translation, Translator
from rerank.translation.keep import ENGINE, kept
from rerank.translation.words import UNITS

_PART = "[A-Za-z0-9]*[0-9][A-Za-z0-9]*"
_CODE = rf"(?:[A-Z]{{1,4}}[-/_.])?{_PART}(?:[.,/+_#:×-](?:{_PART}|[A-Z]{{1,3}}(?![A-Za-z])))*"
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
NUMBER = re.compile(rf"(?<![A-Za-z0-9]){_CODE}(?:[ \u00a0]?(?i:{_UNIT}|[\"″%°])(?![^\W\d_]))?")
"""A run of letters with a digit, further ones behind a mark ("TN-430", "3.5/4"), and the unit behind it; of a compound
("MP3-Player") the part with the digit alone."""


def protected_spans(text: str, brands: Sequence[str] = ()) -> list[tuple[int, int]]:
    """Return where the protected spans of a text start and end, in order and apart from each other.

    Args:
        text: any.
        brands: names that stay as they are; letter case does not matter.
    """
    found = [match.span() for match in NUMBER.finditer(text)]
    pattern = _brands(tuple(brands))
    if pattern is not None:
        found += [match.span() for match in pattern.finditer(text)]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def protected_texts(text: str, brands: Sequence[str] = ()) -> Counter[str]:
    """Count the protected spans of a text by what they say."""
    return Counter(text[start:end] for start, end in protected_spans(text, brands))


def restore_spelling(made: str, text: str, brands: Sequence[str] = ()) -> str:
    """Return a translation with its protected spans as its source spells them: engines change letter case, width and
    spaces ("mp3" into "MP3", "1,5\u00a0l" into "1,5 l")."""
    spellings: dict[str, list[str]] = {}
    for start, end in protected_spans(text, brands):
        spellings.setdefault(_loose(text[start:end]), []).append(text[start:end])
    parts, done = [], 0
    for start, end in protected_spans(made, brands):
        known = spellings.get(_loose(made[start:end]))
        parts += [made[done:start], known.pop(0) if known else made[start:end]]
        done = end
    return "".join(parts) + made[done:]


def _loose(span: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", span)).casefold()


def translate_protected(
    translator: Translator,
    texts: Sequence[str],
    source: str,
    target: str,
    brands: Sequence[Sequence[str]] | None = None,
) -> list[Translation]:
    """Translate texts so that each has the protected spans of its source, every one as often and none besides.

    As many translations as texts, in the same order. A text of protected spans alone is kept.

    Args:
        translator: any; what it does with protected spans does not matter.
        texts: in `source`.
        source: BCP 47.
        target: BCP 47.
        brands: the names to protect in each text; None: none.
    """
    names = brands if brands is not None else [()] * len(texts)
    result = [
        made if made.engine == ENGINE else replace(made, text=restore_spelling(made.text, text, own))
        for made, text, own in zip(translator.translate(texts, source, target), texts, names, strict=True)
    ]
    broken = [
        place
        for place, (text, made, own) in enumerate(zip(texts, result, names, strict=True))
        if made.engine != ENGINE and protected_texts(made.text, own) != protected_texts(text, own)
    ]
    cut = [_pieces(texts[place], names[place]) for place in broken]
    wanted = [piece.text for pieces in cut for piece in pieces if piece.free]
    made = iter(translator.translate(wanted, source, target) if wanted else ())
    for place, pieces in zip(broken, cut, strict=True):
        result[place] = _joined(texts[place], pieces, [next(made) for piece in pieces if piece.free], names[place])
    return result


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a text; `free` when it may be translated, with the white space around it apart."""

    before: str
    text: str
    after: str
    free: bool


def _pieces(text: str, brands: Sequence[str]) -> list[_Piece]:
    pieces, done = [], 0
    for start, end in [*protected_spans(text, brands), (len(text), len(text))]:
        between = text[done:start]
        bare = between.strip()
        lead = len(between) - len(between.lstrip())
        free = any(map(str.isalpha, bare))
        pieces.append(_Piece(between[:lead], bare, between[lead + len(bare) :], free))
        if end > start:
            pieces.append(_Piece("", text[start:end], "", False))
        done = end
    return pieces


def _joined(text: str, pieces: Sequence[_Piece], made: Sequence[Translation], brands: Sequence[str]) -> Translation:
    """Put a text together from its pieces; a piece that the engine broke again stays as it was."""
    translations = iter(made)
    parts, confidences, engines, answered = [], [], [], True
    for piece in pieces:
        found = next(translations) if piece.free else None
        answered = answered and (found is None or found.answered)
        if found is None or found.engine == ENGINE or protected_texts(found.text, brands):
            parts.append(piece.before + piece.text + piece.after)
            confidences += [0.0] * (found is not None)
            continue
        parts.append(piece.before + found.text.strip() + piece.after)
        confidences.append(found.confidence)
        engines.append(found.engine)
    joined = "".join(parts)
    if not engines or protected_texts(joined, brands) != protected_texts(text, brands):
        return kept(text, answered=answered)
    confidence = round(sum(confidences) / len(confidences), 3)
    return Translation(joined, max(set(engines), key=engines.count), confidence, answered)


@lru_cache(10_000)
def _brands(brands: tuple[str, ...]) -> re.Pattern[str] | None:
    names = sorted({brand.strip() for brand in brands if brand.strip()}, key=lambda name: (-len(name), name))
    if not names:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)
