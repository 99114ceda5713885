"""Names that no translator may touch: a brand whose name is also a word stays what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rerank.attributes import SURE, Attribute
from rerank.translation.words import fold, normalize
from rerank.vocabulary import Vocabulary, catalogue_terms


class WordTranslator(Protocol):
    """Translates a word by itself."""

    def word(self, text: str, source: str, target: str) -> str:
        """Return its translation, or itself."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Where names stand in a query after `words.normalize`, in order: start, end."""

    spans: tuple[tuple[int, int], ...] = ()
    texts: tuple[str, ...] = ()

    def hide(self, query: str) -> str:
        """Put a number into the place of each name: every translator leaves numbers where they are."""
        if not self.spans:
            return query
        text = normalize(query)
        for place, (start, end) in reversed(list(enumerate(self.spans))):
            text = text[:start] + _number(place) + text[end:]
        return text

    def show(self, text: str) -> str:
        """Put the names back."""
        for place, name in enumerate(self.texts):
            text = text.replace(_number(place), name)
        return text


def certain_names(
    attributes: Sequence[Attribute],
    vocabulary: Vocabulary | None,
    translator: WordTranslator,
    source: str,
    read: Sequence[str],
) -> Names:
    """Return the brands among a query's attributes that must not be translated.

    A brand that no dictionary translates needs no protection. One that is a word in the query's language is taken for
    the brand where at least as many products have the brand as use the word's translation.

    Args:
        attributes: what the query names.
        vocabulary: the catalogue's words.
        translator: translates a word of the query.
        source: the query's language.
        read: languages to translate into, the first counts.
    """
    if source in read or not read:
        return Names()
    kept = [
        item
        for item in attributes
        if item.name == "brand"
        and item.confidence >= SURE
        and _is_brand(item, vocabulary, translator.word(item.text, source, read[0]), read[0])
    ]
    return Names(tuple((item.start, item.end) for item in kept), tuple(item.text for item in kept))


def _is_brand(item: Attribute, vocabulary: Vocabulary | None, translated: str, target: str) -> bool:
    if fold(translated) == fold(item.text):
        return False
    used = vocabulary.frequency(target, " ".join(catalogue_terms(target, translated))) if vocabulary else 0
    return (item.documents or 0) >= max(used, 1)


def _number(place: int) -> str:
    return f"90{place}09"
