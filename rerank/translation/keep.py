"""The translator that translates nothing: baseline, fallback and test double."""

from collections.abc import Sequence

from rerank.protocols import Translation

ENGINE = "keep"


def kept(text: str, *, answered: bool = True) -> Translation:
    """Return the translation that says: this text could not be translated, or was not asked for, and is unchanged."""
    return Translation(text, ENGINE, 0.0, answered)


class Keep:
    """Returns every text unchanged."""

    name = ENGINE
    version = "1"

    def pairs(self) -> frozenset[tuple[str, str]]:
        """Return no pair."""
        return frozenset()

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        """Keep each text."""
        return [kept(text) for text in texts]
