"""How likely a text's characters are in each of some languages."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from py3langid.langid import MODEL_FILE, LanguageIdentifier

try:
    import lingua
except ImportError:
    lingua = None  # type: ignore[assignment]


class CharacterModel(Protocol):
    """Scores languages by the characters of a text."""

    def scores(self, text: str, candidates: Sequence[str]) -> dict[str, float]:
        """Return for each candidate (BCP 47) the logarithm of its probability, up to a constant."""
        ...


class LangidModel:
    """The model of the py3langid package: small, quick, and too sure of itself on two words.

    Source: Lui and Baldwin, 2012, "langid.py: an off-the-shelf language identification tool".
    """

    def __init__(self, languages: Sequence[str]) -> None:
        """Load the model (a good second) for some languages."""
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
        known = [language for language in dict.fromkeys(languages) if language in self._identifier.nb_classes]
        if known:
            self._identifier.set_languages(known)

    def scores(self, text: str, candidates: Sequence[str]) -> dict[str, float]:
        """Return the model's log probabilities; a language that it does not know gets the lowest of the others."""
        # rank() gives unnormalized log probabilities.
        ranked = {language: float(score) for language, score in self._identifier.rank(text) if language in candidates}
        top = max(ranked.values(), default=0.0)
        floor = min(ranked.values(), default=0.0)
        return {language: ranked.get(language, floor) - top for language in candidates}


class BothModels:
    """lingua (the `lingua` extra: 100 MB, exact on one to four words) and, with less say, py3langid."""

    LANGID_WEIGHT = 0.1
    FLOOR = 1e-6

    def __init__(self, languages: Sequence[str]) -> None:
        """Load both models for some languages; lingua must be installed."""
        self._langid = LangidModel(languages)
        self._languages = tuple(languages)

    @cached_property
    def _known(self) -> Mapping[Any, str]:
        """lingua's languages among ours."""
        codes = {language.iso_code_639_1.name.lower(): language for language in lingua.Language.all()}
        codes["no"] = lingua.Language.BOKMAL
        return {codes[language]: language for language in self._languages if language in codes}

    @cached_property
    def _detector(self) -> Any:
        # lingua wants two languages at least.
        return lingua.LanguageDetectorBuilder.from_languages(*self._known).build() if len(self._known) > 1 else None

    def scores(self, text: str, candidates: Sequence[str]) -> dict[str, float]:
        """Return the weighted sum of both models' log probabilities."""
        total = {name: self.LANGID_WEIGHT * score for name, score in self._langid.scores(text, candidates).items()}
        if self._detector is None:
            return total
        sure = {self._known[one.language]: one.value for one in self._detector.compute_language_confidence_values(text)}
        return {name: score + math.log(max(sure.get(name, 0.0), self.FLOOR)) for name, score in total.items()}


def has_lingua() -> bool:
    """Say whether the `lingua` extra is installed."""
    return lingua is not None
