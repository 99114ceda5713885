"""Where translations of a phrase come from: a glossary, a compiled dictionary, Apertium."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rerank.translation.glossary import Glossary
from rerank.translation.inflect import stem

Weighted = tuple[str, float]
"""A translation and how good it is in itself, above 0; 1 is the first of a dictionary's list."""


class Source(Protocol):
    """Knows translations of phrases, for one pair of languages."""

    def lookup(self, phrases: Collection[str], *, inflected: bool) -> Mapping[str, tuple[Weighted, ...]]:
        """Return the translations of the folded phrases it knows, the best first.

        With `inflected`, a phrase that is not there as written is looked up by its stem.
        """
        ...


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source, the name under which it appears as engine, and the cost of preferring it (see `decode`).

    What an exclusive source knows of a phrase, the sources after it are not asked.
    """

    name: str
    source: Source
    cost: float
    exclusive: bool = False


class GlossarySource:
    """Glossaries for one pair of languages; the first that knows a phrase as written wins, then by stem."""

    def __init__(self, glossaries: Iterable[Glossary], source: str, target: str) -> None:
        self._language = source
        self._phrases: dict[str, tuple[Weighted, ...]] = {}
        self._stems: dict[str, tuple[Weighted, ...]] = {}
        for glossary in glossaries:
            for phrase, translations in glossary.phrases.get((source, target), {}).items():
                weighted = tuple((text, 1.0 / (1.0 + 0.25 * rank)) for rank, text in enumerate(translations))
                self._phrases.setdefault(phrase, weighted)
                self._stems.setdefault(stem(source, phrase), weighted)

    def __bool__(self) -> bool:
        return bool(self._phrases)

    def lookup(self, phrases: Collection[str], *, inflected: bool) -> dict[str, tuple[Weighted, ...]]:
        """Return the translations of the phrases it knows (see `Source`)."""
        found = {}
        for phrase in phrases:
            known = self._phrases.get(phrase)
            if known is None and inflected:
                known = self._stems.get(stem(self._language, phrase))
            if known:
                found[phrase] = known
        return found
