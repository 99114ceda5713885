"""What translators by a neural model share: which texts are given to it, and what its answers become."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from rerank.protocols import Translation
from rerank.translation.keep import kept


class NeuralTranslator(ABC):
    """A Marian or NLLB model. Marian translates the one pair it is given; NLLB any two of its languages."""

    def __init__(self, pairs: frozenset[tuple[str, str]], *, several: bool, revision: str) -> None:
        """Say what the model is.

        Args:
            pairs: source and target (BCP 47) of what it translates.
            several: whether it has several languages, as NLLB has.
            revision: tells its files and settings from others.
        """
        self._pairs = pairs
        self.name = "nllb" if several else "marian"
        self.version = revision

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return the model's pairs."""
        return self._pairs

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Translate each text of letters; others are kept. A text is cut off behind the model's length.

        The confidence is the geometric mean of the tokens' probabilities.
        """
        result = [kept(text) for text in texts]
        places = [place for place, text in enumerate(texts) if any(map(str.isalpha, text))]
        if (source, target) not in self._pairs or not places:
            return result
        made = self._generate([texts[place] for place in places], source, target)
        for place, (text, score) in zip(places, made, strict=True):
            if text.strip():
                result[place] = Translation(text.strip(), self.name, round(min(math.exp(score), 1.0), 3))
        return result

    @abstractmethod
    def _generate(self, texts: Sequence[str], source: str, target: str) -> list[tuple[str, float]]:
        """Return each text's translation with the mean log probability of its tokens, in order."""


def any_two(languages: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return the pairs of a model that translates any of its languages into any other."""
    return frozenset((one, other) for one in languages for other in languages if one != other)
