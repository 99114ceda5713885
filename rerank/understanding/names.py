"""Names that no translator may touch: a brand whose name is also a word stays what it is."""

from collections.abc import Sequence
from typing import Protocol

from rerank.translation.words import fold
from rerank.understanding.attributes import SURE, Attribute
from rerank.understanding.vocabulary import Vocabulary, catalogue_terms


class WordTranslator(Protocol):
    """Translates a word by itself."""

    def word(self, text: str, source: str, target: str) -> str:
        """Return its translation, or itself."""
        ...


def certain_names(
    attributes: Sequence[Attribute],
    vocabulary: Vocabulary | None,
    translator: WordTranslator,
    source: str,
    read: Sequence[str],
) -> tuple[str, ...]:
    """Return the brands among a query's attributes that must not be translated, as the query writes them.

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
        return ()
    return tuple(
        item.text
        for item in attributes
        if item.name == "brand"
        and item.confidence >= SURE
        and _is_brand(item, vocabulary, translator.word(item.text, source, read[0]), read[0])
    )


def _is_brand(item: Attribute, vocabulary: Vocabulary | None, translated: str, target: str) -> bool:
    if fold(translated) == fold(item.text):
        return False
    used = vocabulary.frequency(target, " ".join(catalogue_terms(target, translated))) if vocabulary else 0
    return (item.documents or 0) >= max(used, 1)
